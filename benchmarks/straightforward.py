"""The layers as one writes them at first: what `make bench` compares ours with."""

import caffe
import numpy as np


class OneHotLoop(caffe.Layer):
    """One-hot codes, one sample at a time."""

    def setup(self, bottom, top):
        pass

    def reshape(self, bottom, top):
        top[0].reshape(bottom[1].num, bottom[1].channels)

    def forward(self, bottom, top):
        top[0].data[...] = np.zeros_like(bottom[1].data)
        for i in range(bottom[0].data.size):
            label = int(bottom[0].data[i])
            top[0].data[i][label] = 1

    def backward(self, top, propagate_down, bottom):
        bottom[1].diff[...] = 0


class Clear(OneHotLoop):
    """Only clears its top: the least that writing all of it costs."""

    def forward(self, bottom, top):
        top[0].data[...] = 0


class EuclideanTemporaries(caffe.Layer):
    """The Euclidean loss as its formula reads, a temporary array for each operation."""

    def setup(self, bottom, top):
        pass

    def reshape(self, bottom, top):
        self.diff = np.zeros_like(bottom[0].data)
        top[0].reshape(1)

    def forward(self, bottom, top):
        self.diff[...] = bottom[0].data - bottom[1].data
        top[0].data[...] = np.sum(self.diff**2) / bottom[0].num / 2.0

    def backward(self, top, propagate_down, bottom):
        for i, sign in enumerate((1, -1)):
            bottom[i].diff[...] = sign * top[0].diff[0] * self.diff / bottom[i].num


class Empty(caffe.Layer):
    """Does nothing: what is left is the cost of the call."""

    def setup(self, bottom, top):
        top[0].reshape(*bottom[0].shape)

    def reshape(self, bottom, top):
        pass

    def forward(self, bottom, top):
        pass

    def backward(self, top, propagate_down, bottom):
        pass


class Copy(Empty):
    """Copies its values and its gradients."""

    def forward(self, bottom, top):
        top[0].data[...] = bottom[0].data

    def backward(self, top, propagate_down, bottom):
        bottom[0].diff[...] = top[0].diff
