"""Optical flow."""

from __future__ import annotations

from caffe_pylayers._nets.forks.dialects import Dialect

_CORRELATION = "kernel_size max_displacement pad stride_1 stride_2 correlation_type"

ROWS = [
    Dialect(
        "Correlation",
        "cost_volume.Correlation",
        "correlation_param",
        _CORRELATION,
        ignored="do_abs single_direction",
    ),
    Dialect(
        "Correlation1D",
        "cost_volume.Correlation1D",
        "correlation_param",
        f"{_CORRELATION} single_direction",
        ignored="do_abs",
    ),
    Dialect("FlowWarp", "flow.FlowWarp", "flow_warp_param", "fill_value"),
    Dialect("Warp", "flow.Warp"),
    Dialect("Grid", "flow.PixelGrid"),
    Dialect(
        "Resample",
        "resampling.Resample",
        "resample_param",
        "height+width=size type=mode antialias",
        ignored="factor",
        values={"linear": "bilinear", "cubic": "bicubic"},
        more=lambda layer: {"legacy_offsets": True},
        meant=lambda layer: len(layer.bottom) < 2,
    ),
    Dialect(
        "Resample",
        "resampling.Resample",
        "resample_param",
        "type=mode antialias",
        ignored="factor height width",
        values={"linear": "bilinear", "cubic": "bicubic"},
        more=lambda layer: {"legacy_offsets": True},
    ),
    Dialect(
        "Downsample",
        "resampling.Downsample",
        "downsample_param",
        "top_height+top_width=size",
        meant=lambda layer: len(layer.bottom) < 2,
    ),
    Dialect("Downsample", "resampling.Downsample", "downsample_param", ignored="top_height top_width"),
    Dialect("ChannelNorm", "shapes.Reduce", more=lambda layer: {"operation": "norm", "axes": [1], "keepdims": True}),
]
