"""Spatial transformers: a grid of places, and what a map has there.

layer {
  name: "grid"  type: "Python"  bottom: "theta"  bottom: "data"  top: "grid"
  python_param { module: "caffe_pylayers.spatial_transformer"  layer: "AffineGrid" }
}
layer {
  name: "warped"  type: "Python"  bottom: "data"  bottom: "grid"  top: "warped"
  python_param { module: "caffe_pylayers.spatial_transformer"  layer: "GridSample" }
}
layer {
  name: "warped"  type: "Python"  bottom: "data"  bottom: "theta"  top: "warped"
  python_param { module: "caffe_pylayers.spatial_transformer"  layer: "SpatialTransformer" }
}
"""

from __future__ import annotations

import math

import numpy as np

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.bases.resized import Sized
from caffe_pylayers._layer.bases.sampled import Sampled
from caffe_pylayers._layer.functions.bilinear_places import grid_to_pixels

__all__ = [
    "AffineGrid",
    "GridSample",
    "SpatialTransformer",
    "affine_grid_backward",
    "affine_grid_forward",
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


class GridSample(Sampled):
    """A map's values at the places of a grid, between its pixels by bilinear interpolation.

    top[n, c, h, w] = sum over the four pixels around grid[n, h, w] of (1 - |dx|) (1 - |dy|) x[n, c]; 0 at a place that
    is no number

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
        Jaderberg et al., "Spatial Transformer Networks", 2015, arXiv:1506.02025; PyTorch's grid_sample, mode bilinear;
        with padding border it reads the first pixel where a place is no number. FlowWarp of lmb-freiburg/flownet2 takes
        offsets in pixels, this takes places.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(GridSample, [[[[[1, 3]]]], [[[[0, 0], [-0.5, 0]]]]]).forward()[0]
        array([[[[2., 1.]]]])
    """

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
        return self.plan_places(features, *places[1:3])

    def places(self, bottom):
        grid = bottom[1].data.reshape(*self._places, 2)
        return [(grid[..., k] + 1) * scale - shift for k, (scale, shift) in enumerate(self._scales())]

    def d_places(self, d_places):
        return d_places * arrays.from_numpy([scale for scale, _ in self._scales()], d_places)

    def _scales(self):
        """Return scale and shift along x and along y."""
        return [grid_to_pixels(size, self.align_corners) for size in self._size[::-1]]


class SpatialTransformer(Sampled):
    """A map seen through an affine map of its places, which the net finds: AffineGrid and GridSample in one.

    top[n, c, h, w] = map[n, c] at (y, x), between its pixels by bilinear interpolation, 0 outside;
    (2 y / H - 1, 2 x / W - 1) = theta_n (2 h / H' - 1, 2 w / W' - 1, 1)

    Bottom:
        [0] map (N, C, H, W)
        [1] theta (N, 6), or as many values in another shape: rows of the 2 x 3 matrix, the first of which gives y;
            where some are fixed, the others
    Top:
        [0] (N, C, H', W')
    Backward:
        The exact gradients of both; at a pixel's centre, where theta's has a step, the one to the right and below.
    Raises:
        ValueError for shapes that do not fit, and in place.
    References:
        Jaderberg et al., "Spatial Transformer Networks", 2015, arXiv:1506.02025. SpatialTransformer of
        christopher5106/last_caffe_with_stn and daerduoCarey/SpatialTransformerLayer, with their st_param: theta_1_1 to
        theta_2_3 are fixed. It has y before x, and -1 is the first pixel's centre, 1 that of the one behind the last;
        with AffineGrid and GridSample x is before y, and there is a choice.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> mirrored = LayerRun(SpatialTransformer, [[[[[1, 2, 3, 4]]]], [[1, 0, 0, 0, -1, 0]]])
        >>> mirrored.forward()[0]
        array([[[[0., 4., 3., 2.]]]])
    """

    height = Parameter(int, None, low=1, doc="H'; default: that of bottom[0]")
    width = Parameter(int, None, low=1, doc="W'; default: that of bottom[0]")
    fixed = Parameter({int: float}, {}, doc="by number, from 0 to 5, the values of theta that bottom[1] does not have")
    map_gradient = Parameter(bool, True, doc="false: the map gets zeros, theta alone learns")

    def setup(self, bottom, top):
        checks.tops(self, top, "warped")
        if not set(self.fixed) < set(range(6)):
            raise checks.error(self, f"fixed names values of theta from 0 to 5, not all, got {sorted(self.fixed)}")
        self._free = [i for i in range(6) if i not in self.fixed]

    def plan(self, features, theta):
        shape = tuple(features.shape)
        if len(shape) != 4 or 0 in shape[2:]:
            raise checks.error(self, f"bottom[0] (map) must have the shape (N, C, H, W), got {shape}")
        if math.prod(theta.shape) != shape[0] * len(self._free) or theta.shape[0] != shape[0]:
            raise checks.error(
                self,
                f"bottom[1] (theta) must have {len(self._free)} values for each of {shape[0]} samples, "
                f"got shape {tuple(theta.shape)}",
            )
        to = self.height or shape[2], self.width or shape[3]
        y, x = (2 * place.ravel() / n - 1 for place, n in zip(np.indices(to), to))
        self._steps = arrays.from_numpy(np.stack([y, x, np.ones(len(y))], 1), features)
        self._scale = arrays.from_numpy(np.array(shape[2:]) / 2, features)
        self._theta = arrays.new(features, (shape[0], 6))
        for i, value in self.fixed.items():
            self._theta[:, i] = value
        return self.plan_places(features, *to)

    def backward(self, top, propagate_down, bottom):
        super().backward(top, [propagate_down[0] and self.map_gradient, propagate_down[1]], bottom)
        if propagate_down[0] and not self.map_gradient:
            arrays.fill(bottom[0].diff, 0)

    def places(self, bottom):
        self._theta[:, self._free] = bottom[1].data.reshape(-1, len(self._free))
        theta = self._theta.reshape(-1, 2, 3)
        places = (self.xp.matmul(self._steps, theta.swapaxes(1, 2)) + 1) * self._scale
        return places[..., 1], places[..., 0]

    def d_places(self, d_places):
        d_places = self.xp.flip(d_places, (2,)) * self._scale
        d_theta = self.xp.matmul(d_places.swapaxes(1, 2), self._steps)
        return d_theta.reshape(-1, 6)[:, self._free]
