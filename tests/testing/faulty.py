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


class AddsToDiff(Squares):
    def backward(self, top, propagate_down, bottom):
        before = bottom[0].diff.copy()
        super().backward(top, propagate_down, bottom)
        if propagate_down[0]:
            bottom[0].diff[...] += before


class ReadsDiff(Squares):
    def backward(self, top, propagate_down, bottom):
        before = bottom[0].diff.copy()
        super().backward(top, propagate_down, bottom)
        if propagate_down[0]:
            bottom[0].diff[...] += 3 * before


class BackwardGivesNaN(Squares):
    def backward(self, top, propagate_down, bottom):
        super().backward(top, propagate_down, bottom)
        if propagate_down[0]:
            bottom[0].diff[0] = np.nan


class AddsToTop(Squares):
    def forward(self, bottom, top):
        top[0].data[...] += self.blobs[0].data[0] * bottom[0].data ** 2


class ForwardGivesNaN(Squares):
    def forward(self, bottom, top):
        super().forward(bottom, top)
        top[0].data[0, 1] = np.nan


class ModifiesBottomInBackward(Squares):
    def backward(self, top, propagate_down, bottom):
        super().backward(top, propagate_down, bottom)
        bottom[0].data[...] *= 2


class NeedsItsBottom(Squares):
    in_place = True  # but backward reads the bottom, which forward has overwritten


class NeedsItsTop(Squares):
    in_place = True

    def forward(self, bottom, top):
        top[0].data[...] = np.exp(bottom[0].data)

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            bottom[0].diff[...] = top[0].diff * top[0].data


class LearnsOnlyWithABottom(Squares):
    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            super().backward(top, propagate_down, bottom)


class ReshapesInSetupAlone(Squares):
    def setup(self, bottom, top):
        super().setup(bottom, top)
        top[0].reshape(*bottom[0].data.shape)

    def reshape(self, bottom, top):
        pass


class ForgetsItsTop(Squares):
    """Its forward fits any top."""

    def reshape(self, bottom, top):
        if not hasattr(self, "shaped"):
            self.shaped = top[0].reshape(*bottom[0].data.shape)

    def forward(self, bottom, top):
        top[0].data[...] = self.blobs[0].data[0] * bottom[0].data[: len(top[0].data)] ** 2


class NeverReshapes(Squares):
    def reshape(self, bottom, top):
        pass


class UsesItsTopBeforeReshape(Squares):
    def setup(self, bottom, top):
        super().setup(bottom, top)
        top[0].data[...] = 0


class IteratesBottoms(Squares):
    def reshape(self, bottom, top):
        for blob in bottom:
            top[0].reshape(*blob.data.shape)


class AddsToAShape(Squares):
    def reshape(self, bottom, top):
        shape = bottom[0].shape[:1]
        top[0].reshape(*(shape + (4,)))  # noqa: RUF005


class ComparesAShape(Squares):
    def setup(self, bottom, top):
        super().setup(bottom, top)
        assert bottom[0].shape == (3, 4)


class ReshapesWithNumpy(Squares):
    def reshape(self, bottom, top):
        top[0].reshape(*np.array(bottom[0].data.shape))


class ReshapesWithAList(Squares):
    def reshape(self, bottom, top):
        top[0].reshape(list(bottom[0].data.shape))


class IndexesWithNumpy(Squares):
    def reshape(self, bottom, top):
        top[0].reshape(*bottom[np.int64(0)].data.shape)


class ReplacesTop(Squares):
    def forward(self, bottom, top):
        top[0].data = bottom[0].data ** 2


class NeedsTwoBottoms(Squares):
    def setup(self, bottom, top):
        super().setup(bottom, top)
        self.shape = bottom[1].data.shape


class InitTakesNothing(Squares):
    def __init__(self):
        pass


class ReadsParamStrInInit(Squares):
    def __init__(self, layer_param):
        self.text = self.param_str


class MadeWithTwoArguments(Squares):
    def __init__(self, layer_param, more):
        pass


class SetsUpInInit(Squares):
    def __init__(self, layer_param):
        super().__init__(layer_param)
        self.made_with = type(layer_param).__name__

    def setup(self, bottom, top):
        super().setup(bottom, top)
        assert self.made_with == "LayerParameter"


class Misspelt:
    def setup(self, bottom, top):
        pass

    def reshape(self, bottom, top):
        pass

    def foward(self, bottom, top):
        pass


class HalfSquares:
    """loss = sum((p - t)**2) / (2 N)."""

    factor = staticmethod(lambda top, n: top[0].diff[0] / n)

    def setup(self, bottom, top):
        pass

    def reshape(self, bottom, top):
        top[0].reshape(1)

    def forward(self, bottom, top):
        self.difference = bottom[0].data - bottom[1].data
        top[0].data[...] = (self.difference**2).sum() / 2 / len(self.difference)

    def backward(self, top, propagate_down, bottom):
        gradient = self.factor(top, len(self.difference)) * self.difference
        for i, sign in enumerate((1, -1)):
            if propagate_down[i]:
                bottom[i].diff[...] = sign * gradient


class IgnoresLossWeight(HalfSquares):
    factor = staticmethod(lambda top, n: 1 / n)


class IgnoresLossWeightAndBatch(HalfSquares):
    factor = staticmethod(lambda top, n: 1)


class WrongSign(HalfSquares):
    factor = staticmethod(lambda top, n: -top[0].diff[0] / n)


class MissesBatchSize(HalfSquares):
    factor = staticmethod(lambda top, n: top[0].diff[0])


class DividesByBatchSizeTwice(HalfSquares):
    factor = staticmethod(lambda top, n: top[0].diff[0] / n**2)


class WrongByAThird(HalfSquares):
    factor = staticmethod(lambda top, n: top[0].diff[0] / n / 3)


class InFloat32(HalfSquares):
    """The classic: right, with a buffer of float32."""

    def reshape(self, bottom, top):
        self.difference = np.zeros_like(bottom[0].data, dtype=np.float32)
        top[0].reshape(1)

    def forward(self, bottom, top):
        self.difference[...] = bottom[0].data - bottom[1].data
        top[0].data[...] = np.sum(self.difference**2) / bottom[0].num / 2.0


class WrongInFloat32(InFloat32):
    factor = staticmethod(lambda top, n: -top[0].diff[0] / n)


class LabelAsIndex:
    """top = the score at each label."""

    def setup(self, bottom, top):
        pass

    def reshape(self, bottom, top):
        top[0].reshape(len(bottom[1].data))

    def forward(self, bottom, top):
        for i in range(len(bottom[1].data)):
            top[0].data[i] = bottom[0].data[i, bottom[1].data[i]]

    def backward(self, top, propagate_down, bottom):
        pass


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
