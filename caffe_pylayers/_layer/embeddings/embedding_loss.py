"""The base of losses on embeddings and a label of each."""

from __future__ import annotations

import math
from typing import Any

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Layer, Parameter

__all__ = [
    "EmbeddingLoss",
    "check_rows",
    "check_same_rows",
    "pairs_by_label",
    "pairs_of",
    "ranked_features",
    "rows_of",
    "without_ignored",
]

_FARTHEST = 1e15  # the squared distance of larger values may be more than float32 holds


def rows_of(layer: Any, what: str, shape: Any) -> tuple[int, int]:
    """Return the shape (N, D) of embeddings (N, ...), whose values after the first axis make the vector."""
    if len(shape) == 0:
        raise checks.error(layer, f"{what} must have an axis of samples, got shape {tuple(shape)}")
    return shape[0], math.prod(shape[1:])


def check_rows(layer: Any, features: Any, labels: Any = None) -> tuple[int, int]:
    """Return rows_of for the bottoms features and labels; raise unless there is one label for each of them."""
    rows = rows_of(layer, "bottom[0] (features)", features.shape)
    if labels is not None:
        checks.one_label_each(layer, "bottom[1] (labels)", labels.shape, "bottom[0] (features)", rows, 1)
    return rows


def check_same_rows(layer: Any, **bottoms: Any) -> tuple[int, int]:
    """Return rows_of for the first of these bottoms, whose names they have; raise unless all have its shape."""
    (of, first), *others = ((f"bottom[{i}] ({name})", x.shape) for i, (name, x) in enumerate(bottoms.items()))
    for what, shape in others:
        checks.same_shape(layer, what, shape, of, first)
    return rows_of(layer, of, first)


def without_ignored(features: Any, labels: Any, ignore_label: int | None) -> Any:
    """Return features (N, D) with zeros for samples of the ignored label, whatever is there."""
    if ignore_label is None:
        return features
    features = features * 1
    features[labels == ignore_label] = 0
    return features


def pairs_by_label(labels: Any, ignore_label: int | None = None) -> tuple[Any, Any]:
    """Return (same, different), booleans (N, N): where two samples have one label, where they have two.

    No sample is in a pair with itself, and one with ignore_label in none.
    """
    same = labels[:, None] == labels[None, :]
    different = ~same
    if ignore_label is not None:
        valid = labels != ignore_label
        valid = valid[:, None] & valid[None, :]
        same &= valid
        different &= valid
    same.reshape(-1)[:: len(labels) + 1] = False
    return same, different


def pairs_of(layer: Any, labels: Any) -> tuple[Any, Any]:
    """Return pairs_by_label for the labels (N,) of a layer that has an ignore_label; NaN has no equals: refused."""
    checks.numbers(layer, "bottom[1] (labels)", labels, low=-math.inf, high=math.inf)
    return pairs_by_label(labels, layer.ignore_label)


def ranked_features(layer: Any, features: Any) -> Any:
    """Return features (N, D) whose distances are compared; raise where they are not finite."""
    checks.numbers(layer, "bottom[0] (features)", features, low=-_FARTHEST, high=_FARTHEST)
    return features


class EmbeddingLoss(Layer):
    """Features (N, ...) and a label of each to a loss (1,).

    A subclass has these in place of forward and backward:

        def loss(self, features, labels):         # (N, D) and (N,); return the loss
        def gradient(self, scale, d_features):    # write d_features (N, D), times scale, unless it is None;
                                                  # add to the diffs of learned blobs
    """

    array_api = True

    ignore_label = Parameter(int, None, doc="samples with this label take no part")

    def loss(self, features: Any, labels: Any) -> Any:
        """Return the loss of features (N, D) with labels (N,)."""
        raise NotImplementedError(f"{type(self).__name__}: loss is not defined")

    def gradient(self, scale: Any, d_features: Any) -> None:
        """Write scale times the gradient of the last loss, (N, D)."""
        raise NotImplementedError(f"{type(self).__name__}: gradient is not defined")

    def setup(self, bottom: Any, top: Any) -> None:
        checks.tops(self, top, "loss")

    def plan(self, features: Any, labels: Any) -> Any:
        self._shape = check_rows(self, features, labels)
        return [(1,)]

    def forward(self, bottom: Any, top: Any) -> None:
        features, labels = bottom[0].data.reshape(self._shape), bottom[1].data.reshape(-1)
        top[0].data[...] = self.loss(without_ignored(features, labels, self.ignore_label), labels)

    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        if propagate_down[0] or len(self.blobs):
            d_features = bottom[0].diff.reshape(self._shape) if propagate_down[0] else None
            self.gradient(top[0].diff[0], d_features)
        if propagate_down[1]:
            arrays.fill(bottom[1].diff, 0)
