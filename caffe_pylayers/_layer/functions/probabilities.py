"""Probabilities from scores and the way back, for losses that take either of them."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._layer.functions.sigmoid import sigmoid
from caffe_pylayers._layer.functions.softmax import softmax, softmax_backward

ACTIVATIONS = ("none", "sigmoid", "softmax")


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
