"""InfogainLoss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from caffe_pylayers.runtime.files.binaryproto import read_array
from caffe_pylayers.runtime.layers._loss import LOG_THRESHOLD, Labels, LossLayer, ignore_label, normalizer
from caffe_pylayers.runtime.layers.layer import register
from caffe_pylayers.runtime.layers.softmax import softmax
from caffe_pylayers.runtime.memory.blob import Blob


@register("InfogainLoss")
class InfogainLoss(LossLayer):
    """loss = -sum of H[label, c] log(max(softmax(x)[c], 1e-20)) over the places and classes, / normalizer.

    Bottom: [0] x, scores, (N, C, ...) with the classes on ``axis``; [1] labels, one for each place, in
    [0, C); [2], or else the BlobProto in the file ``source``: H, C * C values. Only [0] gets a gradient.
    Top: [0] loss, a scalar; [1], if there, softmax(x). Two tops need two loss_weight, of which the second
    has no gradient. As Caffe's InfogainLoss.
    """

    bottoms = (2, 3)
    tops = (1, 2)

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param, loss = self.layer_param.infogain_loss_param, self.layer_param.loss_param
        if loss.HasField("normalize"):
            raise self.error("does not take normalize; use normalization")
        self._mode = loss.normalization
        self._labels = Labels(self, param.axis, ignore_label(loss))
        self._prob, self._matrix = Blob(), Blob()
        if len(bottom) < 3:
            self._read(param)

    def _read(self, param: Any) -> None:
        if not param.HasField("source"):
            raise self.error("needs its matrix: a source, or a third bottom")
        try:
            values = read_array(param.source)
        except (OSError, ValueError) as error:
            raise self.error(f"source: {error}") from error
        self._matrix.reshape(*values.shape)
        self._matrix.data[...] = values

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        super().reshape(bottom, top)
        self._labels.reshape(bottom[0], bottom[1])
        classes, matrix = self._labels.classes, self._infogain(bottom)
        if matrix.count != classes * classes:
            name = "bottom[2]" if len(bottom) > 2 else f"the matrix in {self.layer_param.infogain_loss_param.source}"
            raise self.error(f"{name} must have {classes} * {classes} values, one for each pair, got {matrix.shape}")
        self._prob.reshape(*bottom[0].shape)
        if len(top) > 1:
            top[1].reshape(*bottom[0].shape)
            top[1].share_data(self._prob)

    def _infogain(self, bottom: Sequence[Blob]) -> Blob:
        return bottom[2] if len(bottom) > 2 else self._matrix

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        labels, layout = self._labels, bottom[0].layout
        prob = self._prob.write(layout)
        softmax(bottom[0].read(layout), labels.axis, out=prob)
        self._rows = self._read_rows(bottom)
        log_prob = prob.clamp_min(LOG_THRESHOLD).log_()
        if labels.valid is not None:
            log_prob.masked_fill_(~labels.valid, 0)
        self._normalizer = normalizer(self._mode, labels.outer, labels.inner, labels.valid)
        torch.div(log_prob.mul_(self._rows).sum(), self._normalizer, out=top[0].write()).neg_()

    def _read_rows(self, bottom: Sequence[Blob]) -> torch.Tensor:
        """Return the row of H of each place's label, in the scores' shape; zeros for ignored labels."""
        labels = self._labels
        matrix = self._infogain(bottom).read().view(labels.classes, labels.classes)
        rows = matrix[labels.read(bottom[1]).squeeze(labels.axis)].movedim(-1, labels.axis)
        return rows if labels.valid is None else rows * labels.valid

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        self.refuse_gradient(propagate_down, 1, "labels")
        self.refuse_gradient(propagate_down, 2, "matrix")
        if not propagate_down[0]:
            return
        layout = self._prob.layout
        sums = self._rows.sum(self._labels.axis, keepdim=True)
        d_x = torch.mul(self._prob.read(layout), sums, out=bottom[0].write_diff(layout))
        d_x.sub_(self._rows)
        if self._labels.valid is not None:
            d_x.masked_fill_(~self._labels.valid, 0)
        d_x.mul_(top[0].read_diff() / self._normalizer)
