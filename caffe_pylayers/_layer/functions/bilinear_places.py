"""Places between the pixels of a map: the four pixels around each, their weights, and the weights' gradients."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._layer import arrays


def bilinear_places(xp: Any, grid: Any, size: Any, starts: Any, padding: str, align_corners: bool) -> Any:
    """Return (corners, weights, slopes) of places in a batch of maps.

    grid: (N, P, 2), x and y from -1 to 1, the ends of the map as align_corners says.
    size: its height and width. starts: (N, 1), the number of each map's first pixel.
    corners: (4, N P), int64, the numbers of the four pixels. weights: (4, N P), 0 for those outside with padding zeros.
    slopes: what d_bilinear_places needs.
    """
    (x0, x1, x_weights, x_slopes), (y0, y1, y_weights, y_slopes) = (
        _along(xp, grid[..., i], size[1 - i], padding, align_corners) for i in range(2)
    )
    width = size[1]
    rows = starts + y0 * width, starts + y1 * width
    corners = xp.stack([(row + column).ravel() for row in rows for column in (x0, x1)])
    weights = xp.stack([(y * x).ravel() for y in y_weights for x in x_weights])
    return corners, weights, (x_weights, x_slopes, y_weights, y_slopes)


def d_bilinear_places(xp: Any, slopes: Any, d_weights: Any) -> Any:
    """Return the gradient of the grid, (N, P, 2), from that of the weights."""
    x_weights, x_slopes, y_weights, y_slopes = slopes
    corners = d_weights.reshape(2, 2, *x_weights[0].shape)  # rows, columns
    pairs = [(i, j) for i in range(2) for j in range(2)]
    d_x = sum(corners[i, j] * y_weights[i] * x_slopes[j] for i, j in pairs)
    d_y = sum(corners[i, j] * y_slopes[i] * x_weights[j] for i, j in pairs)
    return xp.stack([d_x, d_y], -1)


def _along(xp: Any, coordinate: Any, size: int, padding: str, align_corners: bool) -> Any:
    """Return, along one axis, the two pixels around, each within the map, their weights, and the weights' slopes."""
    scale = (size - 1) / 2 if align_corners else size / 2
    place = (coordinate + 1) * scale - (0 if align_corners else 0.5)
    if padding == "border":
        within = arrays.astype((place > 0) & (place < size - 1), place)
        place = place.clip(0, size - 1)
    else:  # places far outside, or that are no number, are none of an index either
        place = xp.where((place >= -1) & (place < size), place, xp.full_like(place, -2))
    lower = xp.floor(place)
    fraction = place - lower
    low = arrays.to_int64(lower)
    weights = [1 - fraction, fraction]
    slopes = [xp.full_like(place, -scale), xp.full_like(place, scale)]
    for k, pixel in enumerate((low, low + 1)):
        if padding == "zeros":
            here = arrays.astype((pixel >= 0) & (pixel < size), place)
            weights[k] = weights[k] * here
            slopes[k] = slopes[k] * here
        else:
            slopes[k] = slopes[k] * within
    return low.clip(0, size - 1), (low + 1).clip(0, size - 1), weights, slopes
