"""Embeddings, before a loss or a search compares them.

layer {
  name: "norm"  type: "Python"  bottom: "ip2"  top: "embedding"
  python_param { module: "caffe_pylayers.embeddings"  layer: "L2Normalize" }
}
layer {
  name: "face"  type: "Python"  bottom: "fc5"  top: "face"  top: "length"
  python_param { module: "caffe_pylayers.embeddings"  layer: "LpNormalize"  param_str: "{p: 2}" }
}
layer {
  name: "again"  type: "Python"  bottom: "face"  bottom: "length"  top: "again"
  python_param { module: "caffe_pylayers.embeddings"  layer: "ChannelScale" }
}
"""

from __future__ import annotations

import math

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Layer, Parameter
from caffe_pylayers._layer.bases.kept_input import KeptInput
from caffe_pylayers._layer.embeddings.cosines import unit_vectors, unit_vectors_backward

__all__ = [
    "ChannelScale",
    "L2Normalize",
    "LpNormalize",
    "lp_normalize_backward",
    "lp_normalize_forward",
    "unit_vectors",
    "unit_vectors_backward",
]


def lp_normalize_forward(xp, x, p, eps, y):
    """Write y = x / n for x (N, C, M), and return n (N, 1, M): sqrt(sum(x**2) + eps) for p 2, sum(|x|) + eps for 1."""
    if p == 2:
        lengths = xp.sqrt(xp.multiply(x, x, out=y).sum(1, keepdims=True) + eps)
    else:
        lengths = xp.abs(x, out=y).sum(1, keepdims=True) + eps
    xp.divide(x, lengths, out=y)
    return lengths


def lp_normalize_backward(xp, x, p, lengths, d_y, d_x, d_lengths=None, divided=True):
    """Write d_x = (d_y - g sum(d_y x / n)) / n + g d_n, with g = dn/dx: x / n for p 2, sign(x) for 1.

    d_x: may be d_y. divided: False leaves the division of the bracket by n out.
    """
    along = (d_y * x).sum(1, keepdims=True) / lengths
    slope = x / lengths if p == 2 else xp.sign(x)
    xp.subtract(d_y, slope * along, out=d_x)
    if divided:
        d_x /= lengths
    if d_lengths is not None:
        d_x += slope * d_lengths


class L2Normalize(KeptInput):
    """Vectors scaled to the length 1.

    y = x / |x|, with |x| = sqrt(sum(x**2)) over the axis; 0 where |x| < eps.

    Bottom:
        [0] x, any shape that has the axis
    Top:
        [0] y, the shape of x; may be the bottom itself (in place)
    Backward:
        d_x = (d_y - y sum(y d_y)) / |x|; 0 where |x| < eps: a vector of zeros has no direction, and no gradient.
    Raises:
        ValueError for an axis that x does not have.
    References:
        torch.nn.functional.normalize, which divides shorter vectors by eps, and gives them a gradient of d_y / eps.
        Published as L2NormLayer and Norm2Layer: x / |x|, without the eps. The Normalize layer of NormFace is this,
        with an eps in the root; that of SSD, which learns a scale, is ssd.Normalize.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(L2Normalize, [[[3, 4], [0, 0]]])
        >>> run.forward()[0]
        array([[0.6, 0.8],
               [0. , 0. ]])
    """

    array_api = True
    in_place = True

    axis = Parameter(int, 1, doc="the axis along which the vectors lie; negative counts from the end")
    across_spatial = Parameter(bool, False, doc="all axes from `axis` on make one vector, as in SSD's Normalize")
    eps = Parameter(float, 1e-12, above=0, doc="least length of a vector that has a direction")

    def setup(self, bottom, top):
        checks.tops(self, top, "y")

    def plan(self, x):
        axis = checks.axis(self, self.axis, len(x.shape), f"bottom[0] (x) of shape {tuple(x.shape)}")
        end = len(x.shape) if self.across_spatial else axis + 1
        self._shape = math.prod(x.shape[:axis]), math.prod(x.shape[axis:end]), math.prod(x.shape[end:])
        return [x.shape]

    def forward(self, bottom, top):
        x, y = self.keep_input(bottom, top).reshape(self._shape), top[0].data.reshape(self._shape)
        _, self._lengths = unit_vectors(self.xp, x, 1, self.eps, y)

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            x = self.input(bottom).reshape(self._shape)
            d_y, d_x = top[0].diff.reshape(self._shape), bottom[0].diff.reshape(self._shape)
            unit_vectors_backward(self.xp, x, self._lengths, d_y, 1, self.eps, d_x)


class LpNormalize(KeptInput):
    """Vectors divided by their length plus a little, and that length: NormFace's way to take directions of faces.

    y = x / n, n = sqrt(sum(x**2) + eps) with p 2, sum(|x|) + eps with p 1, over the channels of a position

    Bottom:
        [0] x (N, C, ...)
    Top:
        [0] y, the shape of x; may be the bottom, in place
        [1] optional: n (N, 1, ...)
    Backward:
        d_x = (d_y - g sum(d_y y)) / n + g d_n, with g = y for p 2, sign(x) for p 1; without bp_norm d_n counts as 0.
    Raises:
        ValueError for a bottom without channels.
    References:
        Wang et al., "NormFace: L2 Hypersphere Embedding for Face Verification", 2017, arXiv:1704.06369. Normalize of
        caffe-windows, with its normalize_param: L1 and L2 are p there, and bp_norm is false by default. L2Normalize
        has no eps in the root, and ssd.Normalize a learned scale.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(LpNormalize, [[[3.0, -4]]], tops=2).forward()
        [array([[ 0.6, -0.8]]), array([[5.]])]
    """

    array_api = True
    in_place = True

    p = Parameter(int, 2, low=1, high=2, doc="1: the sum of sizes; 2: the Euclidean length")
    eps = Parameter(float, 1e-12, above=0, doc="added to the sum")
    bp_norm = Parameter(bool, True, doc="the gradient of n goes on to x")
    fix_gradient = Parameter(bool, False, doc="leave out the division by n, as an option of caffe-windows does")

    def setup(self, bottom, top):
        checks.tops(self, top, "y", "n", optional=1)

    def plan(self, x):
        shape = tuple(x.shape)
        if len(shape) < 2:
            raise checks.error(self, f"bottom[0] must have the shape (N, C, ...), got {shape}")
        self._view = *shape[:2], math.prod(shape[2:])
        return [shape, (shape[0], 1, *shape[2:])]

    def forward(self, bottom, top):
        x, y = self.keep_input(bottom, top).reshape(self._view), top[0].data.reshape(self._view)
        self._lengths = lp_normalize_forward(self.xp, x, self.p, self.eps, y)
        if len(top) > 1:
            top[1].data[...] = self._lengths.reshape(top[1].data.shape)

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            x, d_y, d_x = (a.reshape(self._view) for a in (self.input(bottom), top[0].diff, bottom[0].diff))
            both = len(top) > 1 and self.bp_norm
            d_lengths = top[1].diff.reshape(self._lengths.shape) if both else None
            divided = not self.fix_gradient
            lp_normalize_backward(self.xp, x, self.p, self._lengths, d_y, d_x, d_lengths, divided)


class ChannelScale(Layer):
    """The channels of each position times a factor of it.

    y[n, c, ...] = s[n, ...] x[n, c, ...]

    Bottom:
        [0] x (N, C, ...)
        [1] s, one value for each position of each sample: (N, 1, ...), (N, ...), or (N,) for vectors
    Top:
        [0] y, the shape of x
    Backward:
        d_x = s d, d_s = the sum of x d over the channels. Without do_backward_feature d_x = d, without
        do_backward_scale d_s = 0.
    Raises:
        ValueError for shapes that do not fit, and in place.
    References:
        ChannelScale of caffe-windows without global_scale, which gives what LpNormalize made of length 1 its length
        back. Axpy has a factor for each channel; Caffe's Scale with two bottoms one for each place along neighbouring
        axes.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(ChannelScale, [[[0.6, 0.8], [1, 0]], [5, 2]]).forward()[0]
        array([[3., 4.],
               [2., 0.]])
    """

    array_api = True

    do_forward = Parameter(bool, True, doc="false: y = x")
    do_backward_feature = Parameter(bool, True, doc="false: the gradient of x is that of y")
    do_backward_scale = Parameter(bool, True, doc="false: s gets no gradient")

    def setup(self, bottom, top):
        checks.tops(self, top, "y")

    def plan(self, x, s):
        shape = tuple(x.shape)
        if len(shape) < 2 or math.prod(s.shape) != shape[0] * math.prod(shape[2:]) or s.shape[:1] != shape[:1]:
            raise checks.error(
                self, f"needs x (N, C, ...), and a factor for each position, got {shape} and {tuple(s.shape)}"
            )
        self._view, self._factors = (*shape[:2], math.prod(shape[2:])), (shape[0], 1, math.prod(shape[2:]))
        return [shape]

    def forward(self, bottom, top):
        x, y = bottom[0].data.reshape(self._view), top[0].data.reshape(self._view)
        if self.do_forward:
            self.xp.multiply(x, bottom[1].data.reshape(self._factors), out=y)
        else:
            y[...] = x

    def backward(self, top, propagate_down, bottom):
        d_y = top[0].diff.reshape(self._view)
        if propagate_down[0]:
            factors = bottom[1].data.reshape(self._factors) if self.do_backward_feature else 1
            bottom[0].diff.reshape(self._view)[...] = d_y * factors
        if propagate_down[1]:
            arrays.fill(bottom[1].diff, 0)
            if self.do_backward_scale:
                products = bottom[0].data.reshape(self._view) * d_y
                bottom[1].diff.reshape(self._factors)[...] = products.sum(1, keepdims=True)
