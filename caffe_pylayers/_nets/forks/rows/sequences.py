"""Text and sequences."""

from __future__ import annotations

from caffe_pylayers._nets.forks.dialects import Dialect

ROWS = [
    Dialect("Transpose", "shapes.Permute", "transpose_param", "dim=order"),
]
