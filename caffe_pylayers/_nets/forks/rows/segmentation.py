"""SegNet, PSPNet, DeepLab."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._nets.forks.dialects import Dialect


def _by_factors(layer: Any) -> bool:
    """Return True for an Interp whose factors give the size: one that is there alone, or both without a size."""
    param = layer.interp_param
    factors = param.HasField("zoom_factor") + param.HasField("shrink_factor")
    return factors == 1 or (factors == 2 and not (param.HasField("height") and param.HasField("width")))


ROWS = [
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
