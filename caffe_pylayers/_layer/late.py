"""Checks of values on a device, whose answers are read later: to wait for each would leave the device without work.

A net that computes on a GPU collects the checks of a forward, and raises what they found when it looks. Everywhere
else, and for numpy's arrays, a check raises where it stands.
"""

from __future__ import annotations

import contextlib
import math
from typing import Any, Callable, Iterator

from caffe_pylayers._layer import arrays

# Takes booleans and what makes the exception; False for booleans that it does not collect.
Collector = Callable[[Any, Callable[[], Exception]], bool]

_collectors: list[Collector] = []  # of nested calls; the last one counts


@contextlib.contextmanager
def collected_by(collector: Collector) -> Iterator[None]:
    """Have the block's checks of tensors collected."""
    _collectors.append(collector)
    try:
        yield
    finally:
        _collectors.pop()


def is_collected(array: Any) -> bool:
    """Return True for an array whose values must not be read here: a tensor, while a net collects the checks."""
    return bool(_collectors) and arrays.is_tensor(array)


def require(good: Any, error: Callable[[], Exception]) -> bool:
    """Raise ``error()`` unless all booleans are true: here, or when the net looks that collects the checks.

    good: of any shape, numpy's or a tensor. error: may read values, also later, but not after the next forward.
    Returns False where the answer is not known yet: then wrong values are still there, and must do no harm as indices.
    """
    if _collectors and arrays.is_tensor(good) and _collectors[-1](good, error):
        return False
    if arrays.namespace(good).count_nonzero(good) != math.prod(good.shape):
        raise error()
    return True
