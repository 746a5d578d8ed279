"""Retrieval and verification: how good embeddings are, over a whole test pass.

layer {
  name: "recall"  type: "Python"  bottom: "embedding"  bottom: "label"  top: "recall"
  include { phase: TEST }
  python_param {
    module: "caffe_pylayers.retrieval"  layer: "RecallAtK"  param_str: "{'k': [1, 5]}"
  }
}
layer {
  name: "verification"  type: "Python"  bottom: "distance"  bottom: "same"  top: "eer"  top: "accuracy"  top: "tar"
  include { phase: TEST }
  python_param {
    module: "caffe_pylayers.retrieval"  layer: "Verification"  param_str: "{'far': [0.001]}"
  }
}
"""

from __future__ import annotations

import numpy as np

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.embeddings.cosines import unit_vectors
from caffe_pylayers._layer.embeddings.distances import squares_between
from caffe_pylayers._layer.embeddings.rows import check_labels, check_rows, ranked_features, without_ignored
from caffe_pylayers._layer.metrics.metric import Metric

__all__ = ["RecallAtK", "Verification", "best_accuracy", "equal_error_rate", "error_rates", "merge_nearest"]


def merge_nearest(xp, found, distances, same):
    """Return found, (distances, same) of the nearest of each row so far, with more neighbours among them.

    found: (N, k) each, nearest first. distances, same: (N, M). Of equal distances the earlier one comes first.
    """
    k = found[0].shape[1]
    distances = xp.concatenate((found[0], distances), 1)
    order = arrays.argsort(distances, 1)[:, :k]
    return arrays.take_along(distances, order, 1), arrays.take_along(xp.concatenate((found[1], same), 1), order, 1)


def error_rates(distances, same):
    """Return (false, true, thresholds): the rates of pairs accepted, d <= threshold, of different and of same ones.

    They begin with none accepted, at the threshold -inf; then each distance is one, in ascending order.
    """
    thresholds, index = np.unique(distances, return_inverse=True)
    accepted = [
        np.concatenate([[0], np.bincount(index[chosen], minlength=len(thresholds)).cumsum()])
        for chosen in (~same, same)
    ]
    false, true = (counts / counts[-1] if counts[-1] else np.full(len(counts), np.nan) for counts in accepted)
    return false, true, np.concatenate([[-np.inf], thresholds])


def equal_error_rate(false, true):
    """Return the rate at which as many different pairs are accepted as same ones are rejected, NaN without either.

    Between thresholds the rates are on a straight line.
    """
    excess = false - (1 - true)
    if np.isnan(excess).any():
        return np.nan
    after = int(np.argmax(excess >= 0))
    share = -excess[after - 1] / (excess[after] - excess[after - 1])
    return false[after - 1] + share * (false[after] - false[after - 1])


def best_accuracy(false, true, thresholds, share):
    """Return the best accuracy of any threshold and the middle between that threshold and the next, NaN without pairs.

    share: of the same pairs among all.
    """
    if len(thresholds) == 1:
        return np.nan, np.nan
    accuracies = share * np.nan_to_num(true) + (1 - share) * (1 - np.nan_to_num(false))
    best = int(np.argmax(accuracies))
    ends = np.concatenate([thresholds[1:2], thresholds[1:], thresholds[-1:]])
    return accuracies[best], (ends[best] + ends[best + 1]) / 2


class RecallAtK(Metric):
    """Share of samples that have one of their own label among their k nearest neighbours.

    recall@k = |{i: a j != i with label_j = label_i is among the k nearest to x_i}| / |{i: there is such a j}|,
    over all samples of the pass, each a query and a neighbour of the others.

    Bottom:
        [0] features x (N, ...), whose values after the first axis make the vector
        [1] labels (N,), (N, 1) or (N, 1, 1, 1): equal ones belong together
    Top:
        [0] recall (K,), a value for each k
    Backward:
        Zeros.
    Raises:
        ValueError for another number of labels than features, for features that are not finite, and for labels that are
        not finite.
    References:
        Jegou, Douze, Schmid, "Product Quantization for Nearest Neighbor Search", 2011, doi:10.1109/TPAMI.2010.57;
        for embeddings as in Song et al., 2016, arXiv:1511.06452. A pass of N samples keeps their N D values and
        k neighbours of each, where they were computed; a batch costs its distances from all samples so far.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> bottoms = [[[0.0], [1.0], [1.5], [9.0]], [7, 7, 8, 8]]
        >>> LayerRun(RecallAtK, bottoms, param_str='{"k": [1, 3]}').forward()[0]
        array([0.5, 1. ])
    """

    array_api = True

    k = Parameter([int], (1,), low=1, length=(1, None), doc="numbers of neighbours")
    distance = Parameter(str, "euclidean", choices=("euclidean", "cosine"), doc="cosine: of vectors of length 1")
    ignore_label = Parameter(int, None, doc="samples with this label are neither queries nor neighbours")

    def setup(self, bottom, top):
        checks.tops(self, top, "recall")

    def plan(self, features, labels):
        self._shape = check_rows(self, features, labels)
        return [(len(self.k),)]

    def start(self):
        self._features = None

    def update(self, bottom):
        features, labels = bottom[0].data.reshape(self._shape), bottom[1].data.reshape(-1) * 1
        check_labels(self, labels)
        features = ranked_features(self, without_ignored(features, labels, self.ignore_label))
        if self.ignore_label is not None:
            features, labels = features[labels != self.ignore_label], labels[labels != self.ignore_label]
        if self.distance == "cosine":
            features, _ = unit_vectors(self.xp, features)
        if self._features is None:
            self._features, self._labels, self._partners = features[:0], labels[:0], labels[:0]
            self._found = self._no_neighbours(features[:0])
        self._meet(features, labels)

    def values(self):
        queries = self._partners > 0
        count = int(queries.sum())
        found = [int((self._found[1][:, :k].any(1) & queries).sum()) for k in self.k]
        return [[n / count if count else np.nan for n in found]]

    def _meet(self, features, labels):
        """Take new samples: each may be a neighbour of every other, old or new."""
        xp, old = self.xp, len(self._labels)
        self._features = xp.concatenate((self._features, features), 0)
        self._labels = xp.concatenate((self._labels, labels), 0)
        squares = squares_between(xp, self._features, features)
        same = self._labels[:, None] == labels[None, :]
        squares[old:].reshape(-1)[:: len(labels) + 1] = xp.inf  # of a sample from itself
        same[old:].reshape(-1)[:: len(labels) + 1] = False
        self._partners = xp.concatenate((self._partners + same[:old].sum(1), labels * 0 + same.sum(0)), 0)
        if old and len(labels):
            self._meet_old(squares[:old], same[:old])
        found = merge_nearest(xp, self._no_neighbours(features), squares.T, same.T)
        self._found = [xp.concatenate(both, 0) for both in zip(self._found, found)]

    def _meet_old(self, squares, same):
        distances, marks = self._found
        (rows,) = self.xp.where(self.xp.amin(squares, 1) < distances[:, -1])  # the others keep their neighbours
        merged = merge_nearest(self.xp, (distances[rows], marks[rows]), squares[rows], same[rows])
        distances[rows], marks[rows] = merged

    def _no_neighbours(self, features):
        """Return neighbours infinitely far and of no label, for each of the features."""
        distances = arrays.new(features, (len(features), max(self.k)))
        arrays.fill(distances, self.xp.inf)
        return distances, distances < 0


class Verification(Metric):
    """Whether distances tell pairs that belong together from others: equal error rate, accuracy, TAR at FAR.

    At a threshold t pairs with d <= t are accepted: FAR(t) is the share of accepted ones among different pairs, TAR(t)
    among same pairs, over the whole pass.

    Bottom:
        [0] distances d (N,), (N, 1) or (N, 1, 1, 1); or similarities
        [1] same, as many: 1 for a pair that belongs together, 0 for one that does not
    Top:
        [0] equal error rate, EER (1,): FAR where it is 1 - TAR
        [1] accuracy (1,), optional: the best of any threshold
        [2] TAR (F,), optional: the largest with FAR not above each value of far
        [3] threshold (1,), optional: that of the best accuracy, half way to the next pair
    Backward:
        Zeros.
    Raises:
        ValueError for another number of labels than distances, for a label that is not 0, 1 or ignore_label, and for
        a distance that is not finite.
    References:
        Huang, Ramesh, Berg, Learned-Miller, "Labeled Faces in the Wild", 2007, and Klare et al., "IARPA Janus
        Benchmark A", 2015. Squared distances of two blobs are Caffe's Eltwise { operation: SUM coeff: 1 coeff: -1 }
        and Reduction { operation: SUMSQ axis: 1 }. Of LFW's ten folds the accuracy knows nothing.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(Verification, [[0.1, 0.2, 0.3, 0.9], [1, 1, 0, 0]], tops=3)
        >>> [top.tolist() for top in run.forward()]
        [[0.0], [1.0], [1.0]]
    """

    score = Parameter(str, "distance", choices=("distance", "similarity"), doc="similarity: same pairs have more of it")
    far = Parameter([float], (0.001,), low=0, high=1, length=(1, None), doc="false accept rates at which TAR is given")
    ignore_label = Parameter(int, None, doc="pairs with this label take no part")

    def setup(self, bottom, top):
        checks.tops(self, top, "eer", "accuracy", "tar", "threshold", optional=3)

    def plan(self, distances, same):
        pairs = (int(np.prod(distances.shape)), 2)
        checks.one_label_each(self, "bottom[1] (same)", same.shape, "bottom[0] (distances)", pairs, 1)
        return [(1,), (1,), (len(self.far),), (1,)]

    def start(self):
        self._distances, self._same = [], []

    def update(self, bottom):
        same, valid = checks.class_labels(self, bottom[1].data, 2, self.ignore_label)
        distances = bottom[0].data.reshape(-1)
        checks.numbers(self, "bottom[0] (distances)", distances, valid)
        distances = distances * (1 if self.score == "distance" else -1)
        distances = distances if valid is None else distances[valid]
        self._distances.append(distances)
        self._same.append(same == 1 if valid is None else same[valid] == 1)

    def values(self):
        distances, same = np.concatenate(self._distances), np.concatenate(self._same)
        false, true, thresholds = error_rates(distances, same)
        accuracy, threshold = best_accuracy(false, true, thresholds, same.mean() if len(same) else np.nan)
        threshold = threshold if self.score == "distance" else -threshold
        tar = [np.max(true[false <= far]) if same.any() and not same.all() else np.nan for far in self.far]
        return [[equal_error_rate(false, true)], [accuracy], tar, [threshold]]
