"""SoftmaxWithLoss."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from caffe_pylayers.runtime.layers._loss import FLT_MIN, Labels, LossLayer, ignore_label, normalization, normalizer
from caffe_pylayers.runtime.layers.layer import register
from caffe_pylayers.runtime.layers.softmax import softmax
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.proto.caffe_pb2 import LossParameter


@register("SoftmaxWithLoss")
class SoftmaxWithLoss(LossLayer):
    """loss = -sum of log(max(softmax(x)[label], FLT_MIN)) / normalizer.

    Bottom: [0] x, scores, (N, C, ...) with the classes on ``axis``; [1] labels, one for each place, in [0, C).
    Top: [0] loss, a scalar. As Caffe's SoftmaxWithLoss, in every version, it refuses the second top that Caffe's
    documentation has: the inner Softmax takes the layer's loss weights and refuses any number but one, the layer
    itself refuses any but two.
    """

    tops = (1, 2)

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        if len(top) > 1:
            raise self.error(
                "has two tops, which Caffe never accepts, as the loss weights cannot fit both its inner Softmax and "
                "itself; give it one top and add a Softmax layer for the probabilities"
            )
        param = self.layer_param.loss_param
        self._mode = normalization(param, LossParameter.VALID)
        self._labels = Labels(self, self.layer_param.softmax_param.axis, ignore_label(param))
        self._prob = Blob()

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        super().reshape(bottom, top)
        self._labels.reshape(bottom[0], bottom[1])
        self._prob.reshape(*bottom[0].shape)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        labels, layout = self._labels, bottom[0].layout
        prob = self._prob.write(layout)
        softmax(bottom[0].read(layout), labels.axis, out=prob)
        self._index = labels.read(bottom[1])
        log_prob = prob.gather(labels.axis, self._index).clamp_min_(FLT_MIN).log_()
        if labels.valid is not None:
            log_prob.masked_fill_(~labels.valid, 0)
        self._normalizer = normalizer(self._mode, labels.outer, labels.inner, labels.valid)
        torch.div(log_prob.sum(), -self._normalizer, out=top[0].write())

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        self.refuse_gradient(propagate_down, 1, "labels")
        if not propagate_down[0]:
            return
        labels, layout = self._labels, self._prob.layout
        d_x = bottom[0].write_diff(layout).copy_(self._prob.read(layout))
        one = d_x.new_full((), -1).expand(self._index.shape)
        d_x.scatter_add_(labels.axis, self._index, one)
        if labels.valid is not None:
            d_x.masked_fill_(~labels.valid, 0)
        d_x.mul_(top[0].read_diff() / self._normalizer)
