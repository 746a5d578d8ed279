"""Reductions of an array along axes, and their gradients."""

from __future__ import annotations

import math
from typing import Any

from caffe_pylayers._layer.functions.log_sum_exp import log_sum_exp, log_sum_exp_backward

OPERATIONS = ("mean", "sum", "max", "min", "norm", "logsumexp")


def reduce_forward(xp: Any, values: Any, operation: str, axes: tuple[int, ...], reduced: Any) -> None:
    """Write one value of all along the axes.

    operation: one of OPERATIONS.
    reduced: receives it, with 1 on the axes.
    """
    shape = reduced.shape
    if operation in ("mean", "sum"):
        count = math.prod([values.shape[axis] for axis in axes]) if operation == "mean" else 1
        reduced[...] = values.sum(axes).reshape(shape) / max(count, 1)
    elif operation in ("max", "min"):
        extreme = xp.amax if operation == "max" else xp.amin
        reduced[...] = extreme(values, axes).reshape(shape)
    elif operation == "norm":
        # Divided by the largest first: a square neither overflows nor vanishes.
        scale = _largest(xp, values, axes, shape)
        parts = values / (scale + (scale == 0))
        reduced[...] = scale * xp.sqrt((parts * parts).sum(axes)).reshape(shape)
    else:
        reduced[...] = log_sum_exp(xp, values, axes, True)


def reduce_backward(
    xp: Any, values: Any, operation: str, axes: tuple[int, ...], reduced: Any, d_reduced: Any, d_values: Any
) -> None:
    """Write the gradient of the values; an extreme that several values have gives them equal shares.

    reduced: reduce_forward's. d_reduced: the gradient of it, with 1 on the axes, too.
    """
    if operation in ("mean", "sum"):
        count = math.prod([values.shape[axis] for axis in axes]) if operation == "mean" else 1
        d_values[...] = d_reduced / max(count, 1)
    elif operation in ("max", "min"):
        d_values[...] = values == reduced
        count = d_values.sum(axes).reshape(reduced.shape)
        d_values *= d_reduced / (count + (count == 0))  # NaN is not equal to itself
    elif operation == "norm":
        xp.multiply(values / (reduced + (reduced == 0)), d_reduced, out=d_values)
    else:
        xp.multiply(log_sum_exp_backward(xp, values, reduced), d_reduced, out=d_values)


def _largest(xp: Any, values: Any, axes: tuple[int, ...], shape: Any) -> Any:
    if 0 in [values.shape[axis] for axis in axes]:
        return values.sum(axes).reshape(shape)
    return xp.amax(xp.abs(values), axes).reshape(shape)
