"""Maps seen through an optical flow: warped by offsets in pixels, or read at places in pixels.

layer {
  name: "warped"  type: "Python"
  bottom: "img1"  bottom: "flow"  top: "warped"
  python_param { module: "caffe_pylayers.flow"  layer: "FlowWarp" }
}
layer {
  name: "grid"  type: "Python"  bottom: "flow"  top: "grid"
  python_param { module: "caffe_pylayers.flow"  layer: "PixelGrid" }
}
layer {
  name: "warped"  type: "Python"
  bottom: "img1"  bottom: "coords"  top: "warped"
  python_param { module: "caffe_pylayers.flow"  layer: "Warp" }
}
"""

from __future__ import annotations

import math

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.bases.no_gradient import NoGradient
from caffe_pylayers._layer.bases.sampled import Sampled

__all__ = [
    "FlowWarp",
    "PixelGrid",
    "Warp",
    "pixel_grid",
]

_FILLS = {"zero": 0.0, "not_a_number": math.nan}


def pixel_grid(like, height, width):
    """Return x and y of every pixel, (1, W) and (H, 1), as arrays like another one."""
    return arrays.arange_like(like, width)[None], arrays.arange_like(like, height)[:, None]


class Warp(Sampled):
    """A map's values at places in pixels, between them by bilinear interpolation; 0 outside.

    top[n, c, h, w] = sum over the four pixels (i, j) around (x, y) = places[n, :, h, w] of
    (1 - |x - j|) (1 - |y - i|) map[n, c, i, j]

    Bottom:
        [0] map (N, C, H, W)
        [1] places (N, 2, H', W'): x, from 0 to W - 1, and y, from 0 to H - 1
    Top:
        [0] (N, C, H', W')
    Backward:
        The exact gradients of both; at a pixel's centre, where that of the places has a step, the one to the right and
        below.
    Raises:
        ValueError for shapes that do not fit, and in place.
    References:
        Hui et al., "LiteFlowNet: A Lightweight Convolutional Neural Network for Optical Flow Estimation", 2018,
        arXiv:1805.07036. Warp of twhui/LiteFlowNet.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(Warp, [[[[[1, 3]]]], [[[[0.5, 1, 1.5]], [[0, 0, 0]]]]]).forward()[0]
        array([[[[2. , 3. , 1.5]]]])
    """

    def setup(self, bottom, top):
        checks.tops(self, top, "warped")

    def plan(self, features, places):
        shape, to = tuple(features.shape), tuple(places.shape)
        if len(shape) != 4 or len(to) != 4 or to[:2] != (shape[0], 2) or 0 in shape[2:]:
            raise checks.error(
                self, f"needs a map (N, C, H, W) and places (N, 2, H', W') on it, got shapes {shape} and {to}"
            )
        return self.plan_places(features, *to[2:])

    def places(self, bottom):
        places = bottom[1].data.reshape(self._places[0], 2, self._places[1])
        return places[:, 0], places[:, 1]

    def d_places(self, d_places):
        return d_places.swapaxes(1, 2)


class FlowWarp(Warp):
    """The second image as the first would see it: a map's values where the flow leads to from each pixel.

    top[n, c, h, w] = map[n, c] at (x, y) = (w + flow[n, 0, h, w], h + flow[n, 1, h, w]), between pixels by bilinear
    interpolation, where 0 <= x < W and 0 <= y < H, beyond the last ones by these; fill_value elsewhere

    Bottom:
        [0] map (N, C, H, W)
        [1] flow (N, 2, H, W), in pixels: to the right, and down
    Top:
        [0] (N, C, H, W)
    Backward:
        The exact gradients of both, 0 where the flow leads out of the map; at a pixel's centre, where the flow's has a
        step, the one to the right and below.
    Raises:
        ValueError for shapes that do not fit, and in place.
    References:
        Ilg et al., "FlowNet 2.0: Evolution of Optical Flow Estimation with Deep Networks", 2017, arXiv:1612.01925.
        FlowWarp of lmb-freiburg/flownet2, here on the CPU too.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> flow = [[[[0.5, 0.5], [0, 0]], [[0, 0], [-0.5, 0]]]]
        >>> LayerRun(FlowWarp, [[[[[1, 2], [3, 4]]]], flow]).forward()[0]
        array([[[[1.5, 2. ],
                 [2. , 4. ]]]])
    """

    padding = "inside"
    fill_value = Parameter(str, "zero", choices=tuple(_FILLS), doc="where the flow leads out of the map: 0 or NaN")

    def plan(self, features, flow):
        shape, to = tuple(features.shape), tuple(flow.shape)
        if len(shape) != 4 or to != (shape[0], 2, *shape[2:]):
            raise checks.error(self, f"needs a map (N, C, H, W) and flow (N, 2, H, W), got shapes {shape} and {to}")
        x, y = pixel_grid(flow, *shape[2:])
        self._pixel_x, self._pixel_y = (x + 0 * y).ravel(), (0 * x + y).ravel()
        return self.plan_places(features, *shape[2:], fill=_FILLS[self.fill_value])

    def places(self, bottom):
        dx, dy = super().places(bottom)
        return self._pixel_x + dx, self._pixel_y + dy


class PixelGrid(NoGradient):
    """The coordinates of every pixel: with a flow added they are Warp's places.

    top[n, 0, h, w] = w, top[n, 1, h, w] = h

    Bottom:
        [0] maps (N, C, H, W): only N, H and W are used
    Top:
        [0] (N, 2, H, W)
    Backward:
        Zeros.
    Raises:
        ValueError for a bottom that is no batch of maps, and in place.
    References:
        Grid of twhui/LiteFlowNet.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(PixelGrid, [[[[[7, 7, 7], [7, 7, 7]]]]]).forward()[0]
        array([[[[0., 1., 2.],
                 [0., 1., 2.]],
        <BLANKLINE>
                [[0., 0., 0.],
                 [1., 1., 1.]]]])
    """

    array_api = True

    def setup(self, bottom, top):
        checks.tops(self, top, "grid")

    def plan(self, maps):
        if len(maps.shape) != 4:
            raise checks.error(self, f"bottom[0] (maps) must have the shape (N, C, H, W), got {tuple(maps.shape)}")
        self._x, self._y = pixel_grid(maps, *maps.shape[2:])
        return [(maps.shape[0], 2, *maps.shape[2:])]

    def forward(self, bottom, top):
        top[0].data[:, 0], top[0].data[:, 1] = self._x, self._y
