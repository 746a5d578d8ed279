"""Optical flow."""

from __future__ import annotations

from caffe_pylayers._nets.forks.dialects import Dialect

ROWS = [
    Dialect("ChannelNorm", "shapes.Reduce", more=lambda layer: {"operation": "norm", "axes": [1], "keepdims": True}),
]
