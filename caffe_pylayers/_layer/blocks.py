"""Large arrays in parts, so that what is computed between them stays in the processor's cache.

A formula of several steps then reads and writes memory once, and needs no buffer of the array's size.
"""

from __future__ import annotations

import itertools
import math
from typing import Any, Iterator, Sequence

import numpy as np

from caffe_pylayers._layer.arrays import namespace

# Values in a part: a few arrays of so many fit a core's cache, and larger temporaries take twice as long or more.
_MOST = 1 << 16
_EACH_THREAD = 1 << 15  # torch gives a thread no less


def blocks(like: Any, whole: Sequence[int] = ()) -> list[tuple[slice, ...]]:
    """Return indices of parts that together cover an array once, in its order; of one on a GPU the only part is all.

    whole: the axes, counted from the front, that are not cut: those along which is summed.
    """
    shape, most = tuple(like.shape), _MOST
    if not isinstance(like, np.ndarray):
        if like.device.type != "cpu":
            return [()]
        most = max(most, namespace(like).get_num_threads() * _EACH_THREAD)
    most //= max(math.prod(shape[i] for i in whole), 1)
    found = []
    for cuts in _cut([n for i, n in enumerate(shape) if i not in whole], max(most, 1)):
        left = iter(cuts)
        found.append(_short([slice(None) if i in whole else next(left) for i in range(len(shape))]))
    return found


def _short(block: list[slice]) -> tuple[slice, ...]:
    """Return a block without its last slices that cut nothing: torch takes its time for each."""
    while block and block[-1] == slice(None):
        block.pop()
    return tuple(block)


def _cut(shape: Sequence[int], most: int) -> Iterator[tuple[slice, ...]]:
    """Yield slices on every axis: contiguous parts of at most this many values."""
    axis, row = len(shape), 1  # the axes from this one on are whole, a row of so many values
    while axis and row * shape[axis - 1] <= most:
        axis -= 1
        row *= shape[axis]
    rest = (slice(None),) * (len(shape) - axis)
    if not axis:
        yield rest
        return
    for outer in itertools.product(*map(range, shape[: axis - 1])):
        for start in range(0, shape[axis - 1], most // row):
            yield (*(slice(i, i + 1) for i in outer), slice(start, start + most // row), *rest)


def part(array: Any, block: tuple[slice, ...]) -> Any:
    """Return the view of a block in an array that has the size 1 on some axes, where it is repeated."""
    if not block:
        return array
    return array[tuple(cut if size != 1 else slice(None) for cut, size in zip(block, array.shape))]


def sum_to(values: Any, shape: Any) -> Any:
    """Return the values summed over the axes on which the shape has a 1 and they have not."""
    axes = tuple(i for i, (n, size) in enumerate(zip(values.shape, shape)) if n != size)
    return values.sum(axes).reshape(tuple(shape)) if axes else values
