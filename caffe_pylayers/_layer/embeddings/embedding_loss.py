"""The base of losses on embeddings and a label of each."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Layer, Parameter
from caffe_pylayers._layer.embeddings.rows import check_rows, without_ignored

__all__ = ["EmbeddingLoss"]


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
