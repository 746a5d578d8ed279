"""Probabilities from scores and the way back, for losses that take either of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffe_pylayers._layer.functions.sigmoid import sigmoid

ACTIVATIONS = ("none", "sigmoid", "softmax")


def probabilities_forward(xp: Any, scores: Any, activation: str, probabilities: Any) -> None:
    """Write the probabilities of scores (N, C, ...), whatever the scores' size.

    sigmoid: 1 / (1 + exp(-x));  softmax: exp(x_c) / sum_k exp(x_k), over axis 1
    """
    if activation == "sigmoid":
        sigmoid(xp, scores, probabilities)
    elif xp is not np:
        xp.softmax(scores, 1, out=probabilities)
    else:
        np.exp(scores - scores.max(1, keepdims=True), out=probabilities)  # in place numpy 1.19 takes far longer
        probabilities /= probabilities.sum(1, keepdims=True)


def probabilities_backward(xp: Any, probabilities: Any, activation: str, d: Any, scratch: Any) -> None:
    """Turn d, the gradient of the probabilities, into that of the scores, in place.

    scratch: receives anything; shaped like d.
    """
    if activation == "sigmoid":
        xp.multiply(probabilities, probabilities, out=scratch)
        xp.subtract(probabilities, scratch, out=scratch)
        d *= scratch
    else:
        xp.multiply(d, probabilities, out=scratch)
        d -= scratch.sum(1)[:, None]
        d *= probabilities
