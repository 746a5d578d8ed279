"""The base class of metrics that follow from a confusion matrix."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.metrics.class_metric import ClassMetric, confusion_counts

__all__ = ["ConfusionMetric"]


class ConfusionMetric(ClassMetric):
    """A metric whose batches add up to a confusion matrix, ``_matrix``: labels by row, predictions by column.

    With num_classes given, bottom[0] holds predicted classes. ``_plan_confusion`` is for plan.
    """

    num_classes = Parameter(
        int, None, low=1, doc="C, where bottom[0] holds predicted classes; default: it holds scores of C classes"
    )

    def _plan_confusion(self, scores: Any, labels: Any, weights: Any = None) -> int:
        """Check the shapes, and return C."""
        if self.num_classes is None:
            return self._plan_classes(scores, labels, weights)
        found, wanted = tuple(scores.shape), tuple(labels.shape)
        if [n for n in found if n != 1] != [n for n in wanted if n != 1]:
            raise checks.error(
                self,
                f"bottom[0] (predicted classes, as num_classes is given) must have the shape of bottom[1] (labels) "
                f"{wanted}, got {found}",
            )
        self._positions = wanted
        if weights is not None:
            self._plan_weights(weights)
        self._classes = self.num_classes
        return self._classes

    def start(self) -> None:
        self._matrix = np.zeros((self._classes, self._classes))

    def update(self, bottom: Any) -> None:
        labels, valid = self._labels(bottom)
        predicted, weights = self._predicted_classes(bottom, valid), self._weights(bottom, valid)
        self._matrix += confusion_counts(self.xp, labels, predicted, self._classes, weights, valid)

    def _predicted_classes(self, bottom: Any, valid: Any) -> Any:
        """Return the predicted classes, int64 and flat, any where no label counts."""
        if self.num_classes is None:
            return arrays.argmax(self._scores(bottom, valid), self._axis).ravel()
        predicted = bottom[0].data
        if valid is not None:
            predicted = self.xp.where(valid.reshape(predicted.shape), predicted, self.xp.zeros_like(predicted))
        return checks.class_labels(self, predicted, self._classes, noun="prediction")[0]
