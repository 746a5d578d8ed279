"""Interpolation along an axis: where values are taken from, and the products that take them."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffe_pylayers._layer import arrays

COORDINATES = ("align_corners", "half_pixel", "asymmetric")

_BLOCK = 128  # sources or targets of one product: more of them multiply more zeros, fewer make small products


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
