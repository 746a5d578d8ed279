"""Layers that move no values: Flatten, Reshape, Silence and Split."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from caffe_pylayers.runtime.layers._elementwise import diff_layout_of, refuse_in_place
from caffe_pylayers.runtime.layers._setup import canonical_axis
from caffe_pylayers.runtime.layers.layer import Layer, register
from caffe_pylayers.runtime.memory.blob import Blob


class _View(Layer):
    """A top that is the bottom in another shape, in the same memory, gradients too.

    Each forward shares the memory anew, as the bottom may have other memory since.
    """

    backward_reads_bottoms = backward_reads_tops = False

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        refuse_in_place(self, bottom, top)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        top[0].share_data(bottom[0])
        top[0].share_diff(bottom[0])

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        pass


@register("Flatten")
class Flatten(_View):
    """The axes from ``axis`` to ``end_axis`` made one, as Caffe's Flatten; end_axis = axis - 1 inserts one of size 1.

    Bottom: [0] one axis or more. Top: [0] the same values.
    """

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param, shape = self.layer_param.flatten_param, bottom[0].shape
        start = canonical_axis(self, bottom[0], param.axis)
        end = canonical_axis(self, bottom[0], param.end_axis, "end_axis") + 1
        if end < start:
            raise self.error(f"end_axis must not lie before axis {param.axis}, got {param.end_axis} for shape {shape}")
        top[0].reshape(*shape[:start], math.prod(shape[start:end]), *shape[end:])
        self.forward(bottom, top)


@register("Reshape")
class Reshape(_View):
    """``num_axes`` axes from ``axis`` on replaced by ``shape``, as Caffe's Reshape.

    In shape, 0 stands for the bottom's size at that place, and a single -1 for the size that makes the counts equal.
    A negative axis counts from one past the last: -1 adds axes at the end.

    Bottom: [0] any shape. Top: [0] the same values.
    """

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        super().setup(bottom, top)
        self._dims = list(self.layer_param.reshape_param.shape.dim)
        self.check(self._dims.count(-1) < 2, f"shape may hold -1 once, got {self._dims}")

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        shape = bottom[0].shape
        start, end = self._replaced(bottom[0])
        dims = [self._copied(bottom[0], start + i) if n == 0 else n for i, n in enumerate(self._dims)]
        if -1 in dims:
            i = dims.index(-1)
            others = math.prod(shape[:start]) * math.prod(dims[:i] + dims[i + 1 :]) * math.prod(shape[end:])
            if others == 0 or bottom[0].count % others:
                raise self.error(f"-1 in shape {self._dims}: bottom[0] of shape {shape} cannot be divided by {others}")
            dims[i] = bottom[0].count // others
        wanted = (*shape[:start], *dims, *shape[end:])
        if min(wanted, default=0) < 0 or math.prod(wanted) != bottom[0].count:
            raise self.error(f"bottom[0] of shape {shape} cannot take the shape {wanted}: the counts differ")
        top[0].reshape(*wanted)
        self.forward(bottom, top)

    def _replaced(self, bottom: Blob) -> tuple[int, int]:
        param, axes = self.layer_param.reshape_param, len(bottom.shape)
        start = param.axis if param.axis >= 0 else axes + param.axis + 1
        if not 0 <= start <= axes:
            raise self.error(f"axis must be in [{-axes - 1}, {axes}] for bottom[0] of {bottom.shape}, got {param.axis}")
        end = axes if param.num_axes == -1 else start + param.num_axes
        if param.num_axes < -1 or end > axes:
            raise self.error(
                f"num_axes must be in [-1, {axes - start}] from axis {start} of bottom[0] of shape {bottom.shape}, "
                f"got {param.num_axes}"
            )
        return start, end

    def _copied(self, bottom: Blob, axis: int) -> int:
        if axis >= len(bottom.shape):
            raise self.error(f"0 in shape {self._dims}: bottom[0] of shape {bottom.shape} has no axis {axis}")
        return bottom.shape[axis]


@register("Split")
class Split(Layer):
    """Tops that are all the bottom, in one memory, each with a gradient of its own; as Caffe's Split.

    Bottom: [0] any shape. Top: [0], ... the same.
    Backward: the sum of the tops' gradients.
    """

    backward_reads_bottoms = backward_reads_tops = False
    tops = (1, None)

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        refuse_in_place(self, bottom, top)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        for blob in top:
            blob.reshape(*bottom[0].shape)
        self.forward(bottom, top)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        for blob in top:
            blob.share_data(bottom[0])

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if not propagate_down[0]:
            return
        layout = diff_layout_of(top)
        first, *rest = (blob.read_diff(layout) for blob in top)
        if not rest:
            bottom[0].equal_diff(top[0], layout)
        elif self.spends_top_diffs and not top[0].diff_is_shown:
            total = top[0].update_diff(layout)
            for d_y in rest:
                total.add_(d_y)
            bottom[0].equal_diff(top[0], layout)
        else:
            total = torch.add(first, rest[0], out=bottom[0].write_diff(layout))
            for d_y in rest[1:]:
                total.add_(d_y)


@register("Silence")
class Silence(Layer):
    """Reads its bottoms, so that they are no outputs of the net, as Caffe's Silence; their gradient is 0.

    Bottom: [0], ... any shapes. Top: none.
    """

    bottoms = (1, None)
    tops = 0

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        pass

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        pass

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        for blob, wanted in zip(bottom, propagate_down):
            if wanted:
                layout = blob.diff_layout
                blob.write_diff(layout).zero_()
