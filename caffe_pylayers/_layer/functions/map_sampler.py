"""Maps read between their pixels: at places in pixels, 0 at the first one's centre, and back."""

from __future__ import annotations

import math
from typing import Any

from caffe_pylayers._layer import arrays
from caffe_pylayers._layer.functions import fused
from caffe_pylayers._layer.functions.bilinear_places import (
    NOWHERE,
    bilinear_places,
    d_bilinear_places,
    gather_backward,
    gather_forward,
    has_slope,
    settled,
)

__all__ = ["MapSampler"]


class MapSampler:
    """Reads maps (N, C, H, W) at x and y (N, P) each, and keeps what its backward needs.

    PyTorch's kernel, where there is one, counts from the middle of a map: its places are exact to 2^-24 of the map's
    side, which is what float32 resolves at the far edge.

    like: an array like the maps. shape: the maps'. places: P. padding: what is outside the maps, see `settled`.
    fill: with padding inside, what a place that is outside gets.
    """

    def __init__(self, xp: Any, like: Any, shape: Any, places: int, padding: str, fill: float = 0.0) -> None:
        count, channels, *self._size = shape
        self._xp, self._padding, self._fill, self._inside = xp, padding, fill, None
        self._kernel = fused.has_grid_sampler(xp) and 0 not in (*shape, places)
        if self._kernel:
            self._padded = fused.powers_of_two(like, shape)
            return
        pixels = math.prod(self._size)
        self._map, self._places = (count, pixels, channels), (count, places, channels)
        # One row for each pixel: a place then takes its channels together.
        self._pixels = arrays.new(like, (count * pixels, channels))
        self._sampled, self._taken = (arrays.new(like, (count * places, channels)) for _ in range(2))
        self._starts = (arrays.arange_like(arrays.new(like, (0,), int), count) * pixels)[:, None]

    def forward(self, maps: Any, x: Any, y: Any, sampled: Any) -> None:
        """Write sampled (N, C, P)."""
        self._along = (x, self._size[1]), (y, self._size[0])
        x, y = (settled(self._xp, *along, self._padding) for along in self._along)
        if self._kernel:
            self._grid = fused.grid_sample_forward(self._xp, maps, x, y, self._padded, sampled)
        else:
            self._corners, self._weights, self._slopes = bilinear_places(self._xp, x, y, self._size, self._starts)
            pixels = _rows(self._pixels, self._map)
            pixels[...] = maps.reshape(pixels.shape)
            gather_forward(self._pixels, self._corners, self._weights, self._taken, self._sampled)
            sampled[...] = _rows(self._sampled, self._places)
        if self._padding == "inside" and (self._fill or not self._kernel):  # whose pixels may be no numbers
            self._inside = ((x != NOWHERE) & (y != NOWHERE))[:, None]
            sampled[...] = self._xp.where(self._inside, sampled, arrays.from_numpy(self._fill, sampled))

    def backward(self, d_sampled: Any, d_maps: Any, to_places: bool) -> Any:
        """Write d_maps, where it is not None; return the gradient of x and y (N, P, 2), None without to_places."""
        if self._kernel:
            d_places = fused.grid_sample_backward(self._xp, d_sampled, self._padded, self._grid, d_maps, to_places)
        else:
            d_places = self._backward(d_sampled, d_maps, to_places)
        if to_places and self._padding != "zeros":
            for k, along in enumerate(self._along):
                d_places[..., k] *= has_slope(self._xp, *along, self._padding)
        if to_places and self._inside is not None:
            d_places = self._xp.where(self._inside.swapaxes(1, 2), d_places, self._xp.zeros_like(d_places))
        return d_places

    def _backward(self, d_sampled: Any, d_maps: Any, to_places: bool) -> Any:
        _rows(self._sampled, self._places)[...] = d_sampled
        d_pixels = None if d_maps is None else self._xp.empty_like(self._pixels)
        d_weights = self._xp.empty_like(self._weights) if to_places else None
        given = self._pixels, self._corners, self._weights, self._sampled, self._taken
        gather_backward(*given, d_pixels, d_weights)
        if d_maps is not None:
            d_pixels = _rows(d_pixels, self._map)
            d_maps.reshape(d_pixels.shape)[...] = d_pixels
        return d_bilinear_places(self._xp, self._slopes, d_weights) if to_places else None


def _rows(rows: Any, shape: Any) -> Any:
    """Return rows (N P, C) as (N, C, P), in the same memory."""
    return rows.reshape(shape).swapaxes(1, 2)
