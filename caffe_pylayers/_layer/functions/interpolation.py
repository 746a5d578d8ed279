"""Interpolation along an axis: where values are taken from, and the products that take them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from caffe_pylayers._layer import arrays

COORDINATES = ("align_corners", "half_pixel", "asymmetric")

_BLOCK = 128  # sources or targets of one product: more of them multiply more zeros, fewer make small products
_FEW = 8  # arrays that are faster added one by one than summed along an axis


def positions(before: int, after: int, coordinates: str) -> Any:
    """Return where the values of a resized axis lie on the original one, as exact fractions (numerators, denominator).

    align_corners: i (before - 1) / (after - 1), the ends on the ends; 0 for one value
    half_pixel: (i + 1/2) before / after - 1/2, the pixels' edges on the edges
    asymmetric: i before / after, the first on the first
    """
    i = np.arange(after, dtype=np.int64)
    if coordinates == "align_corners":
        return i * (before - 1), max(after - 1, 1)
    if coordinates == "half_pixel":
        return (2 * i + 1) * before - after, 2 * after
    return i * before, after


def nearest(before: int, after: int, coordinates: str) -> Any:
    """Return the index of the original axis that is nearest to each value of the resized one.

    In the middle between two it is the later one; asymmetric takes the last one that is not later.
    """
    numerators, denominator = positions(before, after, coordinates)
    if coordinates != "asymmetric":
        numerators, denominator = 2 * numerators + denominator, 2 * denominator
    return np.clip(numerators // denominator, 0, max(before - 1, 0))


def taps(before: int, after: int, coordinates: str, linear: bool) -> Any:
    """Return (source, target, factor), flat: resized[target] is the sum of factor * original[source]."""
    target = np.arange(after)
    if not linear:
        return nearest(before, after, coordinates), target, np.ones(after)
    numerators, denominator = positions(before, after, coordinates)
    at = np.clip(numerators / denominator, 0, max(before - 1, 0))
    low = at.astype(np.int64)
    high = np.minimum(low + 1, max(before - 1, 0))
    return np.concatenate([low, high]), np.concatenate([target, target]), np.concatenate([1 - at + low, at - low])


def filter_taps(before: int, after: int, kernel: str, antialias: bool, shift: float | None = None) -> Any:
    """Return taps with the weights of a kernel around each place, of those on the axis, which then add up to 1.

    Value i of m lies at i n / m + shift / 2 - 1/2 among n, in float32.
    kernel: nearest, bilinear or bicubic. antialias: it is as much wider as the axis shrinks.
    shift: n / m where it is not given.
    """
    scale = np.float32(before) / np.float32(max(after, 1))
    shift = np.float32(scale if shift is None else shift)
    at = np.arange(after, dtype=np.float32) * scale + shift / 2 - np.float32(0.5)
    middle = np.floor(at + np.float32(0.5)).astype(np.int64)
    if kernel == "nearest":
        return middle.clip(0, max(before - 1, 0)), np.arange(after), np.ones(after)
    wide = scale if antialias else np.float32(1)
    return _weighed(at, middle, before, wide, _KERNELS[kernel], math.ceil(2 * max(wide, 1)))


def tent_taps(before: int, after: int) -> Any:
    """Return taps as align_corners has the places, weighed by tents as wide as the steps between these."""
    scale = np.float32(before - 1) / np.float32(after - 1)
    at = np.arange(after, dtype=np.float32) / np.float32(after - 1) * np.float32(before - 1)
    return _weighed(at, np.floor(at + np.float32(0.5)).astype(np.int64), before, scale, _tent, math.ceil(scale))


def _weighed(at: Any, middle: Any, before: int, wide: Any, kernel: Any, radius: int) -> Any:
    source = middle[:, None] + np.arange(-radius, radius + 1)
    weights = np.where((source >= 0) & (source < before), kernel((at[:, None] - source) / wide), 0)
    sums = weights.sum(1, keepdims=True)
    target, k = np.nonzero(weights)
    return source[target, k], target, (weights / np.where(sums == 0, 1, sums))[target, k]


def _tent(x: Any) -> Any:
    return np.maximum(1 - abs(x), 0)


def _cubic(x: Any) -> Any:
    x = abs(x)
    return np.where(x <= 1, x * x * (1.5 * x - 2.5) + 1, np.where(x < 2, x * (x * (2.5 - 0.5 * x) - 4) + 2, 0))


_KERNELS = {"bilinear": _tent, "bicubic": _cubic}


def repeated_slice(taps: Any, size: int) -> Any:
    """Return (slice, times) where the values of a resized axis are those of a slice, each so many times; else None.

    It is so where an axis shrinks by a whole number, with align_corners, and where the nearest values are repeated.

    taps: (source, target, factor), or None for an axis that stays as it is. size: of the resized axis.
    """
    if taps is None:
        return slice(None), 1
    source, target, factor = taps
    order = np.argsort(target, kind="stable")
    source, target, factor = (x[order][factor[order] != 0] for x in (source, target, factor))
    if not size or not np.array_equal(target, np.arange(size)) or (factor != 1).any():
        return None
    times = int(np.append(np.flatnonzero(np.diff(source)), size - 1)[0]) + 1
    seen = source[::times]
    step = int(seen[1] - seen[0]) if len(seen) > 1 else 1
    if step < 1 or not np.array_equal(source, (seen[0] + step * np.arange(len(seen))).repeat(times)):
        return None
    return slice(int(seen[0]), int(seen[-1]) + 1, step), times


def doubled_slice(taps: Any, size: int) -> Any:
    """Return the slice whose values a resized axis has, with the mean of two neighbours between them; else None.

    It is what align_corners makes of n values, 2 n - 1. taps, size: see repeated_slice.
    """
    if taps is None or size % 2 == 0 or size < 3:
        return None
    source, target, factor = (x[taps[2] != 0] for x in taps)
    at = np.bincount(target, source * factor, size)
    wanted = at[0] + np.arange(size) / 2
    if at[0] % 1 or not np.allclose(at, wanted, rtol=0, atol=1e-9) or (abs(source - wanted[target]) > 0.5).any():
        return None
    return slice(int(at[0]), int(at[0]) + size // 2 + 1)


def bands(source: Any, target: Any, factor: Any, size: int, like: Any) -> Any:
    """Return the matrix of taps in bands, [(targets, sources, part)]: two slices, and a part (sources, targets).

    It is 0 but near its diagonal: each band of targets comes from few sources, whatever the axis's size.

    size: of the target axis; like: an array of the dtype and device that the parts get.
    """
    found = []
    spread = (int(source.max()) + 1) / size if len(source) and size else 1.0  # sources for each target
    step = int(min(max(_BLOCK / max(spread, 1.0), 16), _BLOCK))
    for start in range(0, size, step):
        stop = min(start + step, size)
        here = (target >= start) & (target < stop)
        s, t = source[here], target[here] - start
        first, last = (s.min(), s.max() + 1) if len(s) else (0, 0)
        part = np.zeros((last - first, stop - start))
        np.add.at(part, (s - first, t), factor[here])
        found.append((slice(start, stop), slice(int(first), int(last)), arrays.from_numpy(part, like)))
    return found


def product(xp: Any, x: Any, columns: bool, matrix: Any, out: Any) -> None:
    """Write x (M, H, W) with its rows, or columns, resized by the bands of a matrix."""
    if columns:
        rows = x.shape[0] * x.shape[1]
        x, out = x.reshape(rows, x.shape[2]), out.reshape(rows, out.shape[2])
        for targets, sources, part in matrix:
            xp.matmul(x[:, sources], part, out=out[:, targets])
    else:
        for targets, sources, part in matrix:
            xp.matmul(part.T, x[:, sources], out=out[:, targets])


def resize(xp: Any, maps: Any, rows: Any, columns: Any, between: Any, resized: Any) -> None:
    """Write maps (M, H, W) as (M, h, w): rows.T @ map @ columns for each.

    rows, columns: bands of the matrices (H, h) and (W, w); None where the axis keeps its size.
        Those of the transposed matrices give the gradient.
    between: receives the maps with columns resized, (M, H, w).
    """
    if columns is None or rows is None:
        between = maps if columns is None else resized
    if columns is not None:
        product(xp, maps, True, columns, between)
    if rows is not None:
        product(xp, between, False, rows, resized)
    if rows is None and columns is None:
        resized[...] = maps


def repeat_forward(xp: Any, maps: Any, slices: Any, resized: Any) -> None:
    """Write maps (M, H, W) as (M, h, w): the values of two slices, each so many times.

    slices: repeated_slice of rows, and of columns.
    """
    (rows, down), (columns, across) = slices
    seen = maps[:, rows, columns, None]
    count, height, width, _ = seen.shape
    if across > 1:
        seen = xp.broadcast_to(seen, (count, height, width, across))
    resized.reshape(count, height, down, width * across)[...] = seen.reshape(count, height, 1, width * across)


def repeat_backward(d_resized: Any, slices: Any, d_maps: Any) -> None:
    """Write the gradient of repeat_forward's maps: the sum over the places that a value went to, 0 for the others."""
    (rows, down), (columns, across) = slices
    arrays.fill(d_maps, 0)
    seen = d_maps[:, rows, columns]
    count, height, width = seen.shape
    by_row = _sum(d_resized.reshape(count, height, down, width * across))
    seen[...] = _sum(by_row.reshape(count, height * width, across, 1)).reshape(count, height, width)


def _sum(x: Any) -> Any:
    """Return the sum of x (K, L, z, m) over z."""
    if x.shape[2] > _FEW:
        return x.sum(2)
    return sum((x[:, :, i] for i in range(1, x.shape[2])), x[:, :, 0])


def double_forward(xp: Any, maps: Any, slices: Any, between: Any, resized: Any) -> None:
    """Write maps (M, H, W) as (M, h, w): the values of two slices, and the means of neighbours between them.

    It takes less than half of resize's time. slices: doubled_slice of rows, and of columns; between: see resize.
    """
    seen = maps[:, slices[0], slices[1]]
    between = between[:, : seen.shape[1]]
    between[:, :, ::2] = seen
    _means(xp, seen[:, :, :-1], seen[:, :, 1:], between[:, :, 1::2])
    resized[:, ::2] = between
    _means(xp, between[:, :-1], between[:, 1:], resized[:, 1::2])


def _means(xp: Any, a: Any, b: Any, out: Any) -> None:
    xp.add(a, b, out=out)
    out *= 0.5
