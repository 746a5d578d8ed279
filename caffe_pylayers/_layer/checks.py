"""Checks with one format of message: class, what was expected, what arrived."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffe_pylayers._layer import arrays


def error(layer: Any, message: str) -> ValueError:
    """A ValueError that starts with the layer's class, the only name Caffe lets a layer know."""
    return ValueError(f"{type(layer).__name__}: {message}")


def bottoms(layer: Any, bottom: Any, *names: str, optional: int = 0) -> None:
    """Raise unless there is one bottom for each name; the last ``optional`` ones may be missing."""
    _count(layer, bottom, "bottom", names, optional)


def tops(layer: Any, top: Any, *names: str, optional: int = 0) -> None:
    """Raise unless there is one top for each name; the last ``optional`` ones may be missing."""
    _count(layer, top, "top", names, optional)


def _count(layer: Any, blobs: Any, side: str, names: tuple[str, ...], optional: int) -> None:
    high, got = len(names), len(blobs)
    low = high - optional
    if low <= got <= high:
        return
    listed = ", ".join(names[:low] + tuple(f"[{name}]" for name in names[low:]))
    number = f"{low}" if low == high else f"{low} to {high}"
    raise error(layer, f"needs {number} {side}{'s' if high > 1 else ''} ({listed}), got {got}")


def axis(layer: Any, value: int, axes: int, what: str) -> int:
    """A parameter ``axis`` counted from the front; ValueError unless it is one of ``axes`` axes."""
    if not -axes <= value < axes:
        raise error(layer, f"axis {value} is outside {what}, which has {axes} axes")
    return value % axes


def class_labels(layer: Any, labels: Any, shape: tuple[int, ...], classes: Any, ignore_label: int | None = None) -> Any:
    """Labels as int64 indices; an ignored label becomes some other number.

    labels: (M,) of any real dtype (Caffe's labels are float32).
    shape: that of the blob they come from, for the message.
    classes: (C,) the numbers 0 .. C-1 in the labels' dtype. A valid label finds itself in there,
        which takes a third of the time of comparing it with 0, C and its integer part.
    Raises ValueError naming the first value that is neither an integer in [0, C) nor
    ignore_label, and its index.
    """
    index = arrays.to_int64(labels)
    good = arrays.take_clipped(classes, index) == labels
    if ignore_label is not None:
        good |= labels == ignore_label
    if arrays.namespace(good).count_nonzero(good) == len(labels):
        return index
    first = good.tolist().index(False)
    value = float(labels[first])
    where: Any = tuple(int(i) for i in np.unravel_index(first, shape))
    if len(where) == 1:
        where = where[0]
    if value.is_integer():
        raise error(layer, f"label {int(value)} at index {where} is outside [0, {len(classes)})")
    raise error(layer, f"label {value} at index {where} is no integer; labels lie in [0, {len(classes)})")
