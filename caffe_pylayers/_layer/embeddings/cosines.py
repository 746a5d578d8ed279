"""Cosines of the angles between the rows of two matrices, and their gradients."""

from __future__ import annotations

from typing import Any

__all__ = ["unit_rows", "unit_rows_backward"]

_LEAST = 1e-12  # length that is divided by


def unit_rows(xp: Any, x: Any) -> tuple[Any, Any]:
    """Return (x / |x|, |x|) of the rows of x (N, D), the lengths (N, 1) not below 1e-12."""
    lengths = xp.sqrt((x * x).sum(1))[:, None].clip(_LEAST, None)
    return x / lengths, lengths


def unit_rows_backward(unit: Any, lengths: Any, d_unit: Any) -> Any:
    """Return d_x = (d_unit - unit (unit d_unit)) / |x|; d_unit / 1e-12 where |x| is not above it."""
    along = (unit * d_unit).sum(1)[:, None] * (lengths > _LEAST)
    return (d_unit - unit * along) / lengths
