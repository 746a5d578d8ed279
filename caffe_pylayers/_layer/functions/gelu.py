"""The Gaussian error linear unit, exact and by a hyperbolic tangent."""

from __future__ import annotations

import math
from typing import Any

from caffe_pylayers._layer.functions.erf import erf
from caffe_pylayers._layer.functions.fused import one_pass
from caffe_pylayers._layer.functions.sigmoid import sigmoid

__all__ = ["gelu_backward", "gelu_forward", "gelu_tanh_backward", "gelu_tanh_forward"]


@one_pass
def gelu_forward(xp: Any, x: Any) -> Any:
    """Return x Phi(x), with the normal distribution Phi(x) = (1 + erf(x / sqrt(2))) / 2."""
    return (erf(x * math.sqrt(0.5)) + 1) * x / 2


@one_pass
def gelu_backward(xp: Any, x: Any, d_y: Any) -> Any:
    """Return d_x of gelu_forward: d_y (Phi(x) + x exp(-x**2 / 2) / sqrt(2 pi))."""
    density = xp.exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi))
    return d_y * ((erf(x * math.sqrt(0.5)) + 1) / 2 + x * density)


@one_pass
def gelu_tanh_forward(xp: Any, x: Any) -> Any:
    """Return x (1 + tanh(u)) / 2 = x sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x**3)."""
    return sigmoid(xp, _gelu_tanh_exponent(x)) * x


@one_pass
def gelu_tanh_backward(xp: Any, x: Any, d_y: Any) -> Any:
    """Return d_x of gelu_tanh_forward: d_y (s + x s (1 - s) 2 u'), s = sigmoid(2 u)."""
    s = sigmoid(xp, _gelu_tanh_exponent(x))
    d_u = (x * x * (3 * 0.044715) + 1) * (2 * math.sqrt(2 / math.pi))
    return d_y * (s + x * d_u * s * (1 - s))


def _gelu_tanh_exponent(x: Any) -> Any:
    return (x * x * 0.044715 + 1) * x * (2 * math.sqrt(2 / math.pi))
