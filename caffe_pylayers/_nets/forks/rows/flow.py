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
    Dialect("ChannelNorm", "shapes.Reduce", more=lambda layer: {"operation": "norm", "axes": [1], "keepdims": True}),
]
