"""SigmoidCrossEntropyLoss."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from caffe_pylayers.runtime.layers._loss import LossLayer, common_layout, ignore_label, normalization, normalizer
from caffe_pylayers.runtime.layers.layer import register
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.proto.caffe_pb2 import LossParameter


@register("SigmoidCrossEntropyLoss")
class SigmoidCrossEntropyLoss(LossLayer):
    """loss = -sum of t log(s) + (1 - t) log(1 - s) over the targets, / normalizer, with s = sigmoid(x).

    Computed as x ((x >= 0) - t) + log(1 + exp(-|x|)), which neither overflows nor takes log(0).
    Bottom: [0] x (N, ...); [1] targets t of the same count, in [0, 1]; one whose integer part is
    ``ignore_label`` does not count. Top: [0] loss, a scalar. As Caffe's SigmoidCrossEntropyLoss, whose
    normalization is BATCH_SIZE by default.
    """

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param = self.layer_param.loss_param
        self._mode = normalization(param, LossParameter.BATCH_SIZE)
        self._ignore = ignore_label(param)
        self._sigmoid, self._loss, self._miss = Blob(), Blob(), Blob()

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        super().reshape(bottom, top)
        shape = bottom[0].shape
        if bottom[1].count != bottom[0].count:
            raise self.error(f"bottom[1] must have {bottom[0].count} targets as bottom[0], got shape {bottom[1].shape}")
        for blob in (self._sigmoid, self._loss, self._miss):
            blob.reshape(*shape)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        shape, layout = bottom[0].shape, common_layout(bottom)
        self._layout = layout
        x, target = bottom[0].read(layout), bottom[1].read(layout).view(shape)
        torch.sigmoid(x, out=self._sigmoid.write(layout))
        loss, miss = self._loss.write(layout), self._miss.write(layout)
        torch.ge(x, 0, out=miss).sub_(target)
        torch.abs(x, out=loss).neg_().exp_().log1p_().addcmul_(x, miss)
        valid = None
        if self._ignore is not None:
            valid = target.trunc() != self._ignore
            loss.masked_fill_(~valid, 0)
        self._valid = valid
        self._normalizer = normalizer(self._mode, shape[0], bottom[0].count // max(shape[0], 1), valid)
        torch.div(loss.sum(), self._normalizer, out=top[0].write())

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        self.refuse_gradient(propagate_down, 1, "targets")
        if not propagate_down[0]:
            return
        layout = self._layout
        target = bottom[1].read(layout).view(bottom[0].shape)
        d_x = torch.sub(self._sigmoid.read(layout), target, out=bottom[0].write_diff(layout))
        if self._valid is not None:
            d_x.masked_fill_(~self._valid, 0)
        d_x.mul_(top[0].read_diff() / self._normalizer)
