"""Activations of optical flow nets: what is negative, negative squares, and exponentials below the largest one.

layer {
  name: "occluded"  type: "Python"
  bottom: "score"  top: "occluded"
  python_param { module: "caffe_pylayers.flow_activations"  layer: "NegReLU" }
}
layer {
  name: "neg_square"  type: "Python"
  bottom: "distance"  top: "neg_square"
  python_param { module: "caffe_pylayers.flow_activations"  layer: "NegSquare" }
}
layer {
  name: "weights"  type: "Python"
  bottom: "neg_square"  top: "weights"
  python_param { module: "caffe_pylayers.flow_activations"  layer: "ExpMax" }
}
"""

from __future__ import annotations

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Layer, Parameter
from caffe_pylayers._layer.bases.elementwise import Elementwise
from caffe_pylayers._layer.functions.fused import one_pass

__all__ = [
    "ExpMax",
    "NegReLU",
    "NegSquare",
    "exp_max_backward",
    "exp_max_forward",
    "neg_relu_backward",
    "neg_relu_forward",
    "neg_square_backward",
    "neg_square_forward",
]


@one_pass
def neg_relu_forward(xp, x, negative_slope=0.0):
    """Return min(x, 0) + negative_slope max(x, 0)."""
    y = x.clip(None, 0)
    return y + x.clip(0, None) * negative_slope if negative_slope else y


@one_pass
def neg_relu_backward(xp, x, d_y, negative_slope=0.0):
    """Return d_x of neg_relu_forward: d_y where x < 0, else negative_slope d_y."""
    d_x = d_y * (x < 0)
    return d_x + d_y * (x >= 0) * negative_slope if negative_slope else d_x


@one_pass
def neg_square_forward(xp, x):
    """Return -x**2."""
    return x * x * -1


@one_pass
def neg_square_backward(xp, x, d_y):
    """Return d_x of neg_square_forward: -2 x d_y."""
    return x * -2 * d_y


def exp_max_forward(xp, x, scale=1.0, shift=0.0):
    """Return exp(scale (x - max) + shift), the maximum over the channels."""
    return xp.exp((x - xp.amax(x, 1)[:, None]) * scale + shift)


def exp_max_backward(xp, x, y, d_y, scale=1.0, legacy=False):
    """Return d_x of exp_max_forward for its result y; legacy: as if the maximum were a constant."""
    d_x = y * d_y * scale
    if legacy:
        return d_x
    ties = arrays.astype(x == xp.amax(x, 1)[:, None], x)
    return d_x - ties / ties.sum(1)[:, None] * d_x.sum(1)[:, None]


class NegReLU(Elementwise):
    """What of x is negative: the mirror image of a ReLU.

    y = min(x, 0) + negative_slope max(x, 0).

    Bottom:
        [0] x, any shape
    Top:
        [0] y, the shape of x; may be the bottom, in place
    Backward:
        d_x = d_y where x < 0, else negative_slope d_y.
    Raises:
        ValueError for a parameter out of range.
    References:
        NegReLU of lmb-freiburg/flownet2, with the negative_slope of its relu_param.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(NegReLU, [[-2.0, 0, 2]]).forward()[0]
        array([-2.,  0.,  0.])
    """

    formulas = neg_relu_forward, neg_relu_backward

    negative_slope = Parameter(float, 0.0, doc="of positive values, named as the field that it stands for")


class NegSquare(Elementwise):
    """The negative square of each value, the exponent of a Gaussian.

    y = -x**2.

    Bottom:
        [0] x, any shape
    Top:
        [0] y, the shape of x; may be the bottom, in place
    Backward:
        d_x = -2 x d_y.
    Raises:
        Nothing of its own.
    References:
        NegSquare of twhui/LiteFlowNet, whose own gradient is not that: it multiplies what its diff held before.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(NegSquare, [[-2.0, 1, 3]]).forward()[0]
        array([-4., -1., -9.])
    """

    formulas = neg_square_forward, neg_square_backward


class ExpMax(Layer):
    """Exponentials of what the channels have below their maximum: a softmax before its division.

    top = exp(scale (x - max over the channels of x) + shift)

    Bottom:
        [0] x (N, C, ...)
    Top:
        [0] the shape of x
    Backward:
        d_x = scale top d, less their sum over the channels at the maximum, in equal shares where several are it.
    Raises:
        ValueError for a bottom without channels, and in place.
    References:
        ExpMax of twhui/LiteFlowNet with base -1 or e; another base multiplies scale and shift by its logarithm. Its
        gradient takes the maximum for a constant, with legacy_gradient here too: below a division by the sum, as
        LiteFlowNet has it, both give the same.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(ExpMax, [[[1, 2]]]).forward()[0].round(4)
        array([[0.3679, 1.    ]])
    """

    array_api = True

    scale = Parameter(float, 1.0, doc="of the differences")
    shift = Parameter(float, 0.0, doc="of the exponents")
    legacy_gradient = Parameter(bool, False, doc="the maximum is a constant, as in LiteFlowNet")

    def setup(self, bottom, top):
        checks.tops(self, top, "y")

    def plan(self, x):
        if len(x.shape) < 2 or not x.shape[1]:
            raise checks.error(self, f"bottom[0] (x) must have the shape (N, C, ...), got {tuple(x.shape)}")
        return [tuple(x.shape)]

    def forward(self, bottom, top):
        top[0].data[...] = exp_max_forward(self.xp, bottom[0].data, self.scale, self.shift)

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            x, y, d_y = bottom[0].data, top[0].data, top[0].diff
            bottom[0].diff[...] = exp_max_backward(self.xp, x, y, d_y, self.scale, self.legacy_gradient)
