"""The softmax over a class axis, for any scores: its values, their logarithms, and what backward makes of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffe_pylayers._layer import arrays
from caffe_pylayers._layer.functions import fused
from caffe_pylayers._layer.functions.maxima import largest

__all__ = ["label_backward", "log_softmax", "softmax", "softmax_backward", "softmax_buffer", "targets_backward"]


def softmax(xp: Any, scores: Any, axis: int, out: Any) -> None:
    """Write p = exp(scores) / sum(exp(scores)) over the axis; out may be scores."""
    if xp is not np:
        xp.softmax(scores, axis, out=out)
        return
    np.exp(scores - largest(scores, axis), out=out)  # in place numpy 1.19 takes far longer
    out /= out.sum(axis=axis, keepdims=True)


def softmax_backward(xp: Any, p: Any, d_p: Any, axis: int, d_scores: Any = None, scratch: Any = None) -> Any:
    """Return the gradient of the scores from that of their softmax p: p (d_p - sum(p d_p)).

    d_scores: receives it, and may be d_p; default: new memory. scratch: receives anything; shaped like p.
    """
    found = fused.softmax_backward_by_kernel(xp, p, d_p, axis, d_scores)
    if found is not None:
        return found
    change = xp.multiply(p, d_p, out=scratch)
    d_scores = xp.subtract(d_p, change.sum(axis, keepdims=True), out=d_scores)
    d_scores *= p
    return d_scores


def softmax_buffer(scores: Any) -> Any:
    """Return the memory that log_softmax needs for these scores; None for tensors, whose library needs none."""
    return None if arrays.is_tensor(scores) else np.empty_like(scores)


def log_softmax(xp: Any, scores: Any, axis: int, out: Any, p: Any = None) -> None:
    """Write log p, the logarithm of the softmax over the axis; finite for all finite scores.

    p: of softmax_buffer; receives the softmax, which is at hand then.
    """
    if xp is not np:
        xp.log_softmax(scores, axis, out=out)
        return
    np.subtract(scores, largest(scores, axis), out=out)
    np.exp(out, out=p)
    total = p.sum(axis=axis, keepdims=True)
    out -= np.log(total)
    p /= total


def label_backward(xp: Any, log_p: Any, labels: Any, d_log_p: Any, axis: int, d_scores: Any, p: Any = None) -> None:
    """Write d_scores = d_log_p (1[label] - p), for a loss of the label's log-probability alone.

    labels: int64 indices with 1 on the axis.
    d_log_p: the loss's gradient with respect to that log-probability, shaped like labels, or one for all.
    p: exp(log_p), from a caller that has it.
    """
    if p is None:
        p = xp.exp(log_p, out=d_scores)
    d_labels = (1 - arrays.take_along(p, labels, axis)) * d_log_p
    xp.multiply(p, -d_log_p, out=d_scores)
    arrays.put_along(d_scores, labels, d_labels, axis)


def targets_backward(xp: Any, log_p: Any, targets: Any, scale: Any, axis: int, d_scores: Any) -> None:
    """Write d_scores = scale (p sum(targets) - targets), the gradient of -sum(targets log p).

    scale: with 1 on the axis, or one for all.
    """
    xp.exp(log_p, out=d_scores)
    d_scores *= targets.sum(axis=axis, keepdims=True)
    d_scores -= targets
    d_scores *= scale
