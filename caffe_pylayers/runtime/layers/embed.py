"""Embed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from caffe_pylayers.runtime.layers._loss import check_index
from caffe_pylayers.runtime.layers._setup import make_learned_blobs, same_or_legacy
from caffe_pylayers.runtime.layers.layer import Layer, register
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.memory.limits import Shape


@register("Embed")
class Embed(Layer):
    """y[i] = weight[x[i]] + bias, a learned row for each index, as Caffe's Embed.

    Bottom: [0] (...) integers in [0, input_dim). Top: [0] (..., num_output).
    Learned: weight (input_dim, num_output) and, with bias_term, bias (num_output).

    An index outside its range raises LayerError in forward; Caffe reads outside its memory.
    """

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param = self.layer_param.embed_param
        self.check(param.num_output > 0, "num_output must be positive")
        self.check(param.input_dim > 0, "input_dim must be positive")
        specs: list[tuple[Shape, Any]] = [((param.input_dim, param.num_output), param.weight_filler)]
        if param.bias_term:
            specs.append(((param.num_output,), param.bias_filler))
        make_learned_blobs(self, *specs, fits=same_or_legacy)
        self._bias = bool(param.bias_term)
        self._rows, self._outputs = param.input_dim, param.num_output

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        top[0].reshape(*bottom[0].shape, self._outputs)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        index = bottom[0].read().flatten().long()
        wanted = f"bottom[0] must hold integers in [0, {self._rows})"
        index = check_index(self, index, self._rows, lambda at, got: f"{wanted}, got {got} at index {at}")
        y = top[0].write().view(-1, self._outputs)
        torch.index_select(self.blobs[0].read().view(-1, self._outputs), 0, index, out=y)
        if self._bias:
            y.add_(self.blobs[1].read().view(-1))
        self._index = index

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if propagate_down[0]:
            raise self.error("bottom[0] holds indices and has no gradient")
        d_y = top[0].read_diff().view(-1, self._outputs)
        if self.param_propagate_down[0]:
            self.blobs[0].update_diff().view(-1, self._outputs).index_add_(0, self._index, d_y)
        if self._bias and self.param_propagate_down[1]:
            self.blobs[1].add_diff(d_y.sum(dim=0))
