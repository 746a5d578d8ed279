"""Accuracy."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from caffe_pylayers.runtime.layers._elementwise import refuse_in_place
from caffe_pylayers.runtime.layers._loss import Divisor, Labels, ignore_label
from caffe_pylayers.runtime.layers.layer import Layer, register
from caffe_pylayers.runtime.memory.blob import Blob


@register("Accuracy")
class Accuracy(Layer):
    """The share of the labels that are among the ``top_k`` best scores, as Caffe's Accuracy.

    A class with the label's score counts as better than the label.

    Bottom: [0] scores (N, C, ...) with the classes on ``axis``; [1] labels, one for each place, in [0, C).
    Top: [0] accuracy, a scalar, 0 where every label is ignored; [1], if there, the accuracy of each
    class (C), 0 for a class without labels. It has no gradient.
    """

    bottoms = 2
    tops = (1, 2)

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        refuse_in_place(self, bottom, top)
        param = self.layer_param.accuracy_param
        self._top_k = param.top_k
        self._labels = Labels(self, param.axis, ignore_label(param))

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        labels = self._labels
        labels.reshape(bottom[0], bottom[1])
        if self._top_k > labels.classes:
            raise self.error(f"top_k {self._top_k} is more than the {labels.classes} classes of {bottom[0].shape}")
        top[0].reshape()
        if len(top) > 1:
            top[1].reshape(labels.classes)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        labels = self._labels
        scores, index = bottom[0].read(bottom[0].layout), labels.read(bottom[1])
        rank = (scores >= scores.gather(labels.axis, index)).sum(labels.axis, keepdim=True)  # of the label, from 1
        right, counted = rank <= self._top_k, labels.valid
        total: Divisor = float(max(index.numel(), 1))
        if counted is not None:
            right &= counted
            total = counted.sum().clamp_min_(1)
        torch.div(right.sum(), total, out=top[0].write())
        if len(top) > 1:
            zeros, flat = scores.new_zeros(labels.classes), index.reshape(-1)
            ones = zeros.new_ones(flat.shape) if counted is None else counted.reshape(-1).float()
            counts = zeros.scatter_add(0, flat, ones).clamp_min_(1)
            torch.div(zeros.scatter_add_(0, flat, right.reshape(-1).float()), counts, out=top[1].write())

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if any(propagate_down):
            raise self.error("has no gradient: it cannot be a loss")
