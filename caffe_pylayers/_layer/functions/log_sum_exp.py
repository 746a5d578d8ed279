"""Sums of exponentials over the rows of a matrix, for exponents of any size, some of them left out."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._layer import arrays

__all__ = ["NOTHING", "log_one_plus_sum_exp", "log_sum_exp"]

# An exponent whose term is not in the sum. Infinity in its place would make NaN of differences.
NOTHING = -1e30


def log_sum_exp(xp: Any, exponents: Any) -> Any:
    """Return log(sum(exp(exponents))) over axis 1, (N,); about NOTHING where all exponents are, or where none is."""
    if 0 in exponents.shape:
        sums = arrays.new(exponents, exponents.shape[:1])
        arrays.fill(sums, NOTHING)
        return sums
    largest = xp.amax(exponents, 1)
    return largest + xp.log(xp.exp(exponents - largest[:, None]).sum(1))


def log_one_plus_sum_exp(xp: Any, exponents: Any) -> Any:
    """Return log(1 + sum(exp(exponents))) over axis 0, (C,)."""
    if 0 in exponents.shape:
        return exponents.sum(0)
    largest = xp.amax(exponents, 0).clip(0, None)
    return largest + xp.log(xp.exp(-largest) + xp.exp(exponents - largest).sum(0))
