"""The sigmoid and its cross entropy, for scores of any size."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["sigmoid", "sigmoid_cross_entropy_backward", "sigmoid_cross_entropy_forward", "softplus"]


def sigmoid(xp: Any, scores: Any, out: Any) -> None:
    """Write 1 / (1 + exp(-scores)), small values with all their digits."""
    if xp is not np:
        xp.sigmoid(scores, out=out)
        return
    with np.errstate(over="ignore"):  # infinity gives the 0 that it should
        np.exp(-scores, out=out)  # in place it takes numpy 1.19 fifteen times as long
    out += 1
    np.divide(1, out, out=out)


def softplus(xp: Any, scores: Any) -> Any:
    """Return log(1 + exp(scores)) as a new array."""
    if xp is not np:
        return xp.nn.functional.softplus(scores, 1, 50)  # above 50 it is scores, to the last digit
    out = np.exp(-np.abs(scores))
    np.log1p(out, out=out)
    out += np.maximum(scores, 0)
    return out


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
