"""Arrays in other sizes, as scikit-image's ``resize`` and SciPy's ``zoom`` compute them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

MODES = ("constant", "edge", "symmetric", "reflect", "wrap")  # np.pad's, too


def resize(
    image: Any,
    output_shape: Sequence[int],
    order: int | None = None,
    mode: str = "reflect",
    cval: float = 0,
    clip: bool = True,
    preserve_range: bool = False,
    anti_aliasing: bool | None = None,
    anti_aliasing_sigma: Any = None,
) -> Any:
    """Resize an array of any number of axes: scikit-image 0.18's ``resize`` of nearest values or linear.

    output_shape: the new sizes, or those of all axes but the last, which then stays. An array of fewer axes gets
        axes of size 1 at its end.
    order: 0 takes the nearest value, 1 interpolates linearly; by default 1, and 0 for booleans.
    mode, cval: what lies around the array: constant (cval), edge, symmetric, reflect or wrap, as in np.pad.
    clip: keep to the values of the smoothed array.
    preserve_range: leave integers as they are; by default they are divided by the greatest of their type.
    anti_aliasing: smooth with a Gaussian along the axes that shrink, by default all but booleans; its sigma is
        anti_aliasing_sigma, a number or one for each axis, by default (old size / new size - 1) / 2.

    Floats keep their range. Returns float32 for float32, else float64. ValueError for another order or mode, and for
    fewer sizes.
    """
    values, shape = _fitted(np.asarray(image), [int(n) for n in output_shape])
    dtype, is_bool = values.dtype, values.dtype == bool
    order = (0 if is_bool else 1) if order is None else order
    if order not in (0, 1):
        raise ValueError(f"order must be 0 or 1, got {order}")
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}, got {mode}")
    values = _floats(values, preserve_range)
    factors = np.array(values.shape) / np.array(shape)
    if not is_bool if anti_aliasing is None else anti_aliasing:
        sigmas = np.maximum(0, (factors - 1) / 2) if anti_aliasing_sigma is None else anti_aliasing_sigma
        for axis, sigma in enumerate(np.broadcast_to(sigmas, len(shape))):
            values = _smoothed(values, axis, float(sigma), mode, cval)
    resized = values
    for axis, size in enumerate(shape):
        places = (np.arange(size) + 0.5) * factors[axis] - 0.5  # of the new values' centres
        resized = _interpolated(resized, axis, places, order, mode, cval)
    if clip and order and mode == "constant":  # else no value is beyond those that it is interpolated from
        low, high = values.min(), values.max()
        beyond = cval < low or cval > high
        resized = np.where(beyond & (resized == cval), cval, resized.clip(low, high))
    return resized.astype(np.float32 if dtype == np.float32 else float)


def zoom(image: Any, sizes: Sequence[int], order: int) -> Any:
    """Resize the first axes of an array so that its corners stay corners: SciPy's ``zoom`` of order 0 or 1. float64."""
    resized = np.asarray(image, float)
    for axis, size in enumerate(sizes):
        places = np.arange(int(size)) * ((resized.shape[axis] - 1) / max(int(size) - 1, 1))
        resized = _interpolated(resized, axis, places, order, "edge", 0)
    return resized


def _fitted(image: Any, shape: list[int]) -> tuple[Any, list[int]]:
    """The array and the new shape with the same number of axes."""
    if len(shape) == image.ndim - 1:
        return image, [*shape, image.shape[-1]]
    if len(shape) < image.ndim:
        raise ValueError(f"an array of shape {image.shape} takes {image.ndim - 1} or more sizes, got {shape}")
    return image.reshape(image.shape + (1,) * (len(shape) - image.ndim)), shape


def _floats(values: Any, preserve_range: bool) -> Any:
    floats = values.astype(float)
    if preserve_range or values.dtype.kind not in "iu":
        return floats
    return np.maximum(floats / np.iinfo(values.dtype).max, -1)


def _smoothed(values: Any, axis: int, sigma: float, mode: str, cval: float) -> Any:
    """The array with a Gaussian along an axis, cut off at four sigma."""
    radius = int(4 * sigma + 0.5)
    if not radius:
        return values
    import cv2

    first = np.moveaxis(_padded(values, axis, radius, mode, cval), axis, 0)
    rows = np.ascontiguousarray(first).reshape(len(first), -1)
    smoothed = cv2.sepFilter2D(rows, -1, np.ones(1), cv2.getGaussianKernel(2 * radius + 1, sigma))
    return np.moveaxis(smoothed[radius:-radius].reshape(-1, *first.shape[1:]), 0, axis)


def _interpolated(values: Any, axis: int, places: Any, order: int, mode: str, cval: float) -> Any:
    """The values at places along an axis, from half a step before the first to half a step after the last."""
    if order == 0:
        places = np.floor(places + 0.5)
    below = np.floor(places).astype(int)
    share = (places - below).reshape((-1,) + (1,) * (values.ndim - 1 - axis))
    around = _padded(values, axis, 1, mode, cval)
    return np.take(around, below + 1, axis) * (1 - share) + np.take(around, below + 2, axis) * share


def _padded(values: Any, axis: int, width: int, mode: Any, cval: float) -> Any:
    widths = [(width, width) if i == axis else (0, 0) for i in range(values.ndim)]
    return np.pad(values, widths, mode, constant_values=cval) if mode == "constant" else np.pad(values, widths, mode)
