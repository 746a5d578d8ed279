"""Areas under the curves that a threshold draws through scores, over a whole test pass.

    layer {
      name: "auc"  type: "Python"  include { phase: TEST }
      bottom: "score"  bottom: "label"  top: "auc"
      python_param { module: "caffe_pylayers.curves"  layer: "AUC" }
    }
    layer {
      name: "ap"  type: "Python"  include { phase: TEST }
      bottom: "score"  bottom: "label"  top: "ap"
      python_param { module: "caffe_pylayers.curves"  layer: "AveragePrecision" }
    }

All scores of the pass are kept, 20 bytes each: the areas are exact, with equal scores too.
``caffe-pylayers train`` draws the curves after each test, of ten classes at most.
"""

from __future__ import annotations

import numpy as np

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.metrics.one_vs_rest import OneVsRestMetric
from caffe_pylayers._layer.metrics.pictures import Lines
from caffe_pylayers._layer.metrics.ranking import (
    Ranking,
    average_precision,
    precision_recall_curve,
    roc_area,
    roc_curve,
)

__all__ = ["AUC", "AveragePrecision"]

MOST_CURVES = 10  # classes in a picture


class _Area(OneVsRestMetric):
    """An area by class, from the ranking of the pass's scores."""

    array_api = False

    def setup(self, bottom, top):
        checks.tops(self, top, "area")

    def plan(self, scores, labels, weights=None):
        return [self._plan_one_vs_rest(scores, labels, weights)]

    def start(self):
        micro = self.average == "micro" and self.positive is None
        self._columns = 1 if micro else self._classes
        self._ranking = Ranking(self._columns, np.float32)

    def update(self, bottom):
        scores = bottom[0].data
        if np.isnan(scores).any():
            raise checks.error(self, f"bottom[0] (scores) holds {np.isnan(scores).sum()} NaN, which have no rank")
        labels, valid = self._labels(bottom)
        weights = self._weights(bottom)
        if weights is None:
            weights = np.ones(labels.shape)
        if valid is not None:
            weights = weights * valid
        if self._own:
            positive, weights = self._by_class(labels == 1), self._by_class(weights)
        else:
            positive = labels[:, None] == np.arange(self._classes)
            weights = np.broadcast_to(weights[:, None], positive.shape)
        self._ranking.add(*(x.reshape(-1, self._columns) for x in (self._by_class(scores), positive, weights)))

    def values(self):
        area = self.area(self._ranking)
        if len(area) != self._classes:  # micro
            return [area]
        labels = self._ranking.positives.sum(0)
        return [self._summary(np.where(np.isnan(area), 0, area), ~np.isnan(area), labels)]

    def picture(self):
        area = self.area(self._ranking)
        shown = [c for c in range(self._columns) if not np.isnan(area[c]) and self.positive in (None, c)]
        names = [f"{area[c]:.4f}" if self._columns == 1 else f"{c}: {area[c]:.4f}" for c in shown]
        curves = [(name, *self.curve(self._ranking, c)) for name, c in zip(names, shown[:MOST_CURVES])]
        return self.lines(curves) if curves else None

    def _by_class(self, values):
        """Return values, one for each score, as (n, C)."""
        return np.moveaxis(values.reshape(self._shape), self._axis, -1).reshape(-1, self._classes)


class AUC(_Area):
    """The area under the ROC curve: how often a positive scores higher than a negative.

    AUC_c = P(s_c of a label c > s_c of another label) + P(equal) / 2

    Bottom:
        [0] scores (N, C, ...), with the classes on the axis; or (N,), of a yes or no
        [1] labels, integers in [0, C), one for each position: each class against the rest. Or 0 or
            1, one for each score
        [2] weights, optional: one for each position, or (N,). Default: 1
    Top:
        [0] area (1,); (C,) with an average of "none". A class without positives or without
            negatives has none: it is left out of an average, and 0 by itself.
    Backward:
        Zeros: a rank has no gradient.
    Raises:
        ValueError for a label that is no integer in its range, for scores that are NaN, and for
        shapes that do not fit.
    References:
        scikit-learn's roc_auc_score, for several classes with multi_class="ovr". Fawcett, "An
        Introduction to ROC Analysis", 2006, https://doi.org/10.1016/j.patrec.2005.10.010.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(AUC, [[0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]]).forward()[0]
        array([0.75])
    """

    def area(self, ranking):
        return roc_area(ranking)

    def curve(self, ranking, column):
        return roc_curve(ranking, column)

    def lines(self, curves):
        return Lines("area under the ROC curve", curves, "false positive rate", "true positive rate", diagonal=True)


class AveragePrecision(_Area):
    """The area under the steps of the precision-recall curve; mAP for several classes.

    AP_c = sum_n (R_n - R_(n-1)) P_n, over the thresholds from the highest score down, with the
    precision P_n and the recall R_n of what scores as high as the n-th or higher.

    Bottom:
        [0] scores (N, C, ...), with the classes on the axis; or (N,), of a yes or no
        [1] labels, integers in [0, C), one for each position: each class against the rest. Or 0 or
            1, one for each score
        [2] weights, optional: one for each position, or (N,). Default: 1
    Top:
        [0] average precision (1,); (C,) with an average of "none". A class without positives has
            none: it is left out of an average, and 0 by itself.
    Backward:
        Zeros: a rank has no gradient.
    Raises:
        ValueError for a label that is no integer in its range, for scores that are NaN, and for
        shapes that do not fit.
    References:
        scikit-learn's average_precision_score, which interpolates nothing. VOC's 11 points and its
        envelope are of detection. Published mAP layers for several labels at a position.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(AveragePrecision, [[0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]]).forward()[0].round(3)
        array([0.833])
    """

    def area(self, ranking):
        return average_precision(ranking)

    def curve(self, ranking, column):
        return precision_recall_curve(ranking, column)

    def lines(self, curves):
        return Lines("average precision", curves, "recall", "precision")
