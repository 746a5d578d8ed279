"""What the loops share."""

import caffe
import numpy as np


class Loop(caffe.Layer):
    """A layer without parameters."""

    def setup(self, bottom, top):
        pass

    def reshape(self, bottom, top):
        top[0].reshape(1)


class SampleLoss(Loop):
    """The mean over the samples of a loss: ``one`` returns a sample's loss and its gradient."""

    def forward(self, bottom, top):
        self.diff, loss = np.zeros_like(bottom[0].data), 0
        for i in range(bottom[0].num):
            value, self.diff[i] = self.one(bottom[0].data[i], bottom[1].data[i])
            loss += value
        top[0].data[...] = loss / bottom[0].num

    def backward(self, top, propagate_down, bottom):
        bottom[0].diff[...] = top[0].diff[0] * self.diff / bottom[0].num
