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
from caffe_pylayers._layer.metrics.class_metric import ratio
from caffe_pylayers._layer.metrics.one_vs_rest import OneVsRestMetric
from caffe_pylayers._layer.metrics.pictures import Lines
from caffe_pylayers._layer.metrics.ranking import merged, no_ranking, sums_below

__all__ = ["AUC", "AveragePrecision", "precision_recall_area", "precision_recall_curve", "roc_area", "roc_curve"]

MOST_CURVES, MOST_POINTS = 10, 1000  # in a picture: classes, and points of each


# Scores (n, C) ascend in each column; positives and negatives are (n, C) weights, 0 where a score is not of the kind.


def roc_area(scores, positives, negatives):
    """Return the area under the ROC curve by column, NaN without a positive or a negative.

        sum_pn w_p w_n ([s_p > s_n] + [s_p = s_n] / 2) / sum_pn w_p w_n

    over the pairs of a positive p and a negative n.
    """
    won = (positives * sums_below(negatives, scores)).sum(0)
    lost = (negatives * sums_below(positives, scores)).sum(0)
    pairs = positives.sum(0) * negatives.sum(0)
    return ratio(won + pairs - lost, 2 * pairs)


def precision_recall_area(scores, positives, negatives):
    """Return the area under the steps of the precision-recall curve by column, NaN without a positive.

        sum_p w_p P(s_p) / sum_p w_p

    over the positives p, with P(s) the precision of what scores s or higher: the average precision.
    """
    weights = positives + negatives
    found = positives.sum(0) - sums_below(positives, scores)
    taken = weights.sum(0) - sums_below(weights, scores)
    precision = np.divide(found, taken, out=np.zeros_like(found), where=positives > 0)
    return ratio((positives * precision).sum(0), positives.sum(0))


def roc_curve(scores, positives, negatives, most=MOST_POINTS):
    """Return the false and the true positive rates of the thresholds on one column, (n,), from (0, 0) to (1, 1)."""
    true, false = (np.append(0.0, x) for x in _above_thresholds(scores, positives, negatives, most))
    return ratio(false, false[-1]), ratio(true, true[-1])


def precision_recall_curve(scores, positives, negatives, most=MOST_POINTS):
    """Return the recalls and the precisions of the thresholds on one column, (n,), from the highest down."""
    true, false = _above_thresholds(scores, positives, negatives, most)
    return ratio(true, true[-1:].sum()), ratio(true, true + false)


def _above_thresholds(scores, positives, negatives, most):
    """Return the weights of positives and of negatives at or above each score, from the highest down.

    most: of so many scores at most, evenly chosen.
    """
    scores = scores[::-1]
    ends = np.flatnonzero(np.append(scores[1:] != scores[:-1], True)[: len(scores)])
    if len(ends) > most:
        ends = ends[np.linspace(0, len(ends) - 1, most).round().astype(np.int64)]
    return [weights[::-1].cumsum()[ends] for weights in (positives, negatives)]


class _Area(OneVsRestMetric):
    """An area by class, ``area``, from the ranking of the pass's scores."""

    array_api = False

    def setup(self, bottom, top):
        checks.tops(self, top, "area")

    def plan(self, scores, labels, weights=None):
        return [self._plan_one_vs_rest(scores, labels, weights)]

    def start(self):
        micro = self.average == "micro" and self.positive_class is None
        self._columns = 1 if micro else self._classes
        self._ranking = no_ranking(self._columns)

    def update(self, bottom):
        labels, valid = self._labels(bottom)
        scores, weights = self._scores(bottom, valid), self._weights(bottom, valid)
        if weights is None:
            weights = np.ones(labels.shape)
        if valid is not None:
            weights = np.where(valid, weights, 0.0)
        if self._own:
            positive, weights = self._by_class(labels == 1), self._by_class(weights)
        else:
            positive = labels[:, None] == np.arange(self._classes)
            weights = np.broadcast_to(weights[:, None], positive.shape)
        batch = (x.reshape(-1, self._columns) for x in (self._by_class(scores), positive, weights))
        self._ranking = merged(self._ranking, *batch)

    def values(self):
        area = self.area(*self._ranking)
        if len(area) != self._classes:  # micro
            return [area]
        labels = self._ranking.positives.sum(0)
        return [self._summary(np.where(np.isnan(area), 0, area), ~np.isnan(area), labels)]

    def picture(self):
        area = self.area(*self._ranking)
        shown = [c for c in range(self._columns) if not np.isnan(area[c]) and self.positive_class in (None, c)]
        names = [f"{area[c]:.4f}" if self._columns == 1 else f"{c}: {area[c]:.4f}" for c in shown]
        columns = ([x[:, c] for x in self._ranking] for c in shown[:MOST_CURVES])
        curves = [(name, *self.curve(*column)) for name, column in zip(names, columns)]
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
        ValueError for a label that is no integer in its range, for scores that are NaN where a
        label counts, and for shapes that do not fit.
    References:
        scikit-learn's roc_auc_score, for several classes with multi_class="ovr". Fawcett, "An
        Introduction to ROC Analysis", 2006, https://doi.org/10.1016/j.patrec.2005.10.010.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(AUC, [[0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]]).forward()[0]
        array([0.75])
    """

    area, curve = staticmethod(roc_area), staticmethod(roc_curve)

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
        ValueError for a label that is no integer in its range, for scores that are NaN where a
        label counts, and for shapes that do not fit.
    References:
        scikit-learn's average_precision_score, which interpolates nothing. VOC's 11 points and its
        envelope are of detection. Published mAP layers for several labels at a position.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(AveragePrecision, [[0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]]).forward()[0].round(3)
        array([0.833])
    """

    area, curve = staticmethod(precision_recall_area), staticmethod(precision_recall_curve)

    def lines(self, curves):
        return Lines("average precision", curves, "recall", "precision")
