"""Python layers as users write them, for the tests of the boundary."""

import caffe
import numpy as np

CALLS = []


class Records(caffe.Layer):
    """top = 2 * bottom; notes each call."""

    def setup(self, bottom, top):
        CALLS.append(("setup", self.param_str, self.phase, len(bottom), len(top)))

    def reshape(self, bottom, top):
        CALLS.append("reshape")
        top[0].reshape(*bottom[0].shape)

    def forward(self, bottom, top):
        CALLS.append("forward")
        top[0].data[...] = 2 * bottom[0].data

    def backward(self, top, propagate_down, bottom):
        CALLS.append(("backward", list(propagate_down)))
        bottom[0].diff[...] = 2 * top[0].diff


class Learns(caffe.Layer):
    """top = bottom + learned offset."""

    def setup(self, bottom, top):
        self.blobs.add_blob(3)
        self.blobs[0].data[...] = 1

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].data.shape)

    def forward(self, bottom, top):
        top[0].data[...] = bottom[0].data + self.blobs[0].data

    def backward(self, top, propagate_down, bottom):
        self.blobs[0].diff[...] += top[0].diff.sum(0)
        if propagate_down[0]:
            bottom[0].diff[...] = top[0].diff


class Tensors(Records):
    """The same on tensors."""

    array_api = True

    def forward(self, bottom, top):
        CALLS.append(type(bottom[0].data).__name__)
        top[0].data[...] = 2 * bottom[0].data


class Fails(Records):
    """Raises in the method that param_str names."""

    def setup(self, bottom, top):
        self.fail("setup")

    def reshape(self, bottom, top):
        super().reshape(bottom, top)
        self.fail("reshape")

    def forward(self, bottom, top):
        self.fail("forward")
        top[0].data[...] = np.inf

    def fail(self, method):
        if self.param_str == method:
            raise KeyError(f"on purpose in {method}")


class Differentiates(caffe.Layer):
    """top = bottom^3, whose gradient PyTorch finds."""

    array_api = True

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].shape)

    def setup(self, bottom, top):
        pass

    def forward(self, bottom, top):
        self.x = bottom[0].data.detach().clone().requires_grad_()
        self.y = self.x**3
        top[0].data[...] = self.y.detach()

    def backward(self, top, propagate_down, bottom):
        self.y.backward(top[0].diff)
        bottom[0].diff[...] = self.x.grad


def make(layer_param):
    """A factory function works as `layer` too."""
    return Records(layer_param)


class Leaves(caffe.Layer):
    """top = bottom^2 + what it was before; counts on what it has left in its blobs, and keeps arrays."""

    def setup(self, bottom, top):
        self.before = None

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].shape)

    def forward(self, bottom, top):
        kept = self.before is not None and self.before.shape == top[0].data.shape
        before = 0.1 * self.before if kept else 0
        top[0].data[...] = 0.1 * bottom[0].data ** 2 + before
        bottom[0].diff[...] = 0.2 * bottom[0].data
        if not kept:
            self.before = top[0].data

    def backward(self, top, propagate_down, bottom):
        bottom[0].diff[...] *= top[0].diff
