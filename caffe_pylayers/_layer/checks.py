"""Checks whose messages say the layer's class, what was expected and what arrived.

Counts are checked in ``setup``, shapes in ``plan``, values in ``forward``.
"""

from __future__ import annotations

import math
import sys
from typing import Any, Sequence

import numpy as np

from caffe_pylayers._layer import arrays, late
from caffe_pylayers._layer.quote import plain

_LARGEST = sys.float_info.max


def error(layer: Any, message: str) -> ValueError:
    """Return a ValueError of one line that starts with the layer's class, the only name Caffe lets a layer know."""
    return ValueError(f"{type(layer).__name__}: {plain(message)}")


def bottoms(layer: Any, bottom: Any, *names: str, optional: int = 0) -> None:
    """Raise unless there is one bottom for each name; the last ``optional`` ones may be missing."""
    _count(layer, bottom, "bottom", names, optional)


def tops(layer: Any, top: Any, *names: str, optional: int = 0) -> None:
    """Raise unless there is one top for each name; the last ``optional`` ones may be missing."""
    _count(layer, top, "top", names, optional)


def apart(layer: Any, bottom: Any, top: Any) -> None:
    """Raise where a top is a bottom, but for top[0] and bottom[0] of a layer in_place: blobs that have been shaped."""
    places = {arrays.address(bottom[i].data): i for i in range(len(bottom)) if bottom[i].count}
    for i in range(len(top)):
        if top[i].count and arrays.address(top[i].data) in places:
            which = places[arrays.address(top[i].data)]
            if layer.in_place and i == which == 0:
                continue
            raise error(layer, f"cannot work in place: top[{i}] is bottom[{which}], give it a name of its own")


def _count(layer: Any, blobs: Any, side: str, names: tuple[str, ...], optional: int) -> None:
    high, got = len(names), len(blobs)
    low = high - optional
    if low <= got <= high:
        return
    listed = ", ".join(names[:low] + tuple(f"[{name}]" for name in names[low:]))
    number = f"{low}" if low == high else f"{low} to {high}"
    raise error(layer, f"needs {number} {side}{'' if high == 1 else 's'} ({listed}), got {got}")


def in_order(layer: Any, low: str, high: str) -> None:
    """Raise where a parameter is above the one that is its upper bound; low, high: their names."""
    least, most = getattr(layer, low), getattr(layer, high)
    if least is not None and most is not None and least > most:
        raise error(layer, f"{low} {least} is above {high} {most}")


def axis(layer: Any, value: int, axes: int, what: str) -> int:
    """Return a parameter ``axis`` counted from the front; ValueError unless it is one of ``axes`` axes.

    what: the array that has them, for the message.
    """
    if not -axes <= value < axes:
        raise error(layer, f"axis {value} is outside {what}, which has {axes} axes")
    return value % axes


def class_axis(layer: Any, what: str, shape: Any) -> int:
    """Return the layer's ``axis`` counted from the front; ValueError unless the shape has it, with a class or more.

    what: how to name the scores: "bottom[0] (scores)".
    """
    shape = tuple(shape)
    found: int = axis(layer, layer.axis, len(shape), f"{what} of shape {shape}")
    if not shape[found]:
        raise error(layer, f"{what} must have a class or more on axis {found}, got shape {shape}")
    return found


def same_shape(layer: Any, what: str, shape: Any, of: str, to: Any) -> None:
    """Raise unless two shapes are one; what, of: how to name the two: "bottom[1] (targets)"."""
    if tuple(shape) != tuple(to):
        raise error(layer, f"{what} must have the shape of {of} {tuple(to)}, got {tuple(shape)}")


def one_label_each(layer: Any, what: str, labels: Any, of: str, scores: Any, axis: int) -> None:
    """Raise unless there is one label for each position of scores, which has classes on the axis.

    Axes of size 1 may be there or not: for scores (N, C) labels are (N,), (N, 1) or (N, 1, 1, 1),
    for (N, C, H, W) they are (N, H, W) or (N, 1, H, W).

    what, of: how to name labels and scores: "bottom[1] (labels)".
    labels, scores: their shapes.
    """
    wanted = (*scores[:axis], *scores[axis + 1 :])
    if [n for n in labels if n != 1] != [n for n in wanted if n != 1]:
        raise error(
            layer,
            f"{what} must have shape {wanted}, one label for each position of {of} of shape {tuple(scores)} "
            f"with classes on axis {axis}, got {tuple(labels)}",
        )


def one_target_each(layer: Any, what: str, targets: Any, of: str, predictions: Any) -> None:
    """Raise unless there are as many targets as predictions, of the same first size and one axis at least.

    what, of: how to name the two: "bottom[1] (targets)".
    targets, predictions: their shapes.
    """
    targets, predictions = tuple(targets), tuple(predictions)
    if not predictions or predictions[:1] != targets[:1] or math.prod(predictions) != math.prod(targets):
        raise error(
            layer,
            f"{what} must have the first size and as many values as {of} of shape {predictions}, got {targets}",
        )


def broadcasts(layer: Any, what: str, shape: Any, of: str, to: Any) -> tuple[int, ...]:
    """Return the shape with a 1 for each trailing axis that it leaves out; raise unless it broadcasts so.

    The shape has the size of ``to`` or 1 on every axis, so that (N,) weights samples and (N, 1, H, W)
    positions of (N, C, H, W).

    what, of: how to name the two: "bottom[2] (weights)".
    """
    whole = (*shape, *(1,) * (len(to) - len(shape)))
    if len(whole) != len(to) or any(size not in (1, n) for size, n in zip(whole, to)):
        raise error(
            layer,
            f"{what} must have the shape of {of} {tuple(to)}, with 1 on any axis and trailing axes left out "
            f"at will, got {tuple(shape)}",
        )
    return whole


def weights(layer: Any, what: str, shape: Any, of: str, positions: Sequence[int]) -> tuple[int, ...]:
    """Return the shape in which weights broadcast to positions.

    One for each position, whatever axes of size 1 there are; one for each sample; or as ``broadcasts`` has it.

    what, of: how to name the two: "bottom[2] (weights)".
    positions: their shape, N first.
    """
    sizes = [n for n in shape if n != 1]
    positions = tuple(positions)
    if sizes == [n for n in positions if n != 1]:
        return positions
    if sizes == [n for n in positions[:1] if n != 1]:
        return (*positions[:1], *(1,) * (len(positions) - 1))
    return broadcasts(layer, what, shape, of, positions)


def numbers(
    layer: Any, what: str, values: Any, where: Any = None, low: float = -_LARGEST, high: float = _LARGEST
) -> None:
    """Raise for the first value that is NaN or outside [low, high]: by default, that is not finite.

    what: how to name the values: "bottom[0] (scores)".
    where: booleans that broadcast to the values, False for those that count for nothing: they are not looked at.
    low, high: with -inf and inf, NaN alone is refused.
    """
    if 0 in tuple(values.shape):
        return
    if late.is_collected(values):
        good = _within(values, low, high)
        if where is not None:
            good = good | ~where
        late.require(good, lambda: _bad_number(layer, what, values, where, low, high))
        return
    with np.errstate(invalid="ignore"):  # which some versions of numpy say of NaN
        if low <= float(values.min()) and float(values.max()) <= high:  # NaN is neither
            return
    wrong = _bad_number(layer, what, values, where, low, high)
    if wrong is not None:
        raise wrong


def _within(values: Any, low: float, high: float) -> Any:
    """Return booleans, True for the values of a tensor in [low, high]; as float32 the largest float is infinite."""
    largest = float(arrays.namespace(values).finfo(values.dtype).max)
    low, high = (bound if math.isinf(bound) else min(max(bound, -largest), largest) for bound in (low, high))
    return (values >= low) & (values <= high)


def _bad_number(layer: Any, what: str, values: Any, where: Any, low: float, high: float) -> Any:
    """Return the error of the first value that ``numbers`` refuses; None where there is none."""
    with np.errstate(invalid="ignore"):
        found = arrays.to_numpy(values).astype(np.float64)  # low and high overflow in float32
        good = (found >= low) & (found <= high)
    if where is not None:
        good |= ~arrays.to_numpy(where)
    if good.all():
        return None
    value, place = _first(found, int(good.argmin()))
    if math.isinf(low) and math.isinf(high):
        expected = "be numbers"
    elif (low, high) == (-_LARGEST, _LARGEST):
        expected = "be finite"
    else:
        expected = f"lie in [{low:g}, {high:g}]"
    return error(layer, f"{what} must {expected}, got {value:g} at index {place}")


def every(layer: Any, noun: str, values: Any, good: Any, otherwise: str) -> None:
    """Raise for the first value that is not good.

    noun: what a message calls one of the values.
    good: booleans, as many as values.
    otherwise: what a message says of a value that is not: "is neither 0 nor 1".
    """

    def found() -> ValueError:
        value, place = _first(values, good.ravel().tolist().index(False))
        return error(layer, f"{noun} {value:g} at index {place} {otherwise}")

    late.require(good, found)


def class_labels(
    layer: Any, labels: Any, classes: Any, ignore_label: int | None = None, noun: str = "label", where: Any = None
) -> tuple[Any, Any]:
    """Return (index, valid): the labels as new int64 indices in [0, C), and where they count.

    labels: of any shape and real dtype (Caffe's labels are float32).
    classes: C; or the numbers 0 .. C-1 like labels, from a caller that keeps them.
    noun: what a message calls one of the labels.
    where: flat booleans, False for those that count for nothing, and may be anything.
    index: flat; 0 where a label is ignore_label, or is no label and counts for nothing.
    valid: flat booleans, False where a label is ignore_label; None without ignore_label.
    Raises ValueError naming the first value that is neither an integer in [0, C) nor
    ignore_label, and its index.
    """
    flat = labels.ravel()
    index = arrays.to_int64(flat)
    if isinstance(classes, int):
        classes = arrays.arange_like(flat, classes)
    if not len(classes) and len(flat):
        raise _bad_label(layer, labels, 0, 0, noun)
    if arrays.on_device(index):
        index = index.clip(0, len(classes) - 1)  # whatever a label is, it is no place outside memory
        good = index == flat
    else:  # a label in range is the one found at its own place; comparing bounds takes three times as long
        good = arrays.take_clipped(classes, index) == flat
    valid = None
    if ignore_label is not None:
        valid = flat != ignore_label
        index *= valid
        good |= ~valid
    if where is not None:
        index *= good
        good |= ~where
    known = late.require(good, lambda: _bad_label(layer, labels, good.tolist().index(False), len(classes), noun))
    if not known and not arrays.on_device(index):
        index *= good
    return index, valid


def _bad_label(layer: Any, labels: Any, first: int, classes: int, noun: str) -> ValueError:
    value, place = _first(labels, first)
    if not value.is_integer():
        nouns = f"{noun}es" if noun.endswith("s") else f"{noun}s"
        return error(layer, f"{noun} {value} at index {place} is no integer; {nouns} lie in [0, {classes})")
    can_ignore = noun == "label" and getattr(layer, "ignore_label", 0) is None
    hint = "; the parameter ignore_label names one that counts for nothing" if can_ignore else ""
    return error(layer, f"{noun} {int(value)} at index {place} is outside [0, {classes}){hint}")


def _first(values: Any, first: int) -> tuple[float, Any]:
    """Return the value at a flat index, and its place: an integer of one axis, else a tuple."""
    place = tuple(int(i) for i in np.unravel_index(first, tuple(values.shape)))
    return float(values.reshape(-1)[first]), place[0] if len(place) == 1 else place
