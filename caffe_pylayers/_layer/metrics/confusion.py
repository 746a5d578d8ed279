"""The base class of metrics that follow from a confusion matrix."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffe_pylayers._layer import checks
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
        predicted = self._predicted_classes(bottom[0].data)
        self._matrix += confusion_counts(self.xp, labels, predicted, self._classes, self._weights(bottom), valid)

    def _predicted_classes(self, scores: Any) -> Any:
        if self.num_classes is None:
            return scores.argmax(self._axis).ravel()
        return checks.class_labels(self, scores, self._classes)[0]
