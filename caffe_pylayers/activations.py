"""Activations that Caffe 1.0 lacks; each works in place too.

layer {
  name: "gelu1"  type: "Python"
  bottom: "conv1"  top: "gelu1"
  python_param { module: "caffe_pylayers.activations"  layer: "GELU" }
}
layer {
  name: "relu1"  type: "Python"
  bottom: "conv1"  top: "conv1"
  python_param { module: "caffe_pylayers.activations"  layer: "ReLU6" }
}
"""

from __future__ import annotations

from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.bases.elementwise import Elementwise
from caffe_pylayers._layer.functions.fused import one_pass
from caffe_pylayers._layer.functions.gelu import gelu_backward, gelu_forward, gelu_tanh_backward, gelu_tanh_forward
from caffe_pylayers._layer.functions.sigmoid import sigmoid, softplus

__all__ = [
    "GELU",
    "SELU",
    "HardSigmoid",
    "HardSwish",
    "Mish",
    "ReLU6",
    "Softplus",
    "Swish",
    "gelu_backward",
    "gelu_forward",
    "gelu_tanh_backward",
    "gelu_tanh_forward",
    "hard_sigmoid_backward",
    "hard_sigmoid_forward",
    "hard_swish_backward",
    "hard_swish_forward",
    "mish_backward",
    "mish_forward",
    "relu6_backward",
    "relu6_forward",
    "selu_backward",
    "selu_forward",
    "softplus_backward",
    "softplus_forward",
    "swish_backward",
    "swish_forward",
]

# With them the outputs of normal inputs have the mean 0 and the variance 1 too.
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805


@one_pass
def relu6_forward(xp, x, negative_slope=0.0, threshold=6.0):
    """Return min(max(x, 0), threshold) + negative_slope min(x, 0)."""
    y = x.clip(0, threshold)
    return y + x.clip(None, 0) * negative_slope if negative_slope else y


@one_pass
def relu6_backward(xp, x, d_y, negative_slope=0.0, threshold=6.0):
    """Return d_x of relu6_forward: d_y where 0 < x < threshold, 0 from there on, else negative_slope d_y."""
    d_x = d_y * ((x > 0) & (x < threshold))
    return d_x + d_y * (x <= 0) * negative_slope if negative_slope else d_x


@one_pass
def swish_forward(xp, x, beta=1.0):
    """Return x sigmoid(beta x)."""
    return sigmoid(xp, x * beta) * x


@one_pass
def swish_backward(xp, x, d_y, beta=1.0):
    """Return d_x of swish_forward: d_y (s + beta x s (1 - s)), s = sigmoid(beta x)."""
    s = sigmoid(xp, x * beta)
    return d_y * (s + x * beta * s * sigmoid(xp, x * -beta))


@one_pass
def mish_forward(xp, x):
    """Return x tanh(log(1 + exp(x))), with n = exp(x) (exp(x) + 2) that is x n / (n + 2)."""
    n = _mish_quotient(xp, x)
    return n / (n + 2) * x


@one_pass
def mish_backward(xp, x, d_y):
    """Return d_x of mish_forward: d_y (t + x (1 - t**2) sigmoid(x)), t = tanh(log(1 + exp(x))) = n / (n + 2)."""
    n = _mish_quotient(xp, x)
    t = n / (n + 2)
    return d_y * (t + x * 2 / (n + 2) * (1 + t) * sigmoid(xp, x))


def _mish_quotient(xp, x):
    """Return n = exp(x) (exp(x) + 2): from 30 on it stays, as n / (n + 2) is 1 then."""
    e = xp.exp(x.clip(None, 30))
    return e * (e + 2)


@one_pass
def hard_sigmoid_forward(xp, x, alpha=1 / 6, beta=0.5):
    """Return alpha x + beta, cut to [0, 1]."""
    return (x * alpha + beta).clip(0, 1)


@one_pass
def hard_sigmoid_backward(xp, x, d_y, alpha=1 / 6, beta=0.5):
    """Return d_x of hard_sigmoid_forward: alpha d_y where it is between 0 and 1, else 0."""
    y = x * alpha + beta
    return d_y * ((y > 0) & (y < 1)) * alpha


@one_pass
def hard_swish_forward(xp, x):
    """Return x min(max(x + 3, 0), 6) / 6."""
    return (x + 3).clip(0, 6) * x / 6


@one_pass
def hard_swish_backward(xp, x, d_y):
    """Return d_x of hard_swish_forward: 0 to -3, d_y (x / 3 + 1 / 2) between -3 and 3, d_y from 3 on."""
    return xp.where(x <= -3, xp.zeros_like(d_y), xp.where(x < 3, d_y * (x / 3 + 0.5), d_y))


@one_pass
def selu_forward(xp, x, alpha=SELU_ALPHA, scale=SELU_SCALE):
    """Return scale x where x > 0, else scale alpha (exp(x) - 1)."""
    return (x.clip(0, None) + xp.expm1(x.clip(None, 0)) * alpha) * scale


@one_pass
def selu_backward(xp, x, d_y, alpha=SELU_ALPHA, scale=SELU_SCALE):
    """Return d_x of selu_forward: scale d_y where x > 0, else scale alpha exp(x) d_y."""
    return xp.where(x > 0, d_y, xp.exp(x.clip(None, 0)) * d_y * alpha) * scale


@one_pass
def softplus_forward(xp, x, beta=1.0):
    """Return log(1 + exp(beta x)) / beta."""
    return softplus(xp, x * beta) / beta


@one_pass
def softplus_backward(xp, x, d_y, beta=1.0):
    """Return d_x of softplus_forward: d_y sigmoid(beta x)."""
    return d_y * sigmoid(xp, x * beta)


class ReLU6(Elementwise):
    """Rectified linear units cut at 6, of MobileNet.

    y = min(max(x, 0), t) + negative_slope min(x, 0), t: threshold.

    Bottom:
        [0] x, any shape
    Top:
        [0] y, the shape of x; may be the bottom, in place
    Backward:
        d_x = d_y where 0 < x < t, 0 from t on, negative_slope d_y elsewhere.
    Raises:
        ValueError for a parameter out of range.
    References:
        Krizhevsky, "Convolutional Deep Belief Networks on CIFAR-10", 2010. ReLU6 of Caffe's forks, with its relu6_param
        { negative_slope threshold }; Clip { min: 0 max: 6 } of Caffe after 1.0; torch.nn.functional.relu6.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(ReLU6, [[-1.0, 2, 7]])
        >>> run.forward()[0].round(4)
        array([0., 2., 6.])
        >>> run.backward([[1, 1, 1]])[0].round(4)
        array([0., 1., 0.])
    """

    formulas = relu6_forward, relu6_backward

    negative_slope = Parameter(float, 0.0, doc="the slope below 0")
    threshold = Parameter(float, 6.0, above=0, doc="t, the most that comes out")


class Swish(Elementwise):
    """x times its sigmoid: smooth, and a little below 0 for negative values.

    y = x sigmoid(beta x). With beta 1 it is also called SiLU.

    Bottom:
        [0] x, any shape
    Top:
        [0] y, the shape of x; may be the bottom, in place
    Backward:
        d_x = d_y (s + beta x s (1 - s)), s = sigmoid(beta x).
    Raises:
        ValueError for a parameter out of range.
    References:
        Ramachandran et al., "Searching for Activation Functions", 2017, arXiv:1710.05941; Elfwing et al., 2017,
        arXiv:1702.03118. Swish { beta } of Caffe after 1.0; torch.nn.functional.silu.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(Swish, [[-1.0, 0, 2]])
        >>> run.forward()[0].round(4)
        array([-0.2689,  0.    ,  1.7616])
        >>> run.backward([[1, 1, 1]])[0].round(4)
        array([0.0723, 0.5   , 1.0908])
    """

    formulas = swish_forward, swish_backward

    beta = Parameter(float, 1.0, doc="of the sigmoid; 0: x / 2")


class Mish(Elementwise):
    """x times the hyperbolic tangent of its softplus, of YOLOv4.

    y = x tanh(log(1 + exp(x))).

    Bottom:
        [0] x, any shape
    Top:
        [0] y, the shape of x; may be the bottom, in place
    Backward:
        d_x = d_y (t + x (1 - t**2) sigmoid(x)), t = tanh(log(1 + exp(x))).
    Raises:
        Nothing of its own.
    References:
        Misra, "Mish: A Self Regularized Non-Monotonic Activation Function", 2019, arXiv:1908.08681. Mish of Caffe's
        YOLO forks; torch.nn.functional.mish.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(Mish, [[-1.0, 0, 2]])
        >>> run.forward()[0].round(4)
        array([-0.3034,  0.    ,  1.944 ])
        >>> run.backward([[1, 1, 1]])[0].round(4)
        array([0.0592, 0.6   , 1.0693])
    """

    formulas = mish_forward, mish_backward


class HardSigmoid(Elementwise):
    """A sigmoid of straight lines, as MobileNetV3's squeeze-and-excitation has it.

    y = min(max(alpha x + beta, 0), 1).

    Bottom:
        [0] x, any shape
    Top:
        [0] y, the shape of x; may be the bottom, in place
    Backward:
        d_x = alpha d_y where 0 < y < 1, else 0.
    Raises:
        ValueError for a parameter out of range.
    References:
        Howard et al., "Searching for MobileNetV3", 2019, arXiv:1905.02244; ONNX's HardSigmoid, and Keras's of old, have
        alpha 0.2. torch.nn.functional.hardsigmoid.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(HardSigmoid, [[-1.0, 0, 4]])
        >>> run.forward()[0].round(4)
        array([0.3333, 0.5   , 1.    ])
        >>> run.backward([[1, 1, 1]])[0].round(4)
        array([0.1667, 0.1667, 0.    ])
    """

    formulas = hard_sigmoid_forward, hard_sigmoid_backward

    alpha = Parameter(float, 1 / 6, above=0, doc="the slope")
    beta = Parameter(float, 0.5, doc="the value at 0")


class HardSwish(Elementwise):
    """A swish of a parabola and lines, of MobileNetV3.

    y = x min(max(x + 3, 0), 6) / 6.

    Bottom:
        [0] x, any shape
    Top:
        [0] y, the shape of x; may be the bottom, in place
    Backward:
        d_x = d_y (x / 3 + 1 / 2) where -3 < x < 3, d_y from 3 on, 0 to -3.
    Raises:
        Nothing of its own.
    References:
        Howard et al., "Searching for MobileNetV3", 2019, arXiv:1905.02244; torch.nn.functional.hardswish.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(HardSwish, [[-1.0, 0, 4]])
        >>> run.forward()[0].round(4)
        array([-0.3333,  0.    ,  4.    ])
        >>> run.backward([[1, 1, 1]])[0].round(4)
        array([0.1667, 0.5   , 1.    ])
    """

    formulas = hard_swish_forward, hard_swish_backward


class SELU(Elementwise):
    """An exponential unit that keeps mean 0 and variance 1 from layer to layer, without a normalization.

    y = scale x where x > 0, else scale alpha (exp(x) - 1).

    Bottom:
        [0] x, any shape
    Top:
        [0] y, the shape of x; may be the bottom, in place
    Backward:
        d_x = scale d_y where x > 0, else scale alpha exp(x) d_y.
    Raises:
        ValueError for a parameter out of range.
    References:
        Klambauer et al., "Self-Normalizing Neural Networks", 2017, arXiv:1706.02515. SeLu of Caffe's forks;
        torch.nn.functional.selu. With scale 1 it is Caffe's ELU. Behind it comes noise.AlphaDropout.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(SELU, [[-1.0, 0, 2]])
        >>> run.forward()[0].round(4)
        array([-1.1113,  0.    ,  2.1014])
        >>> run.backward([[1, 1, 1]])[0].round(4)
        array([0.6468, 1.7581, 1.0507])
    """

    formulas = selu_forward, selu_backward

    alpha = Parameter(float, SELU_ALPHA, low=0, doc="y falls to -scale alpha")
    scale = Parameter(float, SELU_SCALE, above=0, doc="the slope above 0")


class GELU(Elementwise):
    """x times the probability that a normal variable is below it, of transformers.

    y = x (1 + erf(x / sqrt(2))) / 2, or with approximate tanh
    y = x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x**3))) / 2.

    Bottom:
        [0] x, any shape
    Top:
        [0] y, the shape of x; may be the bottom, in place
    Backward:
        d_x = d_y (Phi(x) + x exp(-x**2 / 2) / sqrt(2 pi)), or the derivative of the approximation.
    Raises:
        ValueError for a parameter out of range.
    References:
        Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016, arXiv:1606.08415; torch.nn.functional.gelu, whose
        parameter approximate this is.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(GELU, [[-1.0, 0, 2]])
        >>> run.forward()[0].round(4)
        array([-0.1587,  0.    ,  1.9545])
        >>> run.backward([[1, 1, 1]])[0].round(4)
        array([-0.0833,  0.5   ,  1.0852])
    """

    formulas = gelu_forward, gelu_backward

    approximate = Parameter(str, "none", choices=("none", "tanh"), doc="tanh: the approximation of BERT and GPT-2")

    def setup(self, bottom, top):
        super().setup(bottom, top)
        if self.approximate == "tanh":
            self.formulas = gelu_tanh_forward, gelu_tanh_backward


class Softplus(Elementwise):
    """A smooth rectifier, for values that must be positive, such as variances.

    y = log(1 + exp(beta x)) / beta, without overflow and without a threshold.

    Bottom:
        [0] x, any shape
    Top:
        [0] y, the shape of x; may be the bottom, in place
    Backward:
        d_x = d_y sigmoid(beta x).
    Raises:
        ValueError for a parameter out of range.
    References:
        Dugas et al., "Incorporating Second-Order Functional Knowledge for Better Option Pricing", 2000.
        torch.nn.functional.softplus, which is linear above its threshold; BNLL of Caffe is beta 1.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(Softplus, [[-1.0, 0, 2]])
        >>> run.forward()[0].round(4)
        array([0.3133, 0.6931, 2.1269])
        >>> run.backward([[1, 1, 1]])[0].round(4)
        array([0.2689, 0.5   , 0.8808])
    """

    formulas = softplus_forward, softplus_backward

    beta = Parameter(float, 1.0, above=0, doc="how sharp the bend is")
