"""Reduction."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from caffe_pylayers.runtime.layers._elementwise import refuse_in_place
from caffe_pylayers.runtime.layers._setup import canonical_axis
from caffe_pylayers.runtime.layers.layer import Layer, register
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.proto.caffe_pb2 import ReductionParameter


@register("Reduction")
class Reduction(Layer):
    """``coeff`` times the SUM, the ASUM of |x|, the SUMSQ of x^2 or the MEAN, as Caffe's Reduction.

    Bottom: [0] one axis or more. Top: [0] its axes before ``axis``; a scalar for axis 0.
    """

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        refuse_in_place(self, bottom, top)
        self._operation = self.layer_param.reduction_param.operation

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param, shape = self.layer_param.reduction_param, bottom[0].shape
        axis = canonical_axis(self, bottom[0], param.axis)
        top[0].reshape(*shape[:axis])
        self._rows = (math.prod(shape[:axis]), math.prod(shape[axis:]))
        self._coeff = param.coeff
        if self._operation == ReductionParameter.MEAN:
            self._coeff /= self._rows[1] or math.nan  # the mean of nothing is NaN

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        x, y = bottom[0].read().view(self._rows), top[0].write().view(-1)
        if self._operation == ReductionParameter.ASUM:
            torch.linalg.vector_norm(x, 1, dim=1, out=y)
        elif self._operation == ReductionParameter.SUMSQ:
            torch.linalg.vecdot(x, x, out=y)
        else:
            torch.sum(x, 1, out=y)
        if self._coeff != 1:
            y.mul_(self._coeff)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if not propagate_down[0]:
            return
        d_y = (top[0].read_diff().view(-1, 1) * self._coeff).expand(self._rows)
        d_x = bottom[0].write_diff().view(self._rows)
        if self._operation == ReductionParameter.ASUM:
            torch.sign(bottom[0].read().view(self._rows), out=d_x).mul_(d_y)
        elif self._operation == ReductionParameter.SUMSQ:
            torch.mul(bottom[0].read().view(self._rows), d_y, out=d_x).mul_(2)
        else:
            d_x.copy_(d_y)
