"""InnerProduct."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from caffe_pylayers.runtime.layers._elementwise import refuse_in_place
from caffe_pylayers.runtime.layers._linear import linear
from caffe_pylayers.runtime.layers._setup import canonical_axis, make_learned_blobs, same_or_legacy
from caffe_pylayers.runtime.layers.layer import Layer, register
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.memory.limits import Shape


@register("InnerProduct")
class InnerProduct(Layer):
    """y = x W^T + b with the axes from ``axis`` on as one, as Caffe's InnerProduct.

    Bottom: [0] (M..., K...), K from ``axis`` on. Top: [0] (M..., num_output).
    Learned: W (num_output, K), with transpose (K, num_output), and, with bias_term, b (num_output).
    """

    backward_reads_tops = False

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        refuse_in_place(self, bottom, top)
        param = self.layer_param.inner_product_param
        axis = canonical_axis(self, bottom[0], param.axis)
        self._inputs, self._outputs = math.prod(bottom[0].shape[axis:]), param.num_output
        self._stored = (self._inputs, self._outputs) if param.transpose else (self._outputs, self._inputs)
        specs: list[tuple[Shape, Any]] = [(self._stored, param.weight_filler)]
        if param.bias_term:
            specs.append(((self._outputs,), param.bias_filler))
        make_learned_blobs(self, *specs, fits=same_or_legacy)
        self._bias, self._transpose = bool(param.bias_term), bool(param.transpose)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        shape = bottom[0].shape
        axis = canonical_axis(self, bottom[0], self.layer_param.inner_product_param.axis)
        inputs = math.prod(shape[axis:])
        if inputs != self._inputs:
            raise self.error(f"bottom[0] must have {self._inputs} values from axis {axis} on, got shape {shape}")
        top[0].reshape(*shape[:axis], self._outputs)
        self._rows = math.prod(shape[:axis])

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        bias = _shaped(self.blobs[1].read(), self._outputs) if self._bias else None
        top[0].take(linear(_shaped(bottom[0].read(), self._rows, self._inputs), self._weight(), bias))

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        d_y = _shaped(top[0].read_diff(), self._rows, self._outputs)
        if propagate_down[0]:  # before a solver may change the weight
            bottom[0].take_diff(linear(d_y, self._weight().t(), None))
        if self.param_propagate_down[0]:
            x = _shaped(bottom[0].read(), self._rows, self._inputs)
            left, right = (x, d_y) if self._transpose else (d_y, x)
            if self.blobs[0].learn is not None:
                self.blobs[0].learn(left, right)
            else:
                self._add_product(left, right)
        if self._bias and self.param_propagate_down[1]:
            self.blobs[1].add_diff(d_y.sum(dim=0))

    def _add_product(self, left: torch.Tensor, right: torch.Tensor) -> None:
        """Add left^T right to the weight's gradient."""
        fresh = self.blobs[0].diff_is_zero
        d_weight = self.blobs[0].write_diff() if fresh else self.blobs[0].update_diff()
        _shaped(d_weight, *self._stored).addmm_(left.t(), right, beta=0 if fresh else 1)

    def _weight(self) -> torch.Tensor:
        """(num_output, K)"""
        weight = _shaped(self.blobs[0].read(), *self._stored)
        return weight.t() if self._transpose else weight


def _shaped(values: torch.Tensor, *shape: int) -> torch.Tensor:
    """View contiguous values in a shape; themselves where they have it, which is most often, and takes no call."""
    return values if values.shape == shape else values.view(shape)
