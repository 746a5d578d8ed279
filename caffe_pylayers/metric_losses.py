"""Losses that compare each sample of a batch with many others at once.

layer {
  name: "loss"  type: "Python"  bottom: "embedding"  bottom: "label"  top: "loss"  loss_weight: 1
  python_param {
    module: "caffe_pylayers.metric_losses"  layer: "LiftedStructureLoss"  param_str: "{'margin': 1}"
  }
}
layer {
  name: "loss"  type: "Python"  bottom: "unit"  bottom: "label"  top: "loss"  loss_weight: 1
  python_param {
    module: "caffe_pylayers.metric_losses"  layer: "PairRankingLoss"
    param_str: "{'neg_num': 4, 'hard_ratio': 0.5, 'rand_ratio': 0.5, 'margin': 1}"
  }
}
"""

from __future__ import annotations

import numpy as np

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Layer, Parameter
from caffe_pylayers._layer.embeddings.distances import pairwise_backward, pairwise_squares, root_backward
from caffe_pylayers._layer.embeddings.embedding_loss import EmbeddingLoss
from caffe_pylayers._layer.embeddings.rows import (
    check_labels,
    check_same_rows,
    pairs_of,
    ranked_features,
    without_ignored,
)
from caffe_pylayers._layer.functions.draws import Draws, seed_parameter
from caffe_pylayers._layer.functions.log_sum_exp import NOTHING, log_sum_exp, log_sum_exp_backward
from caffe_pylayers._layer.functions.sigmoid import sigmoid, softplus
from caffe_pylayers._layer.functions.softmax import log_softmax, softmax_buffer, targets_backward
from caffe_pylayers._layer.losses.normalizers import normalization, normalizer

__all__ = [
    "LiftedStructureLoss",
    "NPairLoss",
    "PairRankingLoss",
    "choose_negatives",
    "lifted_structure_backward",
    "lifted_structure_forward",
    "n_pair_backward",
    "n_pair_forward",
]


def n_pair_forward(xp, similarities, targets):
    """Return (terms, log_p): for each anchor -sum(t log p), p the softmax over its row.

    similarities: (N, N), of anchors with positives.
    targets: t (N, N); a row of zeros has the term 0.
    """
    log_p = xp.empty_like(similarities)
    if len(log_p):
        log_softmax(xp, similarities, 1, log_p, softmax_buffer(similarities))
    return -(log_p * targets).sum(1), log_p


def n_pair_backward(xp, log_p, targets, scale):
    """Return scale times the gradient of the terms' sum with respect to the similarities: p sum(t) - t."""
    d_similarities = xp.empty_like(log_p)
    targets_backward(xp, log_p, targets, scale, 1, d_similarities)
    return d_similarities


def lifted_structure_forward(xp, distances, same, different, margin=1.0):
    """Return (J, L): J_ij = log(exp(L_i) + exp(L_j)) + d_ij, and L_i = log(sum_k(exp(margin - d_ik))), k different.

    J_ij is far below 0, where it does not count, if i and j are not the same or no k is different from them.
    """
    log_negatives = log_sum_exp(xp, xp.where(different, margin - distances, NOTHING))
    # Samples of one label have the same negatives, or none: L_i and L_j are both numbers, or both NOTHING.
    j = softplus(xp, log_negatives[None, :] - log_negatives[:, None])
    j += log_negatives[:, None] + distances
    return xp.where(same, j, NOTHING), log_negatives


def lifted_structure_backward(xp, distances, different, j, log_negatives, margin=1.0):
    """Return the gradient of sum(max(0, J)**2) with respect to the distances; j and log_negatives: of forward."""
    d_j = 2 * j.clip(0, None)
    shares = sigmoid(xp, log_negatives[:, None] - log_negatives[None, :])  # of exp(L_i) in J_ij, which is J_ji too
    d_log_negatives = ((d_j + d_j.T) * shares).sum(1)[:, None]
    shares = log_sum_exp_backward(xp, margin - distances, log_negatives[:, None])
    return d_j - arrays.astype(different, shares) * d_log_negatives * shares


def choose_negatives(random, products, candidates, neg_num, hard, rand):
    """Return which candidates of each row are taken, booleans (A, N): all where there are at most neg_num of them.

    Of more, `hard` of the neg_num with the largest products, drawn at random, and `rand` of all others.

    random: numpy's generator. products, candidates: numpy's, (A, N).
    """
    order = np.argsort(np.where(candidates, -products, np.inf), 1, kind="stable")
    hardest = _places(order) < neg_num
    few = candidates.sum(1, keepdims=True) <= neg_num
    taken = _drawn(random, candidates & hardest, hard)
    taken |= _drawn(random, candidates & ~taken, rand)
    return np.where(few, candidates, taken)


def _drawn(random, where, number):
    """Return where, of each row at so many of its places alone, or all if it has fewer."""
    keys = np.where(where, random.random(where.shape), np.inf)
    return where & (_places(np.argsort(keys, 1)) < number)


def _places(order):
    """Return for each item of a row its place in the row's order."""
    places = np.empty_like(order)
    np.put_along_axis(places, order, np.arange(order.shape[1])[None], 1)
    return places


class NPairLoss(Layer):
    """Softmax over the similarities of an anchor with all positives of the batch.

    loss = -sum_i sum_j t_ij log p_ij / Z + l2_weight sum(|a|**2 + |p|**2) / N, with p_i the softmax of
    a_i p_j / temperature over j, and t_i one-hot at i, or uniform over the positives of the anchor's label.

    Bottom:
        [0] anchors a (N, ...), whose values after the first axis make the vector
        [1] positives p, the shape of a; p_i belongs to a_i
        [2] labels (N,), (N, 1) or (N, 1, 1, 1), optional: equal ones belong together. Default: every pair has its own
    Top:
        [0] loss (1,)
    Backward:
        d_a_i = g sum_j (p_ij - t_ij) p_j / (temperature Z) + 2 g l2_weight a_i / N, d_p alike; zeros to the labels.
    Raises:
        ValueError for shapes that do not fit, and for labels that are not finite.
    References:
        Sohn, "Improved Deep Metric Learning with Multi-class N-pair Loss Objective", 2016,
        https://papers.nips.cc/paper/6200; with labels it is TensorFlow's npairs_loss, whose reg_lambda is 4
        l2_weight. On normalised vectors with a temperature it is InfoNCE (van den Oord et al., 2018,
        arXiv:1807.03748), from the anchors' side.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(NPairLoss, [[[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]]])
        >>> run.forward()[0]  # log(1 + exp(-1))
        array([0.31326169])
    """

    array_api = True

    temperature = Parameter(float, 1.0, above=0, doc="divides the similarities")
    l2_weight = Parameter(float, 0.0, low=0, doc="of the mean squared length of anchors and positives")
    ignore_label = Parameter(int, None, doc="pairs with this label take no part as anchors, nor as positives")
    normalization = normalization("batch", valid="the pairs without ignore_label")

    def setup(self, bottom, top):
        checks.tops(self, top, "loss")

    def plan(self, anchors, positives, labels=None):
        self._shape = n, _ = check_same_rows(self, anchors=anchors, positives=positives)
        if labels is not None:
            checks.one_label_each(self, "bottom[2] (labels)", labels.shape, "bottom[0] (anchors)", self._shape, 1)
        each = arrays.arange_like(anchors, n)
        self._targets, self._valid = arrays.astype(each[:, None] == each[None, :], anchors), n
        return [(1,)]

    def forward(self, bottom, top):
        self._pairs = anchors, positives = [bottom[i].data.reshape(self._shape) for i in range(2)]
        labels = bottom[2].data.reshape(-1) if len(bottom) > 2 else None
        if labels is not None:
            self._pairs = anchors, positives = [without_ignored(x, labels, self.ignore_label) for x in self._pairs]
        similarities = anchors @ positives.T
        if self.temperature != 1:
            similarities /= self.temperature
        if labels is not None:
            self._read_labels(labels, similarities)
        terms, self._log_p = n_pair_forward(self.xp, similarities, self._targets)
        n = len(anchors)
        self._normalizer = normalizer(self.normalization, n, n, self._valid)
        loss = terms.sum() / self._normalizer
        if self.l2_weight:
            loss += self.l2_weight / max(n, 1) * ((anchors * anchors).sum() + (positives * positives).sum())
        top[0].data[...] = loss

    def backward(self, top, propagate_down, bottom):
        loss_weight, n = top[0].diff[0], self._shape[0]
        scale = loss_weight / (self._normalizer * self.temperature)
        d_similarities = n_pair_backward(self.xp, self._log_p, self._targets, scale)
        for i, matrix in enumerate((d_similarities, d_similarities.T)):
            if propagate_down[i]:
                d_x = bottom[i].diff.reshape(self._shape)
                self.xp.matmul(matrix, self._pairs[1 - i], out=d_x)
                if self.l2_weight:
                    d_x += self._pairs[i] * (2 * self.l2_weight / max(n, 1) * loss_weight)
        if len(bottom) > 2 and propagate_down[2]:
            arrays.fill(bottom[2].diff, 0)

    def _read_labels(self, labels, similarities):
        """Share each anchor's target among the positives of its label; leave out what is ignored."""
        check_labels(self, labels, 2)
        same = labels[:, None] == labels[None, :]
        if self.ignore_label is not None:
            valid = labels != self.ignore_label
            same &= valid[:, None]
            arrays.put_where(similarities, ~valid[None], NOTHING)
            self._valid = arrays.count_true(valid)
        self._targets = arrays.astype(same, similarities)
        self._targets /= self._targets.sum(1)[:, None].clip(1, None)


class LiftedStructureLoss(EmbeddingLoss):
    """Every pair of one label against all negatives of both.

    loss = sum over pairs i < j of one label of max(0, J_ij)**2 / (2 Z),
    J_ij = log(sum_k exp(margin - d_ik) + sum_l exp(margin - d_jl)) + d_ij,
    with d Euclidean, k over the samples of another label than i's, and l than j's.

    Bottom:
        [0] features (N, ...), whose values after the first axis make the vector
        [1] labels (N,), (N, 1) or (N, 1, 1, 1): equal ones belong together
    Top:
        [0] loss (1,); 0 for a batch without such pairs or without negatives
    Backward:
        The gradient of the formula; a distance of 0 has a gradient of 0. Zeros to the labels.
    Raises:
        ValueError for another number of labels than features, and for labels that are not finite.
    References:
        Song, Xiang, Jegelka, Savarese, "Deep Metric Learning via Lifted Structured Feature Embedding", 2016,
        arXiv:1511.06452, and its Caffe's LiftedStructSimilaritySoftmaxLoss: the default normalization.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(LiftedStructureLoss, [[[0.0], [1.0], [1.0]], [7, 7, 8]]).forward()[0].round(6)
        array([2.67559])
    """

    margin = Parameter(float, 1.0, doc="alpha, by which negatives are to be farther")
    normalization = normalization(
        "positives",
        full="the pairs i < j",
        valid="those without ignore_label",
        more={"positives": "those of one label"},
    )

    def loss(self, features, labels):
        self._features, self._distances = features, self.xp.sqrt(pairwise_squares(self.xp, features))
        same, self._different = pairs_of(self, labels)
        pairs = self._distances, same, self._different
        self._j, self._log_negatives = lifted_structure_forward(self.xp, *pairs, self.margin)
        self._normalizer = self._count_pairs(same)
        return (self._j.clip(0, None) ** 2).sum() / (4 * self._normalizer)

    def gradient(self, scale, d_features):
        d_distances = lifted_structure_backward(
            self.xp, self._distances, self._different, self._j, self._log_negatives, self.margin
        )
        d_distances *= scale / (4 * self._normalizer)
        d_squares = root_backward(self.xp, self._distances, d_distances)
        pairwise_backward(self.xp, self._features, d_squares, d_features)

    def _count_pairs(self, same):
        n = len(same)
        chosen = {"positives": same, "valid": same | self._different}.get(self.normalization)
        counted = 0 if chosen is None else arrays.count_true(chosen) // 2
        return normalizer(self.normalization, n, n * (n - 1) // 2, counted, positives=counted)


class PairRankingLoss(EmbeddingLoss):
    """Two neighbours in the batch are more alike than either is with what has another label, hard ones before others.

    loss = sum over a, n of (max(0, margin - a p + a n) + max(0, margin - a p + p n)) / (2 Z), with a the first sample
    of every pair_size, p the one behind it, n its negatives: samples of another label whose first term is not 0. Of
    more than neg_num of them, neg_num * hard_ratio of the neg_num most alike and neg_num * rand_ratio of all others.

    Bottom:
        [0] features (N, ...), whose values after the first axis make the vector, of length 1 where products are to be
            cosines; N a multiple of pair_size
        [1] labels (N,), (N, 1) or (N, 1, 1, 1); those of a counts for its pair
    Top:
        [0] loss (1,)
    Backward:
        Of the formula, with the choice of negatives held fixed. Zeros to the labels.
    Raises:
        ValueError for another number of labels than features, for features or labels that are not finite, and for an N
        that is no multiple of pair_size.
    References:
        Wang, Gupta, "Unsupervised Learning of Visual Representations using Videos", 2015, arXiv:1505.00687: two patches
        of a track against those of other videos. RankHardLoss of caffe-video_triplet, with the names of its fields,
        whose gradient leaves out the loss weight.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(PairRankingLoss, [[[1, 0], [0.5, 0], [0, 1], [0, 1]], [0, 0, 1, 1]])
        >>> run.forward()[0]  # the first pair's product is 0.5, the second's 1, of two pairs 0
        array([0.])
    """

    neg_num = Parameter(int, 1, low=1, doc="the most negatives of a pair; there may be fewer by the ratios")
    pair_size = Parameter(int, 2, low=2, doc="samples from one pair's first to the next one's")
    hard_ratio = Parameter(float, 1.0, low=0, doc="share of neg_num that is drawn of the most alike ones")
    rand_ratio = Parameter(float, 0.0, low=0, doc="share of neg_num that is drawn of all others")
    margin = Parameter(float, 0.5, low=0, doc="by which a pair's product is to be larger")
    seed = seed_parameter()
    normalization = normalization("full", batch="the pairs", full="the pairs times neg_num", valid=None)

    def setup(self, bottom, top):
        super().setup(bottom, top)
        self._draws = Draws(self.seed)

    def plan(self, features, labels):
        tops = super().plan(features, labels)
        if self._shape[0] % self.pair_size:
            raise checks.error(
                self,
                f"bottom[0] (features) of shape {tuple(features.shape)} must have a multiple of {self.pair_size} "
                "(pair_size) samples",
            )
        return tops

    def loss(self, features, labels):
        xp = self.xp
        self._features = ranked_features(self, features)
        first, second = features[:: self.pair_size], features[1 :: self.pair_size]
        _, different = pairs_of(self, labels)
        positive = self.margin - (first * second).sum(1)[:, None]
        products = first @ features.T
        terms = positive + products, positive + second @ features.T
        candidates = different[:: self.pair_size] & (terms[0] > 0)
        numbers = (self.neg_num, int(self.neg_num * self.hard_ratio), int(self.neg_num * self.rand_ratio))
        chosen = choose_negatives(self._draws.host, arrays.to_numpy(products), arrays.to_numpy(candidates), *numbers)
        chosen = arrays.from_numpy(chosen, products)
        self._active = [arrays.astype((chosen != 0) & (term > 0), features) for term in terms]
        pairs = len(first)
        self._normalizer = 2 * normalizer(self.normalization, pairs, pairs * self.neg_num)
        return sum(xp.where(active != 0, term, 0).sum() for active, term in zip(self._active, terms)) / (
            self._normalizer
        )

    def gradient(self, scale, d_features):
        if d_features is None:
            return
        size, features = self.pair_size, self._features
        first, second = features[::size], features[1::size]
        of_first, of_second = self._active
        pulled = (of_first.sum(1) + of_second.sum(1))[:, None]
        self.xp.matmul(of_first.T, first, out=d_features)
        d_features += of_second.T @ second
        d_features[::size] += of_first @ features - pulled * second
        d_features[1::size] += of_second @ features - pulled * first
        d_features *= scale / self._normalizer
