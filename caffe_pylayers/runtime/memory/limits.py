"""The shapes that a blob can have: Caffe's limits."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence

MAX_AXES = 32
INT_MAX = 2**31 - 1  # values of a blob

Shape = tuple[int, ...]


class ShapeError(ValueError):
    """A shape that no blob can have."""


def check_shape(dims: Sequence[int]) -> Shape:
    """The sizes as ints; ShapeError for more than 32 axes, a negative size, or more than INT_MAX values.

    TypeError for sizes that are no numbers, as where a tuple is given for them.
    """
    if len(dims) > MAX_AXES:
        raise ShapeError(f"a blob has at most {MAX_AXES} axes, got {len(dims)}")
    try:
        shape = tuple(int(n) for n in dims)
    except (TypeError, ValueError, OverflowError):
        got = reprlib.repr(tuple(dims))
        raise TypeError(f"a blob's sizes are numbers, one by one, as in reshape(*shape); got {got}") from None
    if any(n < 0 for n in shape):
        raise ShapeError(f"a blob's sizes cannot be negative, got shape {shape}")
    count = 1
    for n in shape:  # one by one, as in Caffe: a size of 0 forgives only what stands behind it
        count *= n
        if count > INT_MAX:
            raise ShapeError(f"a blob has at most {INT_MAX} values, got shape {shape}")
    return shape
