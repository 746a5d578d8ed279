"""HingeLoss and MultinomialLogisticLoss: losses of one label per item."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from caffe_pylayers.runtime.layers._loss import LOG_THRESHOLD, LossLayer, check_labels
from caffe_pylayers.runtime.layers.layer import register
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.proto.caffe_pb2 import HingeLossParameter


class ItemLoss(LossLayer):
    """A loss of predictions (N, ...), taken as rows of C values, and one label in [0, C) for each row."""

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        super().reshape(bottom, top)
        self._num = self.num(bottom[0], 0)
        if not bottom[0].count or not bottom[1].count:
            shapes = f"{bottom[0].shape} and {bottom[1].shape}"
            raise self.error(f"bottom[0] and bottom[1] must not be empty, got shapes {shapes}")

    def labels(self, bottom: Sequence[Blob]) -> torch.Tensor:
        """Return the labels, (N, 1): the first N values of bottom[1], as Caffe takes them where there are more.

        LayerError for a label outside [0, C).
        """
        index = bottom[1].read().view(-1, 1)[: self._num].long()
        return check_labels(self, index, bottom[0].count // self._num)


@register("HingeLoss")
class HingeLoss(ItemLoss):
    """loss = sum of m (L1) or m^2 (L2) over items and classes, / N; m = max(0, 1 + x), at the label max(0, 1 - x).

    Bottom: [0] x, scores, (N, C) or of up to 4 axes; [1] labels (N). Top: [0] loss, a scalar. As Caffe's HingeLoss.
    """

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self._squared = self.layer_param.hinge_loss_param.norm == HingeLossParameter.L2
        self._margins = Blob()

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        super().reshape(bottom, top)
        self._margins.reshape(self._num, bottom[0].count // self._num)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        margins = self._margins.write()
        self._index = self.labels(bottom)
        margins.copy_(bottom[0].read().view(margins.shape))
        margins.scatter_(1, self._index, margins.gather(1, self._index).neg_())
        margins.add_(1).clamp_min_(0)
        flat, loss = margins.view(-1), top[0].write()
        if self._squared:
            torch.dot(flat, flat, out=loss)
        else:
            torch.sum(flat, 0, out=loss)
        loss.div_(self._num)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        self.refuse_gradient(propagate_down, 1, "labels")
        if not propagate_down[0]:
            return
        margins = self._margins.read()
        d_x = bottom[0].write_diff().view(margins.shape)
        if self._squared:
            torch.mul(margins, top[0].read_diff() * 2 / self._num, out=d_x)
        else:
            torch.sign(margins, out=d_x).mul_(top[0].read_diff() / self._num)
        d_x.scatter_(1, self._index, d_x.gather(1, self._index).neg_())


@register("MultinomialLogisticLoss")
class MultinomialLogisticLoss(ItemLoss):
    """loss = -sum of log(max(p[label], 1e-20)) over the items, / N.

    Bottom: [0] p, probabilities, (N, C) or of up to 4 axes; [1] labels (N), or with further axes of 1.
    Top: [0] loss, a scalar. As Caffe's MultinomialLogisticLoss.
    """

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        super().reshape(bottom, top)
        self.num(bottom[1], 1)
        if bottom[1].count != self._num:
            raise self.error(f"bottom[1] must have one label for each item, ({self._num},), got {bottom[1].shape}")

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self._index = self.labels(bottom)
        self._prob = bottom[0].read().view(self._num, -1).gather(1, self._index).clamp_min_(LOG_THRESHOLD)
        torch.div(self._prob.log().sum(), -self._num, out=top[0].write())

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        self.refuse_gradient(propagate_down, 1, "labels")
        if not propagate_down[0]:
            return
        d_p = bottom[0].write_diff().view(self._num, -1).zero_()
        d_p.scatter_(1, self._index, (top[0].read_diff() / -self._num) / self._prob)
