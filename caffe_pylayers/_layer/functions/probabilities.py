"""Probabilities from scores and the way back, for losses that take either of them."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.functions.sigmoid import sigmoid
from caffe_pylayers._layer.functions.softmax import softmax, softmax_backward

ACTIVATIONS = ("none", "sigmoid", "softmax")

_ONE = 1 + 1e-6  # a softmax in float32 has values that are rounded to more than 1


def check_probabilities(layer: Any, what: str, values: Any, where: Any = None) -> None:
    """Raise for the first value outside [0, 1]; one that is NaN goes on to the loss.

    what: how to name the values: "bottom[0] (predictions)".
    where: booleans that broadcast to the values, False for those that count for nothing.
    """
    numbers = values == values  # noqa: PLR0124 - False for NaN only
    checks.numbers(layer, what, values, numbers if where is None else numbers & where, 0, _ONE)


def probabilities_forward(xp: Any, scores: Any, activation: str, probabilities: Any) -> None:
    """Write the sigmoid of scores (N, C, ...), or their softmax over axis 1."""
    if activation == "sigmoid":
        sigmoid(xp, scores, probabilities)
    else:
        softmax(xp, scores, 1, probabilities)


def probabilities_backward(xp: Any, probabilities: Any, activation: str, d: Any, scratch: Any) -> None:
    """Turn d, the gradient of the probabilities, into that of the scores, in place.

    scratch: receives anything; shaped like d.
    """
    if activation == "softmax":
        softmax_backward(xp, probabilities, d, 1, d, scratch)
        return
    xp.multiply(probabilities, probabilities, out=scratch)
    xp.subtract(probabilities, scratch, out=scratch)
    d *= scratch
