"""What real Caffe does with nets: run as a program, with a JSON list of [prototxt, state] on stdin.

Prints for each net, as JSON:
    layers: [name, whether the log says it needs backward] in order, automatic Splits among them
    told: for each Probe whose backward is called, the propagate_down it gets
    written: for each blob that a layer reads, whether a backward pass changed its diff
"""

import json
import os
import re
import sys
import tempfile

import caffe
import numpy as np

told = {}


class Probe(caffe.Layer):
    """A layer of any wiring. param_str: its name, and how many learned blobs it has."""

    def setup(self, bottom, top):
        self.name, blobs = self.param_str.split()
        for _ in range(int(blobs) - len(self.blobs)):
            self.blobs.add_blob(1)

    def reshape(self, bottom, top):
        for i in range(len(top)):
            top[i].reshape(2, 3)

    def forward(self, bottom, top):
        pass

    def backward(self, top, propagate_down, bottom):
        told[self.name] = [bool(flag) for flag in propagate_down]
        for i in range(len(bottom)):
            if propagate_down[i]:
                bottom[i].diff[...] = 0


def observe(prototxt, state):
    """What Caffe does with one net."""
    import real_plan  # Caffe imports Probe from there, not from __main__

    real_plan.told.clear()
    net, log = build(prototxt, state)
    lines = re.findall(r"\] (\S+) (needs|does not need) backward computation\.", log)
    lines = lines[-len(net.layers) :]  # before these, a recurrent layer's own net has logged its
    for blob in net.inputs:
        net.blobs[blob].data[...] = 1
    net.forward()
    # A Split adds up its tops' diffs, asked for or not: so no two start with the same, nor with a multiple.
    before = {blob: 7 + 1 / (3 + i) for i, blob in enumerate({b for bs in net.bottom_names.values() for b in bs})}
    for blob, value in before.items():
        net.blobs[blob].diff[...] = value
    net.backward()
    return {
        "layers": [[name, says == "needs"] for name, says in reversed(lines)],
        "told": dict(real_plan.told),
        "written": {blob: bool((net.blobs[blob].diff != np.float32(value)).any()) for blob, value in before.items()},
    }


def build(prototxt, state):
    """The net, and what Caffe logs as it builds it."""
    with tempfile.TemporaryFile() as log, tempfile.NamedTemporaryFile("w", suffix=".prototxt") as file:
        file.write(prototxt)
        file.flush()
        stderr = os.dup(2)
        os.dup2(log.fileno(), 2)
        try:
            net = caffe.Net(file.name, state["phase"], level=state["level"], stages=state["stages"])
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
        log.seek(0)
        return net, log.read().decode()


if __name__ == "__main__":
    json.dump([observe(*case) for case in json.load(sys.stdin)], sys.stdout)
