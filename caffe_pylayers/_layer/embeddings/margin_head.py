"""The base of classifiers whose scores come from angles between features and learned class vectors."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.bases.learned import Learned
from caffe_pylayers._layer.embeddings.cosines import unit_rows, unit_rows_backward
from caffe_pylayers._layer.embeddings.embedding_loss import rows_of

__all__ = ["CosineHead", "MarginHead"]


class MarginHead(Learned):
    """Features, and labels where a margin is wanted, to scores (N, C), by the learned blob 0, (C, D)."""

    array_api = True

    num_classes = Parameter(int, low=1, doc="C, the number of classes")
    ignore_label = Parameter(int, None, doc="samples with this label get no margin")

    def setup(self, bottom: Any, top: Any) -> None:
        checks.bottoms(self, bottom, "features", "labels", optional=1)
        self.learn(self.num_classes, rows_of(self, "bottom[0] (features)", tuple(bottom[0].shape))[1])

    def plan(self, features: Any, labels: Any = None) -> Any:
        self._shape = rows_of(self, "bottom[0] (features)", features.shape)
        self.check_learned(self._shape[1], "bottom[0] (features)")
        if labels is not None:
            names = "bottom[1] (labels)", "bottom[0] (features)"
            checks.one_label_each(self, names[0], labels.shape, names[1], self._shape, 1)
        self._classes = arrays.arange_like(features, self.num_classes)
        return [(self._shape[0], self.num_classes), (1,)]

    def read_labels(self, bottom: Any) -> tuple[Any, Any]:
        """Return (labels, valid): int64 (N, 1), None without labels; booleans (N, 1), None where all get a margin."""
        if len(bottom) == 1:
            return None, None
        labels, valid = checks.class_labels(self, bottom[1].data, self._classes, self.ignore_label)
        return labels[:, None], None if valid is None else valid[:, None]


class CosineHead(MarginHead):
    """Scores scale * cos(x, w_c), of the label scale * margin(cos(x, w_y)).

    A subclass has margin_of(cosines, features, vectors): return (values, slopes) for the cosines (N, 1) of features
    and the vectors of their labels, (N, D), both of length 1.
    """

    scale = Parameter(float, 64.0, above=0, doc="s, of the cosines")

    def margin_of(self, cosines: Any, features: Any, vectors: Any) -> tuple[Any, Any]:
        """Return the label's values in place of its cosines, and their slopes."""
        raise NotImplementedError(f"{type(self).__name__}: margin_of is not defined")

    def setup(self, bottom: Any, top: Any) -> None:
        super().setup(bottom, top)
        checks.tops(self, top, "scores")

    def forward(self, bottom: Any, top: Any) -> None:
        self._features, self._lengths = unit_rows(self.xp, bottom[0].data.reshape(self._shape))
        self._weights, self._weight_lengths = unit_rows(self.xp, self.blobs[0].data)
        self._labels, valid = self.read_labels(bottom)
        scores = top[0].data
        self.xp.matmul(self._features, self._weights.T, out=scores)
        if self._labels is not None:
            cosines = arrays.take_along(scores, self._labels, 1).clip(-1, 1)
            values, self._slopes = self.margin_of(cosines, self._features, self._weights[self._labels[:, 0]])
            if valid is not None:
                values = self.xp.where(valid, values, cosines)
                self._slopes = self.xp.where(valid, self._slopes, 1 + 0 * cosines)
            arrays.put_along(scores, self._labels, values, 1)
        scores *= self.scale

    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        d_cosines = top[0].diff * self.scale
        if self._labels is not None:
            d_labels = arrays.take_along(d_cosines, self._labels, 1) * self._slopes
            arrays.put_along(d_cosines, self._labels, d_labels, 1)
        d_weights = d_cosines.T @ self._features
        self.blobs[0].diff[...] += unit_rows_backward(self._weights, self._weight_lengths, d_weights)
        if propagate_down[0]:
            d_features = unit_rows_backward(self._features, self._lengths, d_cosines @ self._weights)
            bottom[0].diff[...] = d_features.reshape(tuple(bottom[0].diff.shape))
        if len(bottom) > 1 and propagate_down[1]:
            arrays.fill(bottom[1].diff, 0)
