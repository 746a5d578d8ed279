"""Logarithms of sums of exponentials, for exponents of any size, some of them left out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from caffe_pylayers._layer import arrays

__all__ = ["NOTHING", "log_cumulative_sum_exp", "log_sum_exp", "log_sum_exp_backward"]

# An exponent whose term is not in the sum. Infinity in its place would make NaN of differences.
NOTHING = -1e30


def log_sum_exp(xp: Any, exponents: Any, axis: Any = 1, keepdims: bool = False) -> Any:
    """Return log(sum(exp(exponents))) over an axis or several; about NOTHING where all exponents are, or where none is.

    With 1 more in the sum it is softplus of this.
    """
    if 0 in exponents.shape:
        sums = exponents.sum(axis, keepdims=keepdims)
        arrays.fill(sums, NOTHING)
        return sums
    largest = xp.amax(exponents, axis=axis, keepdims=True)
    sums = xp.log(_exp(xp, exponents - largest).sum(axis, keepdims=keepdims))
    return sums + largest.reshape(sums.shape)


def log_sum_exp_backward(xp: Any, exponents: Any, sums: Any) -> Any:
    """Return exp(exponents - sums), the gradient of log_sum_exp, whose sums broadcast to the exponents; at most 1."""
    return _exp(xp, exponents - sums)


def _exp(xp: Any, exponents: Any) -> Any:
    """Return exp(exponents), which are not above 0 and are overwritten; it is never less than a normal number.

    PyTorch takes ten times as long for smaller ones.
    """
    least = math.log(xp.finfo(exponents.dtype).tiny) + 1
    return xp.exp(xp.clip(exponents, least, 0, out=exponents))


def log_cumulative_sum_exp(xp: Any, values: Any, axis: int) -> Any:
    """Return log(exp(v_0) + ... + exp(v_i)) at each i along the axis."""
    return np.logaddexp.accumulate(values, axis) if xp is np else xp.logcumsumexp(values, axis)
