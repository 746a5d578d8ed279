"""Places between the pixels of a map: the four pixels around each, their weights, and the weights' gradients."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._layer import arrays

__all__ = [
    "bilinear_places",
    "d_bilinear_places",
    "grid_sample_backward",
    "grid_sample_forward",
    "pixel_places",
]


def bilinear_places(xp: Any, grid: Any, size: Any, starts: Any, padding: str, align_corners: bool) -> Any:
    """Return (corners, weights, slopes) of places in a batch of maps.

    grid: (N, P, 2), x and y from -1 to 1, the ends of the map as align_corners says.
    size: its height and width. starts: (N, 1), the number of each map's first pixel.
    corners: (4, N P), int64, the numbers of the four pixels. weights: (4, N P), 0 for those outside with padding zeros.
    slopes: what d_bilinear_places needs.
    """
    axes = []
    for i in range(2):
        n = size[1 - i]
        scale = (n - 1) / 2 if align_corners else n / 2
        place = (grid[..., i] + 1) * scale - (0 if align_corners else 0.5)
        axes.append(_AROUND[padding](xp, place, n, scale))
    return _corners(xp, axes[0], axes[1], size[1], starts)


def pixel_places(xp: Any, x: Any, y: Any, size: Any, starts: Any, padding: str) -> Any:
    """Return what bilinear_places returns for x and y in pixels, each (N, P).

    padding: zeros; or inside, with which a place in [0, n) of an axis is whole and any other one is nothing.
    """
    around = _AROUND[padding]
    return _corners(xp, around(xp, x, size[1], 1.0), around(xp, y, size[0], 1.0), size[1], starts)


def d_bilinear_places(xp: Any, slopes: Any, d_weights: Any) -> Any:
    """Return the gradient of the grid, (N, P, 2), from that of the weights."""
    x_weights, x_slopes, y_weights, y_slopes = slopes
    corners = d_weights.reshape(2, 2, *x_weights[0].shape)  # rows, columns
    pairs = [(i, j) for i in range(2) for j in range(2)]
    d_x = sum(corners[i, j] * y_weights[i] * x_slopes[j] for i, j in pairs)
    d_y = sum(corners[i, j] * y_slopes[i] * x_weights[j] for i, j in pairs)
    return xp.stack([d_x, d_y], -1)


def grid_sample_forward(pixels: Any, corners: Any, weights: Any, taken: Any, sampled: Any) -> None:
    """Write sampled = sum over the corners k of weights[k] pixels[corners[k]].

    pixels: (N H W, C). corners: (4, P), rows of pixels. weights: (4, P). sampled: receives it, (P, C).
    taken: (P, C), for the work.
    """
    arrays.fill(sampled, 0)
    for corner, weight in zip(corners, weights):
        arrays.take_rows_into(pixels, corner, taken)
        taken *= weight[:, None]
        sampled += taken


def grid_sample_backward(
    pixels: Any, corners: Any, weights: Any, d_sampled: Any, taken: Any, d_pixels: Any = None, d_weights: Any = None
) -> None:
    """Write the gradients asked for."""
    if d_pixels is not None:
        arrays.fill(d_pixels, 0)
        for corner, weight in zip(corners, weights):
            arrays.add_rows(d_pixels, corner, d_sampled * weight[:, None])
    if d_weights is not None:
        for k, corner in enumerate(corners):
            arrays.take_rows_into(pixels, corner, taken)
            taken *= d_sampled
            d_weights[k] = taken.sum(1)


def _corners(xp: Any, along_x: Any, along_y: Any, width: int, starts: Any) -> Any:
    (x0, x1, x_weights, x_slopes), (y0, y1, y_weights, y_slopes) = along_x, along_y
    rows = starts + y0 * width, starts + y1 * width
    corners = xp.stack([(row + column).ravel() for row in rows for column in (x0, x1)])
    weights = xp.stack([(y * x).ravel() for y in y_weights for x in x_weights])
    return corners, weights, (x_weights, x_slopes, y_weights, y_slopes)


# Each returns, along one axis, the two pixels around, each within the map, their weights, and the weights' slopes.


def _zeros(xp: Any, place: Any, size: int, scale: float) -> Any:
    # Places far outside, or that are no number, are none of an index either.
    place = xp.where((place >= -1) & (place < size), place, xp.full_like(place, -2))
    low, weights, slopes = _linear(xp, place, scale)
    for k, pixel in enumerate((low, low + 1)):
        here = arrays.astype((pixel >= 0) & (pixel < size), place)
        weights[k] = weights[k] * here
        slopes[k] = slopes[k] * here
    return low.clip(0, size - 1), (low + 1).clip(0, size - 1), weights, slopes


def _border(xp: Any, place: Any, size: int, scale: float) -> Any:
    within = arrays.astype((place > 0) & (place < size - 1), place)
    low, weights, slopes = _linear(xp, place.clip(0, size - 1), scale)
    return low.clip(0, size - 1), (low + 1).clip(0, size - 1), weights, [slope * within for slope in slopes]


def _inside(xp: Any, place: Any, size: int, scale: float) -> Any:
    within = (place >= 0) & (place < size)
    low, weights, slopes = _linear(xp, xp.where(within, place, xp.zeros_like(place)), scale)
    here = arrays.astype(within, place)
    return low, (low + 1).clip(0, size - 1), [w * here for w in weights], [slope * here for slope in slopes]


def _linear(xp: Any, place: Any, scale: float) -> Any:
    lower = xp.floor(place)
    fraction = place - lower
    slopes = [xp.full_like(place, -scale), xp.full_like(place, scale)]
    return arrays.to_int64(lower), [1 - fraction, fraction], slopes


_AROUND = {"zeros": _zeros, "border": _border, "inside": _inside}
