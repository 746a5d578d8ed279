"""Maxima of many rectangles of a map at once, and where they are."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffe_pylayers._layer import arrays

_BLOCK = 1 << 16  # values gathered at a time: what fits a core's cache
_LOW = (1 << 32) - 1


def place_keys(xp: Any, values: Any) -> Any:
    """Return int64 keys that are greater for greater values, and of equal values for the earlier one.

    The low 32 bits say where a value is, see key_places.

    values: fewer than 2**32, without NaN.
    """
    flat = values.ravel()
    if flat.dtype == xp.float32:
        bits = (flat + 0).view(xp.int32)  # -0 becomes 0
        ranks = bits >> 31  # bits of negative numbers go the other way
        ranks &= 0x7FFFFFFF
        ranks ^= bits
    else:
        order = len(flat) - 1 - arrays.argsort(xp.flip(flat, (0,)))  # of equal values the first ranks highest
        ranks = xp.empty_like(order)
        arrays.put_along(ranks, order, arrays.arange_like(order, len(flat)), 0)
    keys = arrays.to_int64(ranks)
    keys <<= 32
    keys += _LOW - arrays.arange_like(keys, len(keys))
    return keys.reshape(values.shape)


def key_places(keys: Any) -> Any:
    """Turn keys into the places, in the flat array of values, that they are of, and return them."""
    keys ^= _LOW
    keys &= _LOW
    return keys


def range_maxima(xp: Any, maps: Any, image: Any, rows: Any, columns: Any) -> Any:
    """Return the maximum of each of B rectangles, (B, C); 0 for an empty one.

    A rectangle is the union of four of powers of two, which overlap. The maxima of such rectangles at
    every place follow from those half as large, so that its own size does not matter.

    maps: (N, H, W, C).
    image: the map of each rectangle, numpy int64 (B,).
    rows, columns: pairs (start, end) of numpy int64 (B,): it has start .. end - 1.
    """
    (top, bottom), (left, right) = rows, columns
    high, wide = _logs(bottom - top), _logs(right - left)
    high[wide < 0] = -1
    result = arrays.new(maps, (len(image), maps.shape[-1]))
    arrays.fill(result, 0)
    of_rows = maps
    for i in range(int(high.max(initial=-1)) + 1):
        if i:
            of_rows = xp.maximum(of_rows[:, : -(1 << i - 1)], of_rows[:, 1 << i - 1 :])
        table = of_rows
        for j in range(int(wide[high == i].max(initial=-1)) + 1):
            if j:
                table = xp.maximum(table[:, :, : -(1 << j - 1)], table[:, :, 1 << j - 1 :])
            mine = np.flatnonzero((high == i) & (wide == j))
            starts = _starts(top[mine], bottom[mine], i), _starts(left[mine], right[mine], j)
            _gather(xp, table, image[mine], *starts, mine, result)
    return result


def _logs(lengths: Any) -> Any:
    """Return floor(log2(length)) of each, -1 where it is 0 or less."""
    return np.frexp(lengths.clip(0, None))[1] - 1


def _starts(start: Any, end: Any, log: int) -> Any:
    """Return where the one or two ranges of length 2**log start that cover start .. end - 1."""
    return [start] if log == 0 else [start, end - (1 << log)]


def _gather(xp: Any, table: Any, image: Any, tops: Any, lefts: Any, where: Any, result: Any) -> None:
    """Write the maxima of the table's values at every top and left to result[where]."""
    images, height, width, channels = table.shape
    flat = table.reshape(images * height * width, channels)
    places = [(image * height + y) * width + x for y in tops for x in lefts]
    step = max(_BLOCK // max(channels, 1), 1) if isinstance(table, np.ndarray) else max(len(where), 1)
    for start in range(0, len(where), step):
        part = where[start : start + step]
        found, values = (arrays.new(table, (len(part), channels)) for _ in range(2))
        for i, place in enumerate(places):
            arrays.take_rows_into(flat, arrays.index_like(place[start : start + step], table), values if i else found)
            if i:
                xp.maximum(found, values, out=found)
        result[arrays.index_like(part, result)] = found
