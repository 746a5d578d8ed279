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


def vector(values: Sequence[Any]) -> torch.Tensor:
    """Return numbers, and scalars on a GPU, as one float32 tensor on the current device, which nobody waits for."""
    numbers = [0.0 if isinstance(value, torch.Tensor) else value for value in values]
    made, place = torch.tensor(numbers, dtype=torch.float32), device.current()
    if place != device.HOST:
        made = (made.pin_memory() if place.type == "cuda" else made).to(place, non_blocking=True)
    for i, value in enumerate(values):
        if isinstance(value, torch.Tensor):
            made[i].copy_(value)
    return made
