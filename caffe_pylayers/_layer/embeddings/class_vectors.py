"""The base of layers that have a learned vector for each class: its direction, its proxy, its centre."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.bases.learned import Filled, check_learned, learn
from caffe_pylayers._layer.embeddings.embedding_loss import EmbeddingLoss
from caffe_pylayers._layer.embeddings.rows import check_rows

__all__ = ["ClassVectors", "ClassVectorsLoss"]


class ClassVectors(Filled):
    """Features (N, ...) and labels that are classes; the classes' vectors (C, D) are the learned blob 0."""

    array_api = True

    num_classes = Parameter(int, low=1, doc="C, the number of classes, each with a learned vector")

    def setup(self, bottom: Any, top: Any) -> None:
        super().setup(bottom, top)
        learn(self, self.filled(self.num_classes, check_rows(self, bottom[0].data)[1]))

    def plan_classes(self, features: Any, values: int) -> None:
        """Take the number of values of a sample."""
        check_learned(self, values, "bottom[0] (features)")
        self._classes = arrays.arange_like(features, self.num_classes)

    def classes_of(self, labels: Any) -> tuple[Any, Any]:
        """Return (index, valid) of checks.class_labels."""
        return checks.class_labels(self, labels, self._classes, self.ignore_label)


class ClassVectorsLoss(ClassVectors, EmbeddingLoss):
    """Features and labels to a loss (1,); a subclass has EmbeddingLoss's loss and gradient."""

    def setup(self, bottom: Any, top: Any) -> None:
        checks.bottoms(self, bottom, "features", "labels")
        super().setup(bottom, top)

    def plan(self, features: Any, labels: Any) -> Any:
        tops = super().plan(features, labels)
        self.plan_classes(features, self._shape[1])
        return tops
