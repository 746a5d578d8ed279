"""The base class of metrics of class scores and labels, and their counting."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.metrics.metric import Metric

__all__ = ["ClassMetric", "confusion_counts", "count", "mean", "ratio"]


def count(xp: Any, index: Any, size: int, weights: Any = None, valid: Any = None) -> Any:
    """Return how often each number in [0, size) occurs, or the sum of its weights: float64, on the host.

    index: int64, flat.
    weights: float64, flat.
    valid: booleans, flat; the other positions do not count.
    """
    if valid is not None:
        index = xp.where(valid, index, xp.full_like(index, size))
    return arrays.to_numpy(xp.bincount(index, weights, size + 1))[:size].astype(np.float64)


def confusion_counts(xp: Any, labels: Any, predicted: Any, classes: int, weights: Any = None, valid: Any = None) -> Any:
    """Return the confusion matrix (C, C), labels by row and predictions by column: float64, on the host.

    labels, predicted: int64 in [0, C), flat.
    weights, valid: see ``count``.
    """
    pairs = labels * classes
    pairs += predicted
    return count(xp, pairs, classes * classes, weights, valid).reshape(classes, classes)


def ratio(part: Any, whole: Any) -> Any:
    """Return part / whole, NaN where the whole is 0."""
    part, whole = np.broadcast_arrays(part, whole)
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole != 0)


def mean(values: Any, weights: Any = None) -> float:
    """Return the mean of the values that are defined, NaN where none is."""
    known = ~np.isnan(values)
    weights = known if weights is None else np.where(known, weights, 0)
    return float(ratio((np.where(known, values, 0) * weights).sum(), weights.sum()))


class ClassMetric(Metric):
    """A metric whose bottoms are scores (N, C, ...), labels, and optional weights of positions or samples.

    ``_plan_classes`` is for plan. After it, ``_classes`` is C, ``_axis`` the class axis, and
    ``_positions`` the scores' shape without it.
    """

    array_api = True

    axis = Parameter(int, 1, doc="the class axis of the scores; negative counts from the end")
    ignore_label = Parameter(int, None, doc="positions with this label do not count")

    _classes = -1

    def _plan_classes(self, scores: Any, labels: Any, weights: Any = None) -> int:
        """Check the shapes, and return C; a pass whose number of classes changes begins again."""
        shape = tuple(scores.shape)
        self._axis = checks.class_axis(self, "bottom[0] (scores)", shape)
        checks.one_label_each(self, "bottom[1] (labels)", labels.shape, "bottom[0] (scores)", shape, self._axis)
        self._positions = (*shape[: self._axis], *shape[self._axis + 1 :])
        if weights is not None:
            self._plan_weights(weights)
        if shape[self._axis] != self._classes:
            self._classes = shape[self._axis]
            self.start_pass()
        return self._classes

    def _plan_weights(self, weights: Any) -> None:
        self._weights_shape = checks.weights(self, "bottom[2] (weights)", weights.shape, "the labels", self._positions)

    def _labels(self, bottom: Any) -> tuple[Any, Any]:
        """Return the labels, int64 in [0, C) and flat, and where they count; see checks.class_labels."""
        return checks.class_labels(self, bottom[1].data, self._classes, self.ignore_label)

    def _scores(self, bottom: Any, valid: Any) -> Any:
        """Return the scores: where a label counts, they are numbers, infinity among them."""
        scores = bottom[0].data
        if valid is not None:
            each = len(valid) == math.prod(scores.shape)  # has a label, not each position
            shape = scores.shape if each else (*self._positions[: self._axis], 1, *self._positions[self._axis :])
            valid = valid.reshape(tuple(shape))
        checks.numbers(self, "bottom[0] (scores)", scores, valid, -math.inf, math.inf)
        return scores

    def _weights(self, bottom: Any, valid: Any) -> Any:
        """Return the weights of the positions, float64 and flat, 0 where a label does not count; None without any."""
        if len(bottom) < 3:
            return None
        given = bottom[2].data
        weights = arrays.new(given, self._positions, float)
        weights[...] = given.reshape(self._weights_shape)
        weights = weights.reshape(math.prod(self._positions))
        checks.numbers(self, "bottom[2] (weights)", weights, valid)
        return weights if valid is None else self.xp.where(valid, weights, self.xp.zeros_like(weights))
