"""Precision, recall and F1, over a whole test pass.

layer {
  name: "prf"  type: "Python"  include { phase: TEST }
  bottom: "ip2"  bottom: "label"  top: "precision"  top: "recall"  top: "f1"
  python_param { module: "caffe_pylayers.precision_recall"  layer: "PrecisionRecallF1" }
}
"""

from __future__ import annotations

import numpy as np

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.metrics.class_metric import count, ratio
from caffe_pylayers._layer.metrics.one_vs_rest import OneVsRestMetric

__all__ = ["PrecisionRecallF1", "precision_recall_f"]


def precision_recall_f(hits, predicted, labels, beta=1.0):
    """Return precision, recall and F by class, NaN where one is not defined.

        P = hits / predicted,  R = hits / labels,  F = (1 + beta^2) P R / (beta^2 P + R)

    hits, predicted, labels: how often a class is both, is predicted, and is the label.
    """
    square = beta * beta
    return ratio(hits, predicted), ratio(hits, labels), ratio((1 + square) * hits, square * labels + predicted)


class PrecisionRecallF1(OneVsRestMetric):
    """Precision, recall and F1 of each class, averaged or not.

    P = hits / predicted, R = hits / labels, F1 = 2 P R / (P + R), by class; one that is not
    defined counts as 0 in an average, and a class that does not occur in none.

    Bottom:
        [0] scores (N, C, ...), with the classes on the axis; or (N,), of a yes or no
        [1] labels, integers in [0, C), one for each position: the highest score is the prediction.
            Or 0 or 1, one for each score: a score above the threshold is a prediction
        [2] weights, optional: one for each position, or (N,). Default: 1
    Top:
        [0] precision, [1] recall, [2] F1, the last two optional: (1,); (C,) with an average of "none"
    Backward:
        Zeros: a count has no gradient.
    Raises:
        ValueError for a label that is no integer in its range, for scores that are NaN where a
        label counts, and for shapes that do not fit.
    References:
        scikit-learn's precision_recall_fscore_support, whose labels=[1] is positive_class here; there a
        class of several at a position counts in an average even if it does not occur. van
        Rijsbergen, "Information Retrieval", 1979, chapter 7, has F.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> scores, labels = [0.9, 0.8, 0.3, 0.6], [1, 0, 0, 1]
        >>> [float(x[0].round(2)) for x in LayerRun(PrecisionRecallF1, [scores, labels], tops=3).forward()]
        [0.67, 1.0, 0.8]
    """

    threshold = Parameter(float, 0.5, doc="with a label for each score: predicted is what scores above it; logits: 0")
    beta = Parameter(float, 1.0, above=0, doc="F_beta: recall counts beta times as much as precision")

    def setup(self, bottom, top):
        checks.tops(self, top, "precision", "recall", "f1", optional=2)

    def plan(self, scores, labels, weights=None):
        return [self._plan_one_vs_rest(scores, labels, weights)] * 3

    def start(self):
        self._counts = np.zeros((3, self._classes))  # hits, predicted, labels

    def update(self, bottom):
        labels, valid = self._labels(bottom)
        weights, scores = self._weights(bottom, valid), self._scores(bottom, valid)
        if self._own:
            of, hit = self._class_of_score.ravel(), labels == 1
            predicted = scores.ravel() > self.threshold
            chosen = [(of, hit & predicted), (of, predicted), (of, hit)]
        else:
            guess = arrays.argmax(scores, self._axis).ravel()
            chosen = [(labels, guess == labels), (guess, None), (labels, None)]
        for i, (index, where) in enumerate(chosen):
            counted = where if valid is None else valid if where is None else where & valid
            self._counts[i] += count(self.xp, index, self._classes, weights, counted)

    def values(self):
        counts = self._counts
        if self.average == "micro" and self.positive_class is None:
            counts = counts.sum(1, keepdims=True)
        hits, predicted, true = counts
        found = precision_recall_f(hits, predicted, true, self.beta)
        return [self._summary(np.where(np.isnan(x), 0, x), predicted + true > 0, true) for x in found]
