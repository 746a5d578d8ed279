"""Key points to heat maps, and maps to key points.

layer {
  name: "heat"  type: "Python"  bottom: "points"  bottom: "conv"  top: "heat"
  python_param { module: "caffe_pylayers.key_points"  layer: "HeatMaps"  param_str: '{"stride": 8, "sigma": 1.5}' }
}
layer {
  name: "points"  type: "Python"  bottom: "score"  top: "points"
  python_param { module: "caffe_pylayers.key_points"  layer: "SoftArgmax"  param_str: '{"stride": 8}' }
}
"""

from __future__ import annotations

import math

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Layer, Parameter
from caffe_pylayers._layer.bases.resized import Sized
from caffe_pylayers._layer.functions.softmax import softmax, softmax_backward

__all__ = [
    "HeatMaps",
    "SoftArgmax",
    "heat_maps_backward",
    "heat_maps_forward",
    "soft_argmax_backward",
    "soft_argmax_forward",
]

_STRIDE = Parameter(
    float,
    1.0,
    above=0,
    doc="pixels of the image for one of the map, whose pixel i is at i stride + (stride - 1) / 2",
)


def _centres(layer, like, size):
    """Return where the pixels of each axis of a map lie in the image, y and x, like an array."""
    return [arrays.arange_like(like, n) * layer.stride + (layer.stride - 1) / 2 for n in size]


def _from_end_to_end(like, count):
    """Return so many numbers from -1 to 1 like an array; 0 for one."""
    places = arrays.arange_like(like, count)
    return places * (2 / (count - 1)) - 1 if count > 1 else places


def heat_maps_forward(xp, points, visible, y, x, sigma, bumps, maps):
    """Write Gaussians: maps = visible exp(-((x - px)**2 + (y - py)**2) / (2 sigma**2)).

    points: (N, K, 2), px and py. visible: (N, K), 1 or 0. y: (H,). x: (W,), in the points' unit, as sigma is.
    bumps: [(N, K, H), (N, K, W)], receive the two factors that each Gaussian is a product of.
    maps: (N, K, H, W).
    """
    for bump, place, axis in zip(bumps, (y, x), (1, 0)):
        away = place - points[..., axis : axis + 1]
        away *= away
        away *= -1 / (2 * sigma**2)
        xp.exp(away, out=bump)  # in place numpy 1.19 takes far longer
    bumps[0][...] *= visible[..., None]
    xp.multiply(bumps[0][..., None], bumps[1][..., None, :], out=maps)


def heat_maps_backward(xp, points, y, x, sigma, bumps, d_maps, d_points):
    """Write the gradient of the points, (N, K, 2); bumps: heat_maps_forward's."""
    over_rows = xp.matmul(bumps[0][..., None, :], d_maps)[..., 0, :]  # (N, K, W)
    over_columns = xp.matmul(d_maps, bumps[1][..., None])[..., 0]  # (N, K, H)
    for axis, place, bump, d_bump in ((0, x, bumps[1], over_rows), (1, y, bumps[0], over_columns)):
        away = (place - points[..., axis : axis + 1]) / sigma**2
        d_points[..., axis] = (d_bump * bump * away).sum(-1)


def soft_argmax_forward(xp, maps, beta, places, weights, points):
    """Write the means of places, weighted by weights = softmax(beta maps).

    maps: (N, K, P). places: (P, 2). weights: receives them, (N, K, P). points: receives the means, (N, K, 2).
    """
    xp.multiply(maps, beta, out=weights)
    softmax(xp, weights, -1, weights)
    xp.matmul(weights, places, out=points)


def soft_argmax_backward(xp, weights, beta, places, d_points, d_maps):
    """Write the gradient of the maps."""
    xp.matmul(d_points, places.swapaxes(0, 1), out=d_maps)
    softmax_backward(xp, weights, d_maps, -1, d_maps)
    d_maps *= beta


class HeatMaps(Sized):
    """A map for each key point, with a Gaussian around it.

    top[n, k, h, w] = exp(-((x_w - px)**2 + (y_h - py)**2) / (2 (sigma stride)**2)) where point k is visible, else 0

    Bottom:
        [0] points (N, K, 2), x and y in pixels of the image, or (N, K, 3) with the visibility, 0 for a point that is
            not labelled, as COCO has it; (N, 2 K) or (N, 3 K) with the parameter values_per_point
        [1] reference, in place of the parameter size: its last two sizes are the maps'
    Top:
        [0] maps (N, K, H, W), 1 at a point that lies on a pixel
        [1] weights (N, K, 1, 1), optional: 1 for visible points, 0 for others, a weight bottom for a loss on the maps
    Backward:
        The exact gradient of x and y; the visibility and the reference get zeros.
    Raises:
        ValueError for shapes that do not fit, and in place.
    References:
        Tompson et al., "Joint Training of a Convolutional Network and a Graphical Model for Human Pose Estimation",
        2014, arXiv:1406.2984; the maps of CPM's and OpenPose's data layers, a channel for each part, whose centres of
        pixels this has.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(HeatMaps, [[[[1, 0, 2]]]], param_str='{"size": [1, 3], "sigma": 0.5}')
        >>> run.forward()[0].round(3)
        array([[[[0.135, 1.   , 0.135]]]])
    """

    sigma = Parameter(float, 1.0, above=0, doc="standard deviation of the Gaussian, in pixels of the map")
    stride = _STRIDE
    values_per_point = Parameter(int, None, low=2, high=3, doc="2 or 3, where those of all points are on one axis")

    def setup(self, bottom, top):
        checks.tops(self, top, "maps", "weights", optional=1)
        super().setup(bottom, top)

    def plan(self, points, reference=None):
        shape = tuple(points.shape)
        if self.values_per_point is not None and len(shape) > 1:
            shape = shape[0], math.prod(shape[1:]) // self.values_per_point, self.values_per_point
        if len(shape) != 3 or shape[2] not in (2, 3) or math.prod(shape) != math.prod(points.shape):
            raise checks.error(
                self,
                f"bottom[0] (points) must have shape (N, K, 2) or (N, K, 3), or (N, K * values_per_point) with this "
                f"parameter, got {tuple(points.shape)}",
            )
        size = self.height_and_width(reference)
        self._shape = shape
        self._y, self._x = _centres(self, points, size)
        self._bumps = [arrays.new(points, (*shape[:2], n)) for n in size]
        self._visible = arrays.new(points, shape[:2])
        return [(*shape[:2], *size), (*shape[:2], 1, 1)]

    def forward(self, bottom, top):
        points = bottom[0].data.reshape(self._shape)
        self._visible[...] = points[..., 2] != 0 if self._shape[2] == 3 else 1
        # Where a point that is not labelled would be may be anything.
        self._points = self.xp.where(self._visible[..., None] != 0, points, self.xp.zeros_like(points))
        sigma = self.sigma * self.stride
        heat_maps_forward(self.xp, self._points, self._visible, self._y, self._x, sigma, self._bumps, top[0].data)
        if len(top) > 1:
            top[1].data[...] = self._visible.reshape(top[1].data.shape)

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            d_points = bottom[0].diff.reshape(self._shape)
            sigma = self.sigma * self.stride
            heat_maps_backward(self.xp, self._points, self._y, self._x, sigma, self._bumps, top[0].diff, d_points)
            d_points[..., 2:] = 0
        if len(bottom) > 1 and propagate_down[1]:
            arrays.fill(bottom[1].diff, 0)


class SoftArgmax(Layer):
    """The mean place of a map, weighted by its softmax: a smooth place of its largest value.

    top[n, k] = sum over pixels of softmax(maps[n, k] / temperature) (x, y)

    Bottom:
        [0] maps (N, K, H, W)
    Top:
        [0] points (N, K, 2), x and y
    Backward:
        With weights w: d_map = w ((x, y) - top) . d / temperature.
    Raises:
        ValueError for shapes that do not fit, and in place.
    References:
        Levine et al., "End-to-End Training of Deep Visuomotor Policies", 2016, arXiv:1504.00702 (spatial soft argmax);
        Sun et al., "Integral Human Pose Regression", 2018, arXiv:1711.08229. Caffe's ArgMax has no gradient.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(SoftArgmax, [[[[[0, 0, 50], [0, 0, 50]]]]]).forward()[0]
        array([[[2. , 0.5]]])
    """

    array_api = True

    temperature = Parameter(float, 1.0, above=0, doc="the maps are divided by it; towards 0 the place is the maximum's")
    stride = _STRIDE
    normalized = Parameter(
        bool, False, doc="true: x and y from -1, the centre of the first pixel, to 1, that of the last; no stride"
    )

    def setup(self, bottom, top):
        checks.tops(self, top, "points")

    def plan(self, maps):
        shape = tuple(maps.shape)
        if len(shape) != 4 or 0 in shape[2:]:
            raise checks.error(self, f"bottom[0] (maps) must have shape (N, K, H, W), got {shape}")
        y, x = _centres(self, maps, shape[2:])
        if self.normalized:
            y, x = (_from_end_to_end(maps, n) for n in shape[2:])
        self._weights = arrays.new(maps, (*shape[:2], shape[2] * shape[3]))
        self._places = arrays.new(maps, (shape[2], shape[3], 2))
        self._places[..., 0], self._places[..., 1] = x, y[:, None]
        self._places = self._places.reshape(-1, 2)
        return [(*shape[:2], 2)]

    def forward(self, bottom, top):
        maps = bottom[0].data.reshape(self._weights.shape)
        soft_argmax_forward(self.xp, maps, 1 / self.temperature, self._places, self._weights, top[0].data)

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            d_maps = bottom[0].diff.reshape(self._weights.shape)
            soft_argmax_backward(self.xp, self._weights, 1 / self.temperature, self._places, top[0].diff, d_maps)
