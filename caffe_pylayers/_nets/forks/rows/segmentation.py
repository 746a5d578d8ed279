"""SegNet, PSPNet, DeepLab."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._nets.forks.dialects import Dialect


def _by_factors(layer: Any) -> bool:
    """Return True for an Interp whose factors give the size: one that is there alone, or both without a size."""
    param = layer.interp_param
    factors = param.HasField("zoom_factor") + param.HasField("shrink_factor")
    return factors == 1 or (factors == 2 and not (param.HasField("height") and param.HasField("width")))


def _unpools(layer: Any) -> bool:
    """Return True for SegNet's Upsample, which has a mask; YOLO's has one bottom."""
    return len(layer.bottom) > 1


def _to_size(layer: Any) -> bool:
    return (
        _unpools(layer) and layer.upsample_param.HasField("upsample_h") and layer.upsample_param.HasField("upsample_w")
    )


def _zoom_factor(layer: Any) -> dict[str, Any]:
    param = layer.upsample_param
    if param.HasField("scale_h"):
        return {"zoom_factor": [param.scale_h, param.scale_w]}
    return {"zoom_factor": [param.scale]}


def _repeats(layer: Any) -> dict[str, Any]:
    """Return the parameters of YOLO's Upsample, whose scale is 1 by default; SegNet's is 2."""
    scale = layer.upsample_param.scale if layer.upsample_param.HasField("scale") else 1
    return {"mode": "nearest", "coordinates": "asymmetric", "zoom_factor": scale}


_SCALES = "scale=zoom_factor scale_h=zoom_factor scale_w=zoom_factor"

ROWS = [
    Dialect(
        "Upsample",
        "unpooling.MaxUnpool",
        "upsample_param",
        "upsample_h+upsample_w=size",
        ignored="scale scale_h scale_w pad_out_h pad_out_w",
        more=lambda layer: {"legacy_gradient": True},
        meant=_to_size,
    ),
    Dialect(
        "Upsample",
        "unpooling.MaxUnpool",
        "upsample_param",
        f"{_SCALES} pad_out_h pad_out_w",
        more=lambda layer: {**_zoom_factor(layer), "legacy_gradient": True},
        meant=_unpools,
    ),
    Dialect("Upsample", "resizing.ResizeFeatures", "upsample_param", "scale=zoom_factor", more=_repeats),
    Dialect(
        "Interp",
        "resizing.ResizeFeatures",
        "interp_param",
        "zoom_factor shrink_factor pad_beg pad_end",
        ignored="height width",
        meant=_by_factors,
    ),
    Dialect(
        "Interp",
        "resizing.ResizeFeatures",
        "interp_param",
        "height+width=size pad_beg pad_end",
        ignored="zoom_factor shrink_factor",
    ),
]
