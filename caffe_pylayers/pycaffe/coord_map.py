"""``caffe.coord_map``: how the places of two blobs of a net relate, and the Crop that aligns them, as FCN needs it.

A coordinate map (axis, scale, shift) takes place i of a layer's bottom to place scale * i + shift of its top, on the
spatial axes that follow ``axis``; an axis of None stands for any.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from caffe_pylayers.pycaffe.net_spec import Function, Top
from caffe_pylayers.pycaffe.net_spec import layers as L  # noqa: N812

CoordMap = tuple[Any, Any, Any]

IDENTITY: CoordMap = (None, 1, 0)
PASS_THROUGH_LAYERS = [
    *("AbsVal", "BatchNorm", "Bias", "BNLL", "Dropout", "Eltwise", "ELU", "Log", "LRN", "Exp", "MVN", "Power"),
    *("ReLU", "PReLU", "Scale", "Sigmoid", "Split", "TanH", "Threshold"),
]


class UndefinedMapException(Exception):  # noqa: N818 - pycaffe's name
    """A layer of this type has no coordinate map."""


class AxisMismatchException(Exception):  # noqa: N818 - pycaffe's name
    """Two maps are of different axes."""


def conv_params(fn: Function) -> tuple[int, Any, Any, Any]:
    """Return the axis, stride, kernel extent and pad of a Convolution, Deconvolution, Im2col or Pooling."""
    params = fn.params.get("convolution_param", fn.params)
    legacy = {f"{name}_{side}" for name in ("pad", "kernel", "stride") for side in "hw"} & {*fn.params, *params}
    if legacy:
        raise AssertionError(f"cropping does not support legacy _h/_w params, got {', '.join(sorted(legacy))}")
    kernel, dilation = np.array(params["kernel_size"], ndmin=1), np.array(params.get("dilation", 1), ndmin=1)
    extent = (kernel - 1) * dilation + 1
    stride, pad = np.array(params.get("stride", 1), ndmin=1), np.array(params.get("pad", 0), ndmin=1)
    return params.get("axis", 1), stride, extent, pad


def crop_params(fn: Function) -> tuple[int, Any]:
    """Return the axis and offset of a Crop."""
    params = fn.params.get("crop_param", fn.params)
    return params.get("axis", 2), np.array(params.get("offset", 0), ndmin=1)


def coord_map(fn: Function) -> CoordMap:
    """Return the map of a layer. UndefinedMapException where it has none."""
    if fn.type_name in ("Convolution", "Pooling", "Im2col"):
        axis, stride, extent, pad = conv_params(fn)
        return axis, 1 / stride, (pad - (extent - 1) / 2) / stride
    if fn.type_name == "Deconvolution":
        axis, stride, extent, pad = conv_params(fn)
        return axis, stride, (extent - 1) / 2 - pad
    if fn.type_name in PASS_THROUGH_LAYERS:
        return IDENTITY
    if fn.type_name == "Crop":
        axis, offset = crop_params(fn)
        return axis - 1, 1, -offset  # the last axis that has no coordinates
    raise UndefinedMapException(f"{fn.type_name} has no coordinate map")


def compose(base_map: CoordMap, next_map: CoordMap) -> CoordMap:
    """Return the map that is next_map, then base_map. AxisMismatchException where their axes differ."""
    (axis, scale, shift), (other, next_scale, next_shift) = base_map, next_map
    if axis is not None and other is not None and axis != other:
        raise AxisMismatchException(f"maps of axes {axis} and {other}")
    return other if axis is None else axis, scale * next_scale, scale * next_shift + shift


def inverse(coord_map: CoordMap) -> CoordMap:
    """Return the map from top to bottom."""
    axis, scale, shift = coord_map
    return axis, 1 / scale, -shift / scale


def coord_map_from_to(top_from: Top, top_to: Top) -> CoordMap:
    """Return the map from one blob to another, by way of a blob that both depend on.

    RuntimeError where there is none that both reach through layers with coordinate maps.
    """
    back = _maps_back(top_from)
    for top, found in _maps_back(top_to).items():
        if top in back:
            return compose(found, inverse(back[top]))
    raise RuntimeError("Could not compute map between tops; are they connected by spatial layers?")


def _maps_back(start: Top) -> dict[Top, CoordMap]:
    """Return the map to ``start`` from each blob that it depends on, the nearest first."""
    maps: dict[Top, CoordMap] = {start: IDENTITY}
    queue = [start]
    for top in queue:
        try:
            step = coord_map(top.fn)
        except UndefinedMapException:
            continue
        # A Crop's second bottom gives it a size, not values.
        for bottom in top.fn.inputs[:1] if top.fn.type_name == "Crop" else top.fn.inputs:
            if bottom not in maps:
                maps[bottom] = compose(maps[top], step)
                queue.append(bottom)
    return maps


def crop(top_from: Top, top_to: Top) -> Top:
    """Return a Crop of one blob to the places of another.

    AssertionError where their scales differ, or the offset is negative or no integer.
    """
    axis, scale, shift = coord_map_from_to(top_from, top_to)
    for right, message in (
        (np.all(scale == 1), f"scale mismatch on crop (a = {scale})"),
        (np.all(shift <= 0), f"cannot crop negative offset (b = {shift})"),
        (np.all(np.round(shift) == shift), f"cannot crop noninteger offset (b = {shift})"),
    ):
        if not right:
            raise AssertionError(message)
    offset = [int(n) for n in -np.round(np.atleast_1d(shift))]
    cropped: Top = L.Crop(top_from, top_to, crop_param={"axis": axis + 1, "offset": offset})
    return cropped
