"""Layers with one mistake each, and a right one to compare with. No engine is needed."""

import numpy as np


class Squares:
    """top = weight * bottom[0]**2, with a learned weight."""

    def setup(self, bottom, top):
        self.blobs.add_blob(1)
        self.blobs[0].data[...] = 1.5

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].data.shape)

    def forward(self, bottom, top):
        top[0].data[...] = self.blobs[0].data[0] * bottom[0].data ** 2

    def backward(self, top, propagate_down, bottom):
        self.blobs[0].diff[0] += np.vdot(top[0].diff, bottom[0].data ** 2)
        if propagate_down[0]:
            bottom[0].diff[...] = top[0].diff * 2 * self.blobs[0].data[0] * bottom[0].data


class WrongFactor(Squares):
    def backward(self, top, propagate_down, bottom):
        super().backward(top, propagate_down, bottom)
        if propagate_down[0]:
            bottom[0].diff[...] /= 2


class WrongInOnePlace(Squares):
    def backward(self, top, propagate_down, bottom):
        super().backward(top, propagate_down, bottom)
        if propagate_down[0]:
            bottom[0].diff[1, 2] = 0


class IgnoresTopDiff(Squares):
    def backward(self, top, propagate_down, bottom):
        top[0].diff[...] = 1
        super().backward(top, propagate_down, bottom)


class WrongLearnedGradient(Squares):
    def backward(self, top, propagate_down, bottom):
        super().backward(top, propagate_down, bottom)
        self.blobs[0].diff[0] *= 1.01


class ReplacesLearnedGradient(Squares):
    def backward(self, top, propagate_down, bottom):
        self.blobs[0].diff[...] = 0
        super().backward(top, propagate_down, bottom)


class IgnoresPropagateDown(Squares):
    def backward(self, top, propagate_down, bottom):
        super().backward(top, [True], bottom)


class LeavesDiffStale(Squares):
    def backward(self, top, propagate_down, bottom):
        stale = bottom[0].diff[0, 0]
        super().backward(top, propagate_down, bottom)
        bottom[0].diff[0, 0] = stale


class LeavesTopUnwritten(Squares):
    def forward(self, bottom, top):
        top[0].data[1:] = self.blobs[0].data[0] * bottom[0].data[1:] ** 2


class ModifiesBottom(Squares):
    def forward(self, bottom, top):
        super().forward(bottom, top)
        bottom[0].data[...] = np.abs(bottom[0].data)


class RemembersTheCall(Squares):
    def forward(self, bottom, top):
        self.calls = getattr(self, "calls", 0) + 1
        super().forward(bottom, top)
        top[0].data[...] += self.calls


class RemembersTheBatchSize(Squares):
    def setup(self, bottom, top):
        super().setup(bottom, top)
        self.batch = len(bottom[0].data)

    def forward(self, bottom, top):
        top[0].data[...] = 0
        top[0].data[: self.batch] = self.blobs[0].data[0] * bottom[0].data[: self.batch] ** 2


class Absolute:
    """top = abs(bottom[0]): a corner at 0."""

    def setup(self, bottom, top):
        pass

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].data.shape)

    def forward(self, bottom, top):
        top[0].data[...] = np.abs(bottom[0].data)

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            bottom[0].diff[...] = top[0].diff * np.sign(bottom[0].data)
