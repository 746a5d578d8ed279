"""Spatial transformers: a grid of places, and what a map has there.

layer {
  name: "grid"  type: "Python"  bottom: "theta"  bottom: "data"  top: "grid"
  python_param { module: "caffe_pylayers.spatial_transformer"  layer: "AffineGrid" }
}
layer {
  name: "warped"  type: "Python"  bottom: "data"  bottom: "grid"  top: "warped"
  python_param { module: "caffe_pylayers.spatial_transformer"  layer: "GridSample" }
}
"""

from __future__ import annotations

import math

import numpy as np

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Layer, Parameter
from caffe_pylayers._layer.bases.resized import Sized
from caffe_pylayers._layer.functions.bilinear_places import bilinear_places, d_bilinear_places

__all__ = [
    "AffineGrid",
    "GridSample",
    "affine_grid_backward",
    "affine_grid_forward",
    "grid_sample_backward",
    "grid_sample_forward",
    "normalized_places",
]

_ALIGN_CORNERS = Parameter(
    bool, False, doc="true: -1 and 1 are the centres of the first and last pixels; false: their outer edges"
)


def normalized_places(height, width, align_corners):
    """Return (H W, 3), x y 1 of every pixel in coordinates from -1 to 1, row by row, a numpy array."""
    steps = [(2 * np.arange(n) + 1) / n - 1 for n in (height, width)]
    if align_corners:
        steps = [np.linspace(-1, 1, n) if n > 1 else np.zeros(n) for n in (height, width)]
    y, x = (axis.ravel() for axis in np.meshgrid(*steps, indexing="ij"))
    return np.stack([x, y, np.ones(height * width)], 1)


def affine_grid_forward(xp, theta, places, grid):
    """Write grid[n, p] = theta[n] places[p], for theta (N, 2, 3) and places (P, 3): (N, P, 2)."""
    xp.matmul(places, theta.swapaxes(1, 2), out=grid)


def affine_grid_backward(xp, places, d_grid, d_theta):
    """Write the gradient of theta."""
    xp.matmul(d_grid.swapaxes(1, 2), places, out=d_theta)


def grid_sample_forward(pixels, corners, weights, taken, sampled):
    """Write sampled = sum over the corners k of weights[k] pixels[corners[k]].

    pixels: (N H W, C). corners: (4, P), rows of pixels. weights: (4, P). sampled: receives it, (P, C).
    taken: (P, C), for the work.
    """
    arrays.fill(sampled, 0)
    for corner, weight in zip(corners, weights):
        arrays.take_rows_into(pixels, corner, taken)
        taken *= weight[:, None]
        sampled += taken


def grid_sample_backward(pixels, corners, weights, d_sampled, taken, d_pixels=None, d_weights=None):
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


class AffineGrid(Sized):
    """For every pixel of an output, the place of the input that an affine map sends it to.

    grid[n, h, w] = theta_n (x_w, y_h, 1), with x and y from -1 to 1 over the output

    Bottom:
        [0] theta (N, 6), rows of the 2 x 3 matrix one after the other, or (N, 2, 3), (N, 6, 1, 1)
        [1] reference, in place of the parameter size: its last two sizes are the grid's height and width
    Top:
        [0] grid (N, H, W, 2): x and y, GridSample's bottom[1]
    Backward:
        d_theta[n] = sum over pixels of d[n, h, w] (x_w, y_h, 1)ᵀ; the reference gets zeros.
    Raises:
        ValueError for shapes that do not fit, and in place.
    References:
        Jaderberg et al., "Spatial Transformer Networks", 2015, arXiv:1506.02025; PyTorch's affine_grid.
        SpatialTransformer of christopher5106/last_caffe_with_stn is this and GridSample in one.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> mirrored = LayerRun(AffineGrid, [[[-1, 0, 0, 0, 1, 0]]], param_str='{"size": [1, 2]}')
        >>> mirrored.forward()[0]
        array([[[[ 0.5,  0. ],
                 [-0.5,  0. ]]]])
    """

    align_corners = _ALIGN_CORNERS

    def setup(self, bottom, top):
        checks.tops(self, top, "grid")
        super().setup(bottom, top)

    def plan(self, theta, reference=None):
        if len(theta.shape) < 2 or math.prod(theta.shape[1:]) != 6:
            raise checks.error(self, f"bottom[0] (theta) must have shape (N, 6) or (N, 2, 3), got {tuple(theta.shape)}")
        height, width = self.height_and_width(reference)
        places = normalized_places(height, width, self.align_corners)
        self._places, self._shape = arrays.from_numpy(places, theta), (len(theta), height * width, 2)
        return [(len(theta), height, width, 2)]

    def forward(self, bottom, top):
        theta, grid = bottom[0].data.reshape(self._shape[0], 2, 3), top[0].data.reshape(self._shape)
        affine_grid_forward(self.xp, theta, self._places, grid)

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            d_theta = bottom[0].diff.reshape(self._shape[0], 2, 3)
            affine_grid_backward(self.xp, self._places, top[0].diff.reshape(self._shape), d_theta)
        if len(bottom) > 1 and propagate_down[1]:
            arrays.fill(bottom[1].diff, 0)


class GridSample(Layer):
    """A map's values at the places of a grid, between its pixels by bilinear interpolation.

    top[n, c, h, w] = sum over the four pixels around grid[n, h, w] of (1 - |dx|) (1 - |dy|) x[n, c]

    Bottom:
        [0] features x (N, C, H, W)
        [1] grid (N, H', W', 2), x and y: -1 is the left and upper end of the map, 1 the right and lower one
    Top:
        [0] (N, C, H', W')
    Backward:
        The exact gradients of both; at a pixel's centre, where the grid's has a step, the one to the right and below.
        With padding border a place outside gives the grid no gradient across the border.
    Raises:
        ValueError for shapes that do not fit, and in place.
    References:
        Jaderberg et al., "Spatial Transformer Networks", 2015, arXiv:1506.02025; PyTorch's grid_sample, mode bilinear.
        FlowWarp of lmb-freiburg/flownet2 takes offsets in pixels, this takes places.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(GridSample, [[[[[1, 3]]]], [[[[0, 0], [-0.5, 0]]]]]).forward()[0]
        array([[[[2., 1.]]]])
    """

    array_api = True

    padding = Parameter(
        str, "zeros", choices=("zeros", "border"), doc="values outside the map: 0, or those of the nearest pixel"
    )
    align_corners = _ALIGN_CORNERS

    def setup(self, bottom, top):
        checks.tops(self, top, "sampled")

    def plan(self, features, grid):
        shape, places = tuple(features.shape), tuple(grid.shape)
        if len(shape) != 4 or len(places) != 4 or places[0] != shape[0] or places[3] != 2 or 0 in shape[2:]:
            raise checks.error(
                self, f"needs features (N, C, H, W) and grid (N, H', W', 2), got shapes {shape} and {places}"
            )
        count, channels, height, width = shape
        each = places[1] * places[2]
        self._map, self._places = (count, height * width, channels), (count, each, channels)
        # One row for each pixel: a place then takes its channels together.
        self._pixels = arrays.new(features, (count * height * width, channels))
        self._sampled, self._taken = (arrays.new(features, (count * each, channels)) for _ in range(2))
        samples = arrays.arange_like(arrays.new(features, (0,), int), count)
        self._starts = (samples * (height * width))[:, None]
        return [(count, channels, *places[1:3])]

    def forward(self, bottom, top):
        features, grid = bottom[0].data, bottom[1].data.reshape(*self._places[:2], 2)
        self._corners, self._weights, self._slopes = bilinear_places(
            self.xp, grid, features.shape[2:], self._starts, self.padding, self.align_corners
        )
        pixels = self._rows(self._pixels, self._map)
        pixels[...] = features.reshape(pixels.shape)
        grid_sample_forward(self._pixels, self._corners, self._weights, self._taken, self._sampled)
        sampled = self._rows(self._sampled, self._places)
        top[0].data.reshape(sampled.shape)[...] = sampled

    def backward(self, top, propagate_down, bottom):
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
            bottom[1].diff[...] = d_bilinear_places(self.xp, self._slopes, d_weights).reshape(bottom[1].diff.shape)

    @staticmethod
    def _rows(rows, shape):
        """Return rows (N P, C) as (N, C, P), in the same memory."""
        return rows.reshape(shape).swapaxes(1, 2)
