"""Maps read between their pixels, at places in pixels: x and y, each (N, P), 0 at the first pixel's centre."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._layer import arrays
from caffe_pylayers._layer.functions.fused import one_pass

__all__ = [
    "NOWHERE",
    "bilinear_places",
    "d_bilinear_places",
    "gather_backward",
    "gather_forward",
    "grid_to_pixels",
    "has_slope",
    "settled",
]

NOWHERE = -2.0  # a place that no pixel is near to


def grid_to_pixels(size: int, align_corners: bool) -> tuple[float, float]:
    """Return scale and shift of place = (grid + 1) scale - shift, for a grid from -1 to 1, the ends of the map."""
    return ((size - 1) / 2, 0.0) if align_corners else (size / 2, 0.5)


@one_pass
def settled(xp: Any, place: Any, size: int, padding: str) -> Any:
    """Return x or y of places, so that with zeros all around a map of this size they have what the padding gives them.

    padding: zeros; border, the nearest pixel outside; or inside, with which a place in [0, size) is whole, beyond the
    last pixel as with border, and any other one is nothing. With each a place that is no number is nothing.
    """
    if padding == "border":
        return xp.where(~xp.isnan(place), place.clip(0, size - 1), NOWHERE)
    here = (place >= (-1 if padding == "zeros" else 0)) & (place < size)
    place = xp.where(here, place, NOWHERE)
    return place if padding == "zeros" else place.clip(None, size - 1)


@one_pass
def has_slope(xp: Any, place: Any, size: int, padding: str) -> Any:
    """Return 1 where a place that moves moves its settled one too, else 0."""
    moves = place < size - 1
    return arrays.astype(moves & (place > 0) if padding == "border" else moves, place)


def bilinear_places(xp: Any, x: Any, y: Any, size: Any, starts: Any) -> Any:
    """Return (corners, weights, slopes) of places in a batch of maps with zeros around them.

    size: height and width. starts: (N, 1), the number of each map's first pixel.
    corners: (4, N P), int64, the numbers of the four pixels. weights: (4, N P), 0 for those outside.
    slopes: what d_bilinear_places needs.
    """
    (x0, x1, x_weights, x_slopes), (y0, y1, y_weights, y_slopes) = (
        _around(xp, place, n) for place, n in ((x, size[1]), (y, size[0]))
    )
    rows = starts + y0 * size[1], starts + y1 * size[1]
    corners = xp.stack([(row + column).ravel() for row in rows for column in (x0, x1)])
    weights = xp.stack([(y * x).ravel() for y in y_weights for x in x_weights])
    return corners, weights, (x_weights, x_slopes, y_weights, y_slopes)


def d_bilinear_places(xp: Any, slopes: Any, d_weights: Any) -> Any:
    """Return the gradient of x and y, (N, P, 2), from that of the weights."""
    x_weights, x_slopes, y_weights, y_slopes = slopes
    corners = d_weights.reshape(2, 2, *x_weights[0].shape)  # rows, columns
    pairs = [(i, j) for i in range(2) for j in range(2)]
    d_x = sum(corners[i, j] * y_weights[i] * x_slopes[j] for i, j in pairs)
    d_y = sum(corners[i, j] * y_slopes[i] * x_weights[j] for i, j in pairs)
    return xp.stack([d_x, d_y], -1)


def gather_forward(pixels: Any, corners: Any, weights: Any, taken: Any, sampled: Any) -> None:
    """Write sampled = sum over the corners k of weights[k] pixels[corners[k]].

    pixels: (N H W, C). corners: (4, P), rows of pixels. weights: (4, P). sampled: receives it, (P, C).
    taken: (P, C), for the work.
    """
    arrays.fill(sampled, 0)
    for corner, weight in zip(corners, weights):
        arrays.take_rows_into(pixels, corner, taken)
        taken *= weight[:, None]
        sampled += taken


def gather_backward(
    pixels: Any, corners: Any, weights: Any, d_sampled: Any, taken: Any, d_pixels: Any = None, d_weights: Any = None
) -> None:
    """Write d_pixels (N H W, C) and d_weights (4, P), where they are not None, from d_sampled (P, C); see forward."""
    if d_pixels is not None:
        arrays.fill(d_pixels, 0)
        for corner, weight in zip(corners, weights):
            arrays.add_rows(d_pixels, corner, d_sampled * weight[:, None])
    if d_weights is not None:
        for k, corner in enumerate(corners):
            arrays.take_rows_into(pixels, corner, taken)
            taken *= d_sampled
            d_weights[k] = taken.sum(1)


def _around(xp: Any, place: Any, size: int) -> Any:
    """Return the two pixels around along one axis, each within the map, their weights, and the weights' slopes."""
    lower = xp.floor(place)
    fraction = place - lower
    low, weights, slopes = arrays.to_int64(lower), [1 - fraction, fraction], [-1.0, 1.0]
    for k, pixel in enumerate((low, low + 1)):
        here = arrays.astype((pixel >= 0) & (pixel < size), place)
        weights[k] = weights[k] * here
        slopes[k] = slopes[k] * here
    return low.clip(0, size - 1), (low + 1).clip(0, size - 1), weights, slopes
