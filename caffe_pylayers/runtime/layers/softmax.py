"""Softmax."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from caffe_pylayers.runtime.layers._setup import canonical_axis
from caffe_pylayers.runtime.layers.layer import Layer, register
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.memory.device import HOST

# Many rows of a few values, such as an object's and the background's, take PyTorch's kernel for rows on the CPU twice
# as long as its kernel for columns.
FEW, MANY = 4, 1 << 12


def softmax(x: torch.Tensor, axis: int, out: torch.Tensor) -> None:
    """Write exp(x) / sum of exp(x) over an axis to ``out``, another tensor of the same layout."""
    if not x.is_contiguous():  # channels-last: permuted, or PyTorch would make a contiguous copy
        x, out, axis = x.permute(0, 2, 3, 1), out.permute(0, 2, 3, 1), (0, 3, 1, 2)[axis]
    if axis == x.dim() - 1 and x.shape[axis] <= FEW and x.numel() >= MANY and x.device == HOST:
        columns = x.movedim(axis, 0).contiguous()
        out.copy_(torch.softmax(columns, 0).movedim(0, axis))
    else:
        torch.softmax(x, axis, out=out)


@register("Softmax")
class Softmax(Layer):
    """y = exp(x) / sum of exp(x) over ``axis``, as Caffe's Softmax.

    Bottom: [0] x, any shape. Top: [0] y of that shape; may be the bottom.
    """

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self._product = Blob()

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self._axis = canonical_axis(self, bottom[0], self.layer_param.softmax_param.axis)
        top[0].reshape(*bottom[0].shape)
        self._product.reshape(*bottom[0].shape)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        layout = bottom[0].layout
        x = bottom[0].read(layout)
        if top[0] is bottom[0]:
            x = self._product.write(layout).copy_(x)
        softmax(x, self._axis, out=top[0].write(layout))

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if not propagate_down[0]:
            return
        layout = top[0].layout
        y, d_y = top[0].read(layout), top[0].read_diff(layout)
        product = torch.mul(d_y, y, out=self._product.write(layout))
        d_x = bottom[0].write_diff(layout)
        torch.sub(d_y, product.sum(self._axis, keepdim=True), out=d_x).mul_(y)
