"""Vectors of length 1, along any axis, and the gradients through them.

A vector shorter than eps has no direction: 0 takes its place, and it gets no gradient.
"""

from __future__ import annotations

from typing import Any

__all__ = ["inverse_lengths", "sines_between", "unit_vectors", "unit_vectors_backward"]

_EPS = 1e-12


def unit_vectors(xp: Any, x: Any, axis: int = 1, eps: float = _EPS, out: Any = None) -> tuple[Any, Any]:
    """Return (x / |x|, |x|) of the vectors along the axis, where the lengths have 1; 0 for one shorter than eps.

    out: receives x / |x|; not x itself.
    """
    lengths = xp.sqrt(xp.multiply(x, x, out=out).sum(axis, keepdims=True))
    return xp.multiply(x, inverse_lengths(lengths, eps), out=out), lengths


def unit_vectors_backward(
    xp: Any, x: Any, lengths: Any, d_unit: Any, axis: int = 1, eps: float = _EPS, out: Any = None
) -> Any:
    """Return d_x = (d_unit - u (u d_unit)) / |x| with u = x / |x|; 0 for a vector shorter than eps.

    out: receives d_x; may be d_unit.
    """
    inverse = inverse_lengths(lengths, eps)
    along = (x * d_unit).sum(axis, keepdims=True) * inverse * inverse
    d_x = xp.subtract(d_unit, x * along, out=out)
    d_x *= inverse
    return d_x


def inverse_lengths(lengths: Any, eps: float = _EPS) -> Any:
    """Return 1 / |x|, 0 for a vector shorter than eps."""
    return (lengths >= eps) / lengths.clip(eps, None)


def sines_between(xp: Any, units: Any, others: Any) -> Any:
    """Return the sines (N, 1) of the angles between rows of length 1: |u - v| |u + v| / 2.

    It has all its digits near 0, where sqrt(1 - cos(theta)**2) has none.
    """
    apart, together = units - others, units + others
    return xp.sqrt((apart * apart).sum(1) * (together * together).sum(1))[:, None] / 2
