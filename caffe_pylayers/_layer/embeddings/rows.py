"""Features (N, ...) as vectors (N, D), with a label of each: what is checked of them, and the pairs that they make."""

from __future__ import annotations

import math
from typing import Any

from caffe_pylayers._layer import arrays, checks

__all__ = [
    "check_labels",
    "check_rows",
    "check_same_rows",
    "pairs_of",
    "ranked_features",
    "without_ignored",
]

_FARTHEST = 1e15  # the squared distance of larger values may be more than float32 holds


def _rows(layer: Any, what: str, shape: Any) -> tuple[int, int]:
    """Return the shape (N, D) of embeddings (N, ...), whose values after the first axis make the vector."""
    if len(shape) == 0:
        raise checks.error(layer, f"{what} must have an axis of samples, got shape {tuple(shape)}")
    return shape[0], math.prod(shape[1:])


def check_rows(layer: Any, features: Any, labels: Any = None) -> tuple[int, int]:
    """Return the shape (N, D) of the bottom features; raise unless there is one label for each of them."""
    rows = _rows(layer, "bottom[0] (features)", features.shape)
    if labels is not None:
        checks.one_label_each(layer, "bottom[1] (labels)", labels.shape, "bottom[0] (features)", rows, 1)
    return rows


def check_same_rows(layer: Any, **bottoms: Any) -> tuple[int, int]:
    """Return the shape (N, D) of the first of these bottoms, whose names they have; raise unless all have its shape."""
    (of, first), *others = ((f"bottom[{i}] ({name})", x.shape) for i, (name, x) in enumerate(bottoms.items()))
    for what, shape in others:
        checks.same_shape(layer, what, shape, of, first)
    return _rows(layer, of, first)


def without_ignored(features: Any, labels: Any, ignore_label: int | None) -> Any:
    """Return features (N, D) with zeros for samples of the ignored label, whatever is there."""
    if ignore_label is None:
        return features
    features = features * 1
    arrays.put_where(features, (labels == ignore_label)[:, None], 0)
    return features


def check_labels(layer: Any, labels: Any, at: int = 1) -> None:
    """Raise for labels that are not finite: NaN equals nothing; at: the bottom's place."""
    checks.numbers(layer, f"bottom[{at}] (labels)", labels)


def pairs_of(layer: Any, labels: Any) -> tuple[Any, Any]:
    """Return (same, different), booleans (N, N): where two samples have one label, where they have two.

    No sample is in a pair with itself, and one with the layer's ignore_label in none.
    """
    check_labels(layer, labels)
    same = labels[:, None] == labels[None, :]
    different = ~same
    if layer.ignore_label is not None:
        valid = labels != layer.ignore_label
        valid = valid[:, None] & valid[None, :]
        same &= valid
        different &= valid
    same.reshape(-1)[:: len(labels) + 1] = False
    return same, different


def ranked_features(layer: Any, features: Any) -> Any:
    """Return features (N, D) whose distances are compared; raise where they are not finite."""
    checks.numbers(layer, "bottom[0] (features)", features, low=-_FARTHEST, high=_FARTHEST)
    return features
