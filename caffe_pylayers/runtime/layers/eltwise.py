"""Eltwise."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from caffe_pylayers.runtime.layers._elementwise import (
    diff_layout_of,
    layout_of,
    refuse_gradient_in_place,
    refuse_in_place,
)
from caffe_pylayers.runtime.layers.layer import Layer, register
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.proto.caffe_pb2 import EltwiseParameter


@register("Eltwise")
class Eltwise(Layer):
    """The product, the sum (each bottom times its coeff) or the maximum of the bottoms, as Caffe's Eltwise.

    Of equal values, the maximum takes the second bottom's, then the first's, then the others' in order.
    Bottom: [0], [1], ... of one shape. Top: [0] the same; with PROD it may be bottom[0], without a gradient then.
    In place Caffe's SUM and MAX lose bottom[0] before they read it, and all gradients are wrong: they are refused.
    Backward: PROD multiplies the other bottoms or, without stable_prod_grad, divides the top.
    """

    bottoms = (2, None)

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param = self.layer_param.eltwise_param
        self._operation, self._stable = param.operation, param.stable_prod_grad
        given = len(param.coeff)
        self.check(given in (0, len(bottom)), f"takes a coeff for each of {len(bottom)} bottoms or none, got {given}")
        product = self._operation == EltwiseParameter.PROD
        self.check(not (product and given), "coeff goes with operation SUM, got PROD")
        if not product:
            refuse_in_place(self, bottom, top)
        self._coeffs = list(param.coeff) or [1.0] * len(bottom)
        self.backward_reads_bottoms = self.backward_reads_tops = product
        self._winner = Blob()  # for MAX: the index of the bottom that each value of the top comes from

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        shape = bottom[0].shape
        for i, blob in enumerate(bottom):
            if blob.shape != shape:
                raise self.error(f"bottom[{i}] must have shape {shape} as bottom[0], got {blob.shape}")
        top[0].reshape(*shape)
        self._winner.reshape(*shape)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        layout = layout_of(bottom)
        values, y = [blob.read(layout) for blob in bottom], top[0].write(layout)
        if self._operation == EltwiseParameter.PROD:
            torch.mul(values[0], values[1], out=y)
            for x in values[2:]:
                y.mul_(x)
        elif self._operation == EltwiseParameter.SUM:
            self._sum(values, y)
        else:
            self._maximum(values, y, self._winner.write(layout))

    def _sum(self, values: Sequence[torch.Tensor], y: torch.Tensor) -> None:
        # A coeff of 0 leaves its bottom out, whatever it holds, as BLAS does.
        terms = [(x, coeff) for x, coeff in zip(values, self._coeffs) if coeff]
        if len(terms) > 1 and terms[0][1] == 1:
            torch.add(terms[0][0], terms[1][0], alpha=terms[1][1], out=y)
            del terms[:2]
        elif terms:
            torch.mul(*terms.pop(0), out=y)
        else:
            y.zero_()
        for x, coeff in terms:
            y.add_(x, alpha=coeff)

    @staticmethod
    def _maximum(values: Sequence[torch.Tensor], y: torch.Tensor, winner: torch.Tensor) -> None:
        torch.le(values[0], values[1], out=winner)
        torch.maximum(values[0], values[1], out=y)
        for i, x in enumerate(values[2:], 2):
            winner.masked_fill_(x > y, i)
            torch.maximum(y, x, out=y)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if any(propagate_down):
            refuse_gradient_in_place(self, bottom, top)
        layout = diff_layout_of(top)
        d_y = top[0].read_diff(layout)
        for i, blob in enumerate(bottom):
            if not propagate_down[i]:
                continue
            if self._operation == EltwiseParameter.SUM and self._coeffs[i] == 1:
                blob.equal_diff(top[0], layout)
                continue
            d_x = blob.write_diff(layout)
            if self._operation == EltwiseParameter.SUM:
                torch.mul(d_y, self._coeffs[i], out=d_x)
            elif self._operation == EltwiseParameter.MAX:
                torch.eq(self._winner.read(layout), i, out=d_x).mul_(d_y)
            elif self._stable:
                first, *rest = (other for j, other in enumerate(bottom) if j != i)
                torch.mul(first.read(layout), d_y, out=d_x)
                for other in rest:
                    d_x.mul_(other.read(layout))
            else:
                torch.div(top[0].read(layout), blob.read(layout), out=d_x).mul_(d_y)
