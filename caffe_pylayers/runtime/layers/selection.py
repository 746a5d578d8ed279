"""Layers that choose by values: ArgMax, BatchReindex and Filter."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from caffe_pylayers.runtime.layers._elementwise import refuse_in_place
from caffe_pylayers.runtime.layers._loss import check_index
from caffe_pylayers.runtime.layers._setup import canonical_axis
from caffe_pylayers.runtime.layers.layer import Layer, register
from caffe_pylayers.runtime.memory.blob import Blob


@register("ArgMax")
class ArgMax(Layer):
    """The indices of the top_k largest values, along ``axis`` or else of each sample, as Caffe's ArgMax.

    Largest first; of equal values, the one of the largest index. It has no gradient.

    Bottom: [0] any shape (N, ...).
    Top: [0] with axis, the bottom's shape but top_k along it: the indices, or the values with
    out_max_val. Without, (N, 1, top_k), or (N, 2, top_k) with out_max_val: the indices, then the
    values; with more 1s if the bottom has more than 3 axes.
    """

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        refuse_in_place(self, bottom, top)
        param = self.layer_param.argmax_param
        self._k, self._values = param.top_k, param.out_max_val
        self.check(self._k > 0, "top_k must be positive, got 0")

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param, shape = self.layer_param.argmax_param, bottom[0].shape
        self.check(shape != (), "bottom[0] must have an axis, got a scalar")
        self._axis = canonical_axis(self, bottom[0], param.axis) if param.HasField("axis") else None
        among = math.prod(shape[1:]) if self._axis is None else shape[self._axis]
        if self._k > among:
            raise self.error(f"top_k must be at most {among} for bottom[0] of shape {shape}, got {self._k}")
        if self._axis is None:
            top[0].reshape(shape[0], 2 if self._values else 1, self._k, *[1] * (len(shape) - 3))
        else:
            top[0].reshape(*shape[: self._axis], self._k, *shape[self._axis + 1 :])

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        if self._axis is None:
            x = bottom[0].read().flatten(1) if len(bottom[0].shape) > 1 else bottom[0].read().view(-1, 1)
            y = top[0].write().view(len(x), 2 if self._values else 1, self._k)
            values, indices = self._largest(x, 1)
            y[:, 0] = indices
            if self._values:
                y[:, 1] = values
        else:
            layout = bottom[0].layout
            values, indices = self._largest(bottom[0].read(layout), self._axis)
            top[0].write(layout).copy_(values if self._values else indices)

    def _largest(self, x: torch.Tensor, axis: int) -> tuple[torch.Tensor, torch.Tensor]:
        # Reversed: PyTorch takes the first of equal values in these two functions, Caffe the last.
        x = x.flip(axis)
        if self._k == 1:
            values, indices = torch.max(x, axis, keepdim=True)
        else:
            values, indices = torch.sort(x, dim=axis, descending=True, stable=True)
            values, indices = values.narrow(axis, 0, self._k), indices.narrow(axis, 0, self._k)
        return values, x.shape[axis] - 1 - indices

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        raise self.error("has no gradient: no layer that learns may stand between it and its inputs")


@register("BatchReindex")
class BatchReindex(Layer):
    """y[i] = x[index[i]], as Caffe's BatchReindex.

    Bottom: [0] x (N, ...); [1] index (M,) in [0, N), fractions cut off. Top: [0] (M, ...).
    Backward: x only; the gradients of a row that is taken several times add up.
    """

    bottoms = 2

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        refuse_in_place(self, bottom, top)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.check(bottom[0].shape != (), "bottom[0] must have an axis, got a scalar")
        self.check(len(bottom[1].shape) == 1, f"bottom[1] must have shape (M,), got {bottom[1].shape}")
        top[0].reshape(*bottom[1].shape, *bottom[0].shape[1:])

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        index, size = bottom[1].read(), bottom[0].shape[0]
        wanted = f"bottom[1] must hold indices in [0, {size})"
        self._index = check_index(self, index, size, lambda at, got: f"{wanted}, got {got:g} at index {at}").long()
        layout = bottom[0].layout
        torch.index_select(bottom[0].read(layout), 0, self._index, out=top[0].write(layout))

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if propagate_down[1]:
            raise self.error("bottom[1], the index, has no gradient: no layer before it may learn")
        if propagate_down[0]:
            layout = top[0].diff_layout
            bottom[0].write_diff(layout).zero_().index_add_(0, self._index, top[0].read_diff(layout))


@register("Filter")
class Filter(Layer):
    """The rows of the bottoms at which the last bottom, the selector, is not 0, as Caffe's Filter.

    Bottom: [0], ... (N, ...); the last (N, 1, ...). Top: one for each but the last: (M, ...), M the
    rows selected; all N until the first forward.
    Backward: 0 for the rows left out; the selector has no gradient.
    """

    bottoms = (2, None)
    tops = (1, None)

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        wanted = len(bottom) - 1
        self.check(len(top) == wanted, f"takes {wanted} tops for {wanted} bottoms and a selector, got {len(top)}")
        refuse_in_place(self, bottom, top)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        *data, selector = bottom
        rows = selector.shape[:1]
        if rows == () or any(n != 1 for n in selector.shape[1:]):
            raise self.error(f"bottom[{len(data)}], the selector, must have shape (N, 1, ...), got {selector.shape}")
        for i, (blob, out) in enumerate(zip(data, top)):
            if blob.shape[:1] != rows:
                raise self.error(f"bottom[{i}] must have {rows[0]} rows as the selector, got shape {blob.shape}")
            out.reshape(*blob.shape)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self._rows = bottom[-1].read().view(-1).nonzero().view(-1)  # waits for the device: the tops' shapes need it
        for blob, out in zip(bottom, top):
            out.reshape(len(self._rows), *blob.shape[1:])
            layout = blob.layout
            torch.index_select(blob.read(layout), 0, self._rows, out=out.write(layout))

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if propagate_down[-1]:
            raise self.error(f"bottom[{len(top)}], the selector, has no gradient: no layer before it may learn")
        for blob, out, wanted in zip(bottom, top, propagate_down):
            if wanted:
                layout = out.diff_layout
                blob.write_diff(layout).zero_().index_copy_(0, self._rows, out.read_diff(layout))
