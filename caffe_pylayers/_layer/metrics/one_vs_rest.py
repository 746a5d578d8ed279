"""The base class of metrics that take each class against the rest."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.metrics.class_metric import ClassMetric

__all__ = ["AVERAGES", "OneVsRestMetric", "averaged"]

AVERAGES = ("macro", "weighted", "micro", "none")


def averaged(values: Any, occurs: Any, labels: Any, average: str) -> Any:
    """Return the classes' values averaged over those that occur; as they are for an average of "none".

    occurs: booleans, by class.
    labels: the number of labels, by class, which are the weights for "weighted".
    """
    if average == "none":
        return values
    weights = np.where(occurs, labels if average == "weighted" else 1.0, 0.0)
    return (values * weights).sum() / weights.sum() if weights.any() else np.nan


class OneVsRestMetric(ClassMetric):
    """A metric of scores whose labels come in two forms.

    One class for each position; or, where there are as many labels as scores, a 0 or 1 for each
    score: several classes at a position, or one score for a yes or no. ``_plan_one_vs_rest`` is
    for plan; ``_own`` is True for the second form.
    """

    average = Parameter(
        str,
        "macro",
        choices=AVERAGES,
        doc="of the classes: macro, each the same; weighted, by its labels; micro, all as one; none, (C,) values",
    )
    positive_class = Parameter(int, None, low=0, doc="the one to report, such as 1 of two; default: the average")

    def _plan_one_vs_rest(self, scores: Any, labels: Any, weights: Any = None) -> tuple[int, ...]:
        """Check the shapes, and return that of a value: (C,) or (1,)."""
        own = [n for n in scores.shape if n != 1] == [n for n in labels.shape if n != 1]
        if own and len(scores.shape) == 1:
            scores = scores.reshape(-1, 1)
        if own:
            axis = checks.class_axis(self, "bottom[0] (scores)", scores.shape)
            first = [slice(None)] * axis + [slice(0, 1)]
            labels = scores[tuple(first)]  # only its shape: one for each position
        classes = self._plan_classes(scores, labels, weights)
        self._shape, self._own = tuple(scores.shape), own
        if own:
            self._class_of_score = arrays.new(scores, self._shape, int)
            self._class_of_score[...] = self._along_axis(arrays.arange_like(self._class_of_score, classes))
        if self.positive_class is not None and self.positive_class >= classes:
            raise checks.error(
                self, f"parameter positive_class is {self.positive_class}, but bottom[0] has {classes} classes"
            )
        return (classes,) if self.average == "none" and self.positive_class is None else (1,)

    def _along_axis(self, values: Any) -> Any:
        """Return values, one for each class, with the scores' axes."""
        return arrays.on_axis(values, len(self._shape), self._axis)

    def _labels(self, bottom: Any) -> tuple[Any, Any]:
        if not self._own:
            return super()._labels(bottom)
        return checks.class_labels(self, bottom[1].data, 2, self.ignore_label)

    def _weights(self, bottom: Any, valid: Any) -> Any:
        if len(bottom) < 3 or not self._own:
            return super()._weights(bottom, valid)
        valid = valid if valid is None else valid.reshape(self._shape).any(self._axis).ravel()
        weights = super()._weights(bottom, valid)
        of_scores = arrays.new(weights, self._shape, float)
        of_scores[...] = weights.reshape(*self._shape[: self._axis], 1, *self._shape[self._axis + 1 :])
        return of_scores.ravel()

    def _summary(self, values: Any, occurs: Any, labels: Any) -> Any:
        """Return what a top holds of values by class; see ``averaged``."""
        if self.positive_class is not None:
            return values[self.positive_class]
        return averaged(values, occurs, labels, self.average)
