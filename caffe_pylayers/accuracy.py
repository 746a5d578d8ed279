"""Shares of labels that are among the best scores, over a whole test pass.

    layer {
      name: "by_class"  type: "Python"  include { phase: TEST }
      bottom: "ip2"  bottom: "label"  top: "by_class"
      python_param { module: "caffe_pylayers.accuracy"  layer: "ClassAccuracy" }
    }
    layer {
      name: "balanced"  type: "Python"  include { phase: TEST }
      bottom: "ip2"  bottom: "label"  top: "balanced"
      python_param { module: "caffe_pylayers.accuracy"  layer: "BalancedAccuracy" }
    }
    layer {
      name: "top"  type: "Python"  include { phase: TEST }
      bottom: "ip2"  bottom: "label"  top: "top1"  top: "top5"
      python_param { module: "caffe_pylayers.accuracy"  layer: "TopKAccuracy"  param_str: '{"k": [1, 5]}' }
    }

A class with the label's score counts as better than the label, as in Caffe's Accuracy: a net that
gives all classes one score is never right.
"""

from __future__ import annotations

import numpy as np

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.metrics.class_metric import ClassMetric, count, mean, ratio

__all__ = ["BalancedAccuracy", "ClassAccuracy", "TopKAccuracy", "label_ranks"]


def label_ranks(xp, scores, labels, axis=1):
    """Return the rank of each label among the classes, flat: 1 where its score is above all others.

        rank = C - #{c : s_c < s_label}

    so that classes with the label's score count against it.

    labels: int64 in [0, C), the shape of scores with 1 on the class axis.
    """
    own = arrays.take_along(scores, labels, axis)
    return (scores.shape[axis] - (scores < own).sum(axis)).ravel()


class _Ranks(ClassMetric):
    """A metric of the labels' ranks."""

    def _ranks(self, scores, labels):
        shape = tuple(scores.shape)
        return label_ranks(
            self.xp, scores, labels.reshape(*shape[: self._axis], 1, *shape[self._axis + 1 :]), self._axis
        )

    def _check_k(self, name, k):
        if k > self._classes:
            raise checks.error(self, f"parameter {name} is {k}, but bottom[0] (scores) has {self._classes} classes")


class _ByClass(_Ranks):
    """Counts the labels of each class, and those among the top_k best scores."""

    top_k = Parameter(int, 1, low=1, doc="a label is right when fewer than top_k other classes score as high")

    def start(self):
        self._right, self._count = np.zeros((2, self._classes))

    def update(self, bottom):
        labels, valid = self._labels(bottom)
        weights = self._weights(bottom, valid)
        right = self._ranks(self._scores(bottom, valid), labels) <= self.top_k
        self._count += count(self.xp, labels, self._classes, weights, valid)
        self._right += count(self.xp, labels, self._classes, weights, right if valid is None else right & valid)


class ClassAccuracy(_ByClass):
    """The accuracy of each class: of its labels, the share that is predicted.

    a_c = sum(w [rank <= top_k], labels c) / sum(w, labels c), which is the recall of c for top_k 1.

    Bottom:
        [0] scores (N, C, ...), with the classes on the axis
        [1] labels, integers in [0, C), one for each position: (N,), (N, 1), (N, H, W), ...
        [2] weights w, optional: shaped like the labels, or (N,). Default: 1
    Top:
        [0] accuracies (C,), 0 for a class without labels
        [1] accuracy, optional: that of all labels, (1,), 0 over none
    Backward:
        Zeros: a count has no gradient.
    Raises:
        ValueError for a label that is no integer in [0, C), for scores that are NaN where a label
        counts, for a top_k above C, and for shapes that do not fit.
    References:
        Caffe's Accuracy with two tops, in the other order: there the mean over the batches of a
        pass is printed, in which a batch without a class counts as one where all of it was wrong.
        Here it is the accuracy over the pass.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> scores = [[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]]
        >>> LayerRun(ClassAccuracy, [scores, [0, 0, 1]]).forward()[0]
        array([0.5, 1. ])
    """

    def setup(self, bottom, top):
        checks.tops(self, top, "accuracies", "accuracy", optional=1)

    def plan(self, scores, labels, weights=None):
        classes = self._plan_classes(scores, labels, weights)
        self._check_k("top_k", self.top_k)
        return [(classes,), (1,)]

    def values(self):
        return ratio(self._right, self._count), ratio(self._right.sum(), self._count.sum())


class BalancedAccuracy(_ByClass):
    """The mean of the classes' accuracies: each class counts the same, however many samples it has.

    accuracy = mean(a_c, classes with labels); adjusted: (accuracy - 1 / K) / (1 - 1 / K), with K
    these classes' number.

    Bottom:
        [0] scores (N, C, ...), with the classes on the axis
        [1] labels, integers in [0, C), one for each position: (N,), (N, 1), (N, H, W), ...
        [2] weights, optional: shaped like the labels, or (N,). Default: 1
    Top:
        [0] accuracy (1,), 0 over no labels
    Backward:
        Zeros: a count has no gradient.
    Raises:
        ValueError for a label that is no integer in [0, C), for scores that are NaN where a label
        counts, for a top_k above C, and for shapes that do not fit.
    References:
        scikit-learn's balanced_accuracy_score. Brodersen et al., "The Balanced Accuracy and Its
        Posterior Distribution", 2010, https://doi.org/10.1109/ICPR.2010.764. The mean accuracy of
        segmentation, see PixelAccuracy.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> scores = [[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]]
        >>> LayerRun(BalancedAccuracy, [scores, [0, 0, 1]]).forward()[0]
        array([0.75])
    """

    adjusted = Parameter(bool, False, doc="true: 0 for guessing and 1 for no error, instead of 1/K and 1")

    def setup(self, bottom, top):
        checks.tops(self, top, "accuracy")

    def plan(self, scores, labels, weights=None):
        self._plan_classes(scores, labels, weights)
        self._check_k("top_k", self.top_k)
        return [(1,)]

    def values(self):
        accuracy = mean(ratio(self._right, self._count))
        if self.adjusted:
            chance = ratio(1.0, np.count_nonzero(self._count))
            accuracy = ratio(accuracy - chance, 1 - chance)
        return [accuracy]


class TopKAccuracy(_Ranks):
    """The share of labels among the k best scores, for several k at once.

    a_k = sum(w [rank <= k]) / sum(w)

    Bottom:
        [0] scores (N, C, ...), with the classes on the axis
        [1] labels, integers in [0, C), one for each position: (N,), (N, 1), (N, H, W), ...
        [2] weights w, optional: shaped like the labels, or (N,). Default: 1
    Top:
        One for each k, (1,), in the order of k; or one alone with all of them, (K,).
        0 over no labels.
    Backward:
        Zeros: a count has no gradient.
    Raises:
        ValueError for a label that is no integer in [0, C), for scores that are NaN where a label
        counts, for a k above C, for a number of tops that is neither 1 nor K, and for shapes that
        do not fit.
    References:
        With one k and batches of one size it is Caffe's Accuracy, which takes one layer for each k; with lowest that of
        caffe-windows with min_is_better.
        Russakovsky et al., "ImageNet Large Scale Visual Recognition Challenge", 2015, arXiv:1409.0575.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> scores = [[0.6, 0.3, 0.1], [0.5, 0.3, 0.2]]
        >>> LayerRun(TopKAccuracy, [scores, [1, 0]], param_str='{"k": [1, 2]}').forward()[0]
        array([0.5, 1. ])
    """

    k = Parameter([int], (1, 5), low=1, length=(1, None), doc="for each: a label among the k best scores is right")
    lowest = Parameter(bool, False, doc="the best scores are the lowest ones, as those that are distances")

    def setup(self, bottom, top):
        if len(top) not in (1, len(self.k)):
            raise checks.error(self, f"needs 1 top, or {len(self.k)}, one for each k of {list(self.k)}, got {len(top)}")
        self._together = len(top) == 1

    def plan(self, scores, labels, weights=None):
        self._plan_classes(scores, labels, weights)
        self._check_k("k", max(self.k))
        return [(len(self.k),)] if self._together else [(1,)] * len(self.k)

    def start(self):
        self._by_rank = np.zeros(self._classes + 1)

    def update(self, bottom):
        labels, valid = self._labels(bottom)
        scores = self._scores(bottom, valid)
        ranks = self._ranks(-scores if self.lowest else scores, labels)
        self._by_rank += count(self.xp, ranks, self._classes + 1, self._weights(bottom, valid), valid)

    def values(self):
        right = self._by_rank.cumsum()
        accuracies = ratio(right[list(self.k)], right[-1])
        return [accuracies] if self._together else list(accuracies)
