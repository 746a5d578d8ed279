"""The sigmoid, the softplus and the sigmoid's cross entropy, for scores of any size."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffe_pylayers._layer.functions.maxima import positive_part

__all__ = [
    "sigmoid",
    "sigmoid_and_softplus",
    "sigmoid_cross_entropy_backward",
    "sigmoid_cross_entropy_forward",
    "softplus",
]


def sigmoid(xp: Any, scores: Any, out: Any = None) -> Any:
    """Return 1 / (1 + exp(-scores)), small values with all their digits.

    out: receives it; default: new memory.
    """
    if xp is not np:
        return xp.sigmoid(scores, out=out)
    with np.errstate(over="ignore"):  # infinity gives the 0 that it should
        out = np.exp(-scores, out=out)  # in place it takes numpy 1.19 fifteen times as long, and so does log
    out += 1
    return np.divide(1, out, out=out)


def softplus(xp: Any, scores: Any) -> Any:
    """Return log(1 + exp(scores)) in new memory."""
    if xp is not np:
        return xp.nn.functional.softplus(scores, 1, 50)  # above 50 it is scores, to the last digit
    out = _log_one_plus(np.exp(-np.abs(scores)))
    out += positive_part(scores)
    return out


def sigmoid_and_softplus(xp: Any, scores: Any) -> tuple[Any, Any]:
    """Return both, which for arrays of numpy share their exponential."""
    if xp is not np:
        return xp.sigmoid(scores), softplus(xp, scores)
    small = np.exp(-np.abs(scores))
    total = _log_one_plus(small)
    total += positive_part(scores)
    p = 1 - small
    p *= scores >= 0
    p += small  # 1 for scores from 0 on, small for others
    small += 1
    p /= small
    return p, total


def _log_one_plus(small: Any) -> Any:
    """Return log(1 + small) for values in [0, 1], with all their digits: in a fifth of np.log1p's time."""
    whole = small + 1
    excess = whole - 1
    excess -= small  # what rounding has added to the sum
    excess /= whole
    return np.log(whole) - excess


def sigmoid_cross_entropy_forward(xp: Any, scores: Any, targets: Any, pos_weight: Any = None) -> Any:
    """Return -(pos_weight t log p + (1 - t) log(1 - p)) for each score, with p = sigmoid(scores).

    pos_weight: broadcasts to the scores; None for 1.
    """
    if pos_weight is None:
        loss = softplus(xp, scores)
        loss -= scores * targets
        return loss
    loss = softplus(xp, -scores)  # -log p; and -log(1 - p) is s more
    loss *= 1 + (pos_weight - 1) * targets
    loss += scores * (1 - targets)
    return loss


def sigmoid_cross_entropy_backward(
    xp: Any, scores: Any, targets: Any, scale: Any, d_scores: Any, pos_weight: Any = None
) -> None:
    """Write the scores' gradient, times scale: p (1 + (pos_weight - 1) t) - pos_weight t."""
    sigmoid(xp, scores, d_scores)
    if pos_weight is None:
        d_scores -= targets
    else:
        d_scores *= 1 + (pos_weight - 1) * targets
        d_scores -= pos_weight * targets
    d_scores *= scale
