"""Scalars that stay on a GPU until somebody needs their values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from caffe_pylayers.runtime.memory import device
from caffe_pylayers.runtime.memory.blob import Blob


def total(blob: Blob) -> Any:
    """Return the sum of a blob's values: of NumPy's, on a GPU a tensor there, for which nobody waits."""
    return blob.data.sum() if device.current() == device.HOST else blob.read().sum()


def numbers(scalars: Sequence[Any]) -> list[float]:
    """Return the values of what ``total`` gave: those on a GPU in one copy."""
    if not all(isinstance(scalar, torch.Tensor) for scalar in scalars):
        return [float(scalar) for scalar in scalars]
    found: list[float] = torch.stack(tuple(scalars)).tolist() if scalars else []
    return found
