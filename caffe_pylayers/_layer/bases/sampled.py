"""What layers share whose top has the values of a map between its pixels."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._layer import arrays
from caffe_pylayers._layer.base import Layer
from caffe_pylayers._layer.functions.bilinear_places import grid_sample_backward, grid_sample_forward

__all__ = ["Sampled"]


class Sampled(Layer):
    """top[n, c, p] is what bottom[0], a batch of maps, has at the places that follow from bottom[1].

    A subclass has a plan, which checks the shapes and calls plan_places, and:

        def places(self, bottom):                    # return bilinear_places' corners, weights and slopes
        def d_places(self, slopes, d_weights):       # return the gradient of bottom[1], of any shape of its size
    """

    array_api = True

    def plan_places(self, features: Any, height: int, width: int) -> Any:
        """Return the top's shape, for so many places in each of the maps (N, C, H, W)."""
        count, channels, *size = features.shape
        self._map, self._places = (count, size[0] * size[1], channels), (count, height * width, channels)
        # One row for each pixel: a place then takes its channels together.
        self._pixels = arrays.new(features, (count * size[0] * size[1], channels))
        self._sampled, self._taken = (arrays.new(features, (count * height * width, channels)) for _ in range(2))
        samples = arrays.arange_like(arrays.new(features, (0,), int), count)
        self._starts = (samples * (size[0] * size[1]))[:, None]
        return [(count, channels, height, width)]

    def places(self, bottom: Any) -> Any:
        """Return corners, weights and slopes."""
        raise NotImplementedError(f"{type(self).__name__}: places is not defined")

    def d_places(self, slopes: Any, d_weights: Any) -> Any:
        """Return the gradient of bottom[1]."""
        raise NotImplementedError(f"{type(self).__name__}: d_places is not defined")

    def forward(self, bottom: Any, top: Any) -> None:
        self._corners, self._weights, self._slopes = self.places(bottom)
        pixels = self._rows(self._pixels, self._map)
        pixels[...] = bottom[0].data.reshape(pixels.shape)
        grid_sample_forward(self._pixels, self._corners, self._weights, self._taken, self._sampled)
        sampled = self._rows(self._sampled, self._places)
        top[0].data.reshape(sampled.shape)[...] = sampled

    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        d_sampled, d_pixels, d_weights = self._sampled, None, None
        seen = self._rows(d_sampled, self._places)
        seen[...] = top[0].diff.reshape(seen.shape)
        if propagate_down[0]:
            d_pixels = self.xp.empty_like(self._pixels)
        if propagate_down[1]:
            d_weights = self.xp.empty_like(self._weights)
        pixels, corners, weights = self._pixels, self._corners, self._weights
        grid_sample_backward(pixels, corners, weights, d_sampled, self._taken, d_pixels, d_weights)
        if d_pixels is not None:
            d_features = self._rows(d_pixels, self._map)
            bottom[0].diff.reshape(d_features.shape)[...] = d_features
        if d_weights is not None:
            bottom[1].diff[...] = self.d_places(self._slopes, d_weights).reshape(bottom[1].diff.shape)

    @staticmethod
    def _rows(rows: Any, shape: Any) -> Any:
        """Return rows (N P, C) as (N, C, P), in the same memory."""
        return rows.reshape(shape).swapaxes(1, 2)
