"""Python layers that make something happen in the middle of a training."""

import json
import os
import signal
import sys

import caffe
import numpy as np


class At(caffe.Layer):
    """Passes its bottom on; at the n-th forward of one phase it does what param_str says.

    param_str: {"forward": 4, "phase": "TRAIN", "do": ...}, which is "raise", "exit", "nan", "rename A B", signals one
        after the other, "SIGINT SIGINT", or at the same moment, "together SIGINT SIGTERM".
    """

    def setup(self, bottom, top):
        options = json.loads(self.param_str)
        self.here = self.phase == getattr(caffe, options.get("phase", "TRAIN"))
        self.at = options["forward"]
        self.do = options["do"]
        self.count = 0

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].shape)

    def forward(self, bottom, top):
        top[0].data[...] = bottom[0].data
        self.count += 1
        if not self.here or self.count != self.at:
            return
        if self.do == "raise":
            raise LookupError("nothing under that key")
        if self.do == "exit":
            sys.exit(0)
        if self.do == "nan":
            top[0].data[...] = np.nan
        elif self.do.startswith("rename "):
            os.rename(*self.do.split()[1:])
        elif self.do.startswith("together "):
            numbers = [getattr(signal, name) for name in self.do.split()[1:]]
            signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
            for number in numbers:
                os.kill(os.getpid(), number)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)
        elif self.do != "nan":
            for name in self.do.split():
                os.kill(os.getpid(), getattr(signal, name))

    def backward(self, top, propagate_down, bottom):
        bottom[0].diff[...] = top[0].diff


class AtRank(At):
    """At, in the solver of the rank that param_str says, alone."""

    def setup(self, bottom, top):
        super().setup(bottom, top)
        self.here = self.here and caffe.solver_rank() == json.loads(self.param_str)["rank"]


class Noise(caffe.Layer):
    """Adds numpy's global noise."""

    def setup(self, bottom, top):
        pass

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].shape)

    def forward(self, bottom, top):
        top[0].data[...] = bottom[0].data + np.random.normal(size=bottom[0].data.shape)

    def backward(self, top, propagate_down, bottom):
        bottom[0].diff[...] = top[0].diff
