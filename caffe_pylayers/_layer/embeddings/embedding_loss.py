"""The base of losses on embeddings and a label of each."""

from __future__ import annotations

import math
from typing import Any

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Layer, Parameter

__all__ = ["EmbeddingLoss", "pairs_by_label", "rows_of"]


def rows_of(layer: Any, what: str, shape: Any) -> tuple[int, int]:
    """Return the shape (N, D) of embeddings (N, ...), whose values after the first axis make the vector."""
    if len(shape) == 0:
        raise checks.error(layer, f"{what} must have an axis of samples, got shape {tuple(shape)}")
    return shape[0], math.prod(shape[1:])


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


class EmbeddingLoss(Layer):
    """Features (N, ...) and a label of each to a loss (1,).

    A subclass has these in place of forward and backward:

        def loss(self, features, labels):     # (N, D) and (N,); return the loss
        def gradient(self, scale):            # return d_features (N, D), times scale; add to the blobs' diffs
    """

    array_api = True

    ignore_label = Parameter(int, None, doc="samples with this label take no part")

    def loss(self, features: Any, labels: Any) -> Any:
        """Return the loss of features (N, D) with labels (N,)."""
        raise NotImplementedError(f"{type(self).__name__}: loss is not defined")

    def gradient(self, scale: Any) -> Any:
        """Return scale times the gradient of the last loss, (N, D)."""
        raise NotImplementedError(f"{type(self).__name__}: gradient is not defined")

    def setup(self, bottom: Any, top: Any) -> None:
        checks.tops(self, top, "loss")

    def plan(self, features: Any, labels: Any) -> Any:
        self._shape = rows_of(self, "bottom[0] (features)", features.shape)
        names = "bottom[1] (labels)", "bottom[0] (features)"
        checks.one_label_each(self, names[0], labels.shape, names[1], self._shape, 1)
        return [(1,)]

    def forward(self, bottom: Any, top: Any) -> None:
        top[0].data[...] = self.loss(bottom[0].data.reshape(self._shape), bottom[1].data.reshape(-1))

    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        if propagate_down[0] or len(self.blobs):
            d_features = self.gradient(top[0].diff[0])
            if propagate_down[0]:
                bottom[0].diff[...] = d_features.reshape(tuple(bottom[0].diff.shape))
        if propagate_down[1]:
            arrays.fill(bottom[1].diff, 0)
