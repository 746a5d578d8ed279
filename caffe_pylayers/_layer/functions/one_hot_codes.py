"""One-hot codes of class labels, and where they lie in memory."""

from __future__ import annotations

import math
from typing import Any

from caffe_pylayers._layer import arrays

__all__ = ["class_starts", "one_hot_forward"]


def class_starts(labels: Any, shape: Any, axis: int = 1) -> Any:
    """Return for each label the flat index of its class 0 in one-hot codes of this shape: that of class c is
    ``c * math.prod(shape[axis + 1 :])`` further on.
    """
    classes, after = shape[axis], math.prod(shape[axis:][1:])
    label = arrays.arange_like(labels, math.prod(labels.shape))
    return label + label // max(after, 1) * (classes - 1) * after


def one_hot_forward(
    labels: Any,
    one_hot: Any,
    axis: int = 1,
    on_value: float = 1.0,
    off_value: float = 0.0,
    valid: Any = None,
    starts: Any = None,
) -> None:
    """Write one-hot codes.

        one_hot = where(labels == classes, on_value, off_value)

    with the classes 0 .. C-1 along the axis, and labels of size 1 there. To compare takes up to
    eight times as long as to write each label's on_value alone, which is what is done.

    labels: integers in [0, C), flat, one for each position of one_hot.
    one_hot: receives the codes, (N, C, ...) with the classes on the axis.
    valid: booleans, flat; where it is False, every class gets off_value.
    starts: class_starts(labels, one_hot.shape, axis), from a caller that keeps it.
    """
    if starts is None:
        starts = class_starts(labels, one_hot.shape, axis)
    after = math.prod(one_hot.shape[axis:][1:])
    places = starts + (labels if after == 1 else labels * after)
    arrays.fill(one_hot, off_value)
    if valid is not None and arrays.on_device(valid):  # to choose places is to wait for their number
        values = one_hot.new_full(valid.shape, off_value)
        arrays.put_where(values, valid, on_value)
        one_hot.ravel()[places] = values
        return
    if valid is not None:
        places = places[valid]
    arrays.put_at(one_hot.ravel(), places, on_value)
