"""Layers that join, cut and repeat blobs: Concat, Slice, Crop and Tile."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import torch

from caffe_pylayers.runtime.layers._elementwise import diff_layout_of, layout_of, refuse_in_place
from caffe_pylayers.runtime.layers._setup import canonical_axis
from caffe_pylayers.runtime.layers.layer import Layer, register
from caffe_pylayers.runtime.memory.blob import Blob


def _axis(layer: Layer, bottom: Blob, param: Any, old_name: str) -> int:
    """Return the axis of bottom[0] that ``axis`` or its old name gives, which counts from the front only.

    LayerError for both names together, and for an axis that the blob lacks.
    """
    layer.check(not (param.HasField("axis") and param.HasField(old_name)), f"takes axis or {old_name}, got both")
    if not param.HasField(old_name):
        return canonical_axis(layer, bottom, param.axis)
    dim: int = getattr(param, old_name)
    if dim >= len(bottom.shape):
        raise layer.error(f"{old_name} must be below {len(bottom.shape)} for bottom[0] of {bottom.shape}, got {dim}")
    return dim


def _share(one: Blob, other: Blob) -> None:
    one.share_data(other)
    one.share_diff(other)


@register("Concat")
class Concat(Layer):
    """The bottoms one after the other along ``axis`` (or concat_dim, its old name), as Caffe's Concat.

    Bottom: [0], [1], ... of one shape but for that axis. Top: [0] that axis their sum.
    A single bottom is the top, in one memory.
    """

    backward_reads_bottoms = backward_reads_tops = False
    bottoms = (1, None)

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        if len(bottom) > 1:
            refuse_in_place(self, bottom, top)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        shape = list(bottom[0].shape)
        self._axis = axis = _axis(self, bottom[0], self.layer_param.concat_param, "concat_dim")
        self._sizes = [blob.shape[axis] for blob in bottom if len(blob.shape) > axis]
        for i, blob in enumerate(bottom):
            own = list(blob.shape)
            own[axis : axis + 1] = shape[axis : axis + 1]
            if own != shape or len(blob.shape) != len(shape):
                raise self.error(
                    f"bottom[{i}] must have the shape {bottom[0].shape} of bottom[0] but for axis {axis}, "
                    f"got {blob.shape}"
                )
        shape[axis] = sum(self._sizes)
        top[0].reshape(*shape)
        if len(bottom) == 1:
            _share(top[0], bottom[0])

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        if len(bottom) == 1:
            _share(top[0], bottom[0])
            return
        layout = layout_of(bottom)
        torch.cat([blob.read(layout) for blob in bottom], self._axis, out=top[0].write(layout))

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if len(bottom) == 1:
            return
        layout = top[0].diff_layout
        gradients = torch.split(top[0].read_diff(layout), self._sizes, self._axis)
        for blob, wanted, d_x in zip(bottom, propagate_down, gradients):
            if wanted:
                blob.write_diff(layout).copy_(d_x)


@register("Slice")
class Slice(Layer):
    """The bottom cut along ``axis`` (or slice_dim, its old name), as Caffe's Slice.

    Each slice_point begins a new top; without any the tops are equally long.

    Bottom: [0] any shape. Top: [0], [1], ... the same but for that axis.
    A single top is the bottom, in one memory.
    """

    backward_reads_bottoms = backward_reads_tops = False
    tops = (1, None)

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self._points = list(self.layer_param.slice_param.slice_point)
        if len(top) > 1:
            refuse_in_place(self, bottom, top)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        shape = list(bottom[0].shape)
        self._axis = axis = _axis(self, bottom[0], self.layer_param.slice_param, "slice_dim")
        self._sizes = self._cut(shape[axis], len(top), f"axis {axis} of bottom[0] of shape {bottom[0].shape}")
        for blob, size in zip(top, self._sizes):
            shape[axis] = size
            blob.reshape(*shape)
        if len(top) == 1:
            _share(top[0], bottom[0])

    def _cut(self, size: int, tops: int, where: str) -> list[int]:
        """Return the tops' sizes along an axis of this size; LayerError, naming ``where``, if it can't be cut so."""
        if not self._points:
            if size % tops:
                raise self.error(f"{where} cannot be cut into {tops} equal parts")
            return [size // tops] * tops
        if len(self._points) != tops - 1:
            raise self.error(f"takes {tops - 1} slice_point for {tops} tops, got {len(self._points)}")
        ends = [0, *self._points, size]
        sizes = [end - start for start, end in itertools.pairwise(ends)]
        if min(sizes[:-1]) < 1 or sizes[-1] < 0 or tops > size:
            raise self.error(f"slice_point must rise from 1 within {where}, got {self._points}")
        return sizes

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        if len(top) == 1:
            _share(top[0], bottom[0])
            return
        layout = bottom[0].layout
        for blob, y in zip(top, torch.split(bottom[0].read(layout), self._sizes, self._axis)):
            blob.write(layout).copy_(y)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if len(top) == 1 or not propagate_down[0]:
            return
        layout = diff_layout_of(top)
        torch.cat([blob.read_diff(layout) for blob in top], self._axis, out=bottom[0].write_diff(layout))


@register("Crop")
class Crop(Layer):
    """bottom[0] cropped to the sizes of bottom[1] from ``axis`` on, as Caffe's Crop.

    ``offset`` says where the top begins in bottom[0]: one for all axes, one for each of them, or none for 0.

    Bottom: [0] any shape; [1] as many axes or more, no larger from ``axis`` on; only its shape counts.
    Top: [0] the sizes of bottom[0] before ``axis``, of bottom[1] from there on.
    Backward: bottom[0] only, 0 outside the top; bottom[1]'s gradient is never written, as in Caffe.
    """

    backward_reads_bottoms = backward_reads_tops = False
    backward_leaves = (1,)
    bottoms = 2

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        refuse_in_place(self, bottom, top)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param, shape, size = self.layer_param.crop_param, bottom[0].shape, bottom[1].shape
        axis = canonical_axis(self, bottom[0], param.axis)
        cropped = len(shape) - axis
        if len(param.offset) not in (0, 1, cropped):
            raise self.error(f"takes no offset, one, or one for each of {cropped} axes, got {len(param.offset)}")
        if len(size) < len(shape):
            raise self.error(f"bottom[1] must have the {len(shape)} axes of bottom[0] of {shape}, got shape {size}")
        offsets = list(param.offset) or [0]
        offsets = offsets * cropped if len(offsets) == 1 else offsets
        for i, offset in enumerate(offsets, axis):
            if offset + size[i] > shape[i]:
                raise self.error(
                    f"axis {i} of bottom[0] of shape {shape} is too small for size {size[i]} at offset {offset}"
                )
        wanted = (*shape[:axis], *size[axis : len(shape)])
        self._kept = tuple(slice(start, start + n) for start, n in zip([0] * axis + offsets, wanted))
        top[0].reshape(*wanted)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        layout = bottom[0].layout
        top[0].write(layout).copy_(bottom[0].read(layout)[self._kept])

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if propagate_down[0]:
            layout = top[0].diff_layout
            d_x = bottom[0].write_diff(layout).zero_()
            d_x[self._kept].copy_(top[0].read_diff(layout))


@register("Tile")
class Tile(Layer):
    """The bottom ``tiles`` times along ``axis``, as Caffe's Tile.

    Bottom: [0] one axis or more. Top: [0] that axis ``tiles`` times as long.
    """

    backward_reads_bottoms = backward_reads_tops = False

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        refuse_in_place(self, bottom, top)
        param = self.layer_param.tile_param
        self.check(param.HasField("tiles"), "tile_param needs tiles")
        self.check(param.tiles > 0, f"tiles must be positive, got {param.tiles}")
        self._tiles = param.tiles

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        shape = bottom[0].shape
        axis = canonical_axis(self, bottom[0], self.layer_param.tile_param.axis)
        top[0].reshape(*shape[:axis], shape[axis] * self._tiles, *shape[axis + 1 :])
        self._outer, self._inner = math.prod(shape[:axis]), math.prod(shape[axis:])

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        y = top[0].write().view(self._outer, self._tiles, self._inner)
        y.copy_(bottom[0].read().view(self._outer, 1, self._inner).expand_as(y))

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if propagate_down[0]:
            d_y = top[0].read_diff().view(self._outer, self._tiles, self._inner)
            torch.sum(d_y, 1, out=bottom[0].write_diff().view(self._outer, self._inner))
