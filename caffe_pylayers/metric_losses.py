"""Losses that compare each sample of a batch with many others at once.

layer {
  name: "loss"  type: "Python"  bottom: "embedding"  bottom: "label"  top: "loss"  loss_weight: 1
  python_param {
    module: "caffe_pylayers.metric_losses"  layer: "LiftedStructureLoss"  param_str: "{'margin': 1}"
  }
}
"""

from __future__ import annotations

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Layer, Parameter
from caffe_pylayers._layer.embeddings.distances import pairwise_backward, pairwise_squares, root_backward
from caffe_pylayers._layer.embeddings.embedding_loss import EmbeddingLoss, pairs_by_label, rows_of
from caffe_pylayers._layer.functions.log_sum_exp import NOTHING, log_sum_exp
from caffe_pylayers._layer.functions.softmax import log_softmax, scratch_of
from caffe_pylayers._layer.losses.normalizers import normalization, normalizer

__all__ = [
    "LiftedStructureLoss",
    "NPairLoss",
    "lifted_structure_backward",
    "lifted_structure_forward",
    "n_pair_backward",
    "n_pair_forward",
]


# --- n-pair ------------------------------------------------------------------------------------------


def n_pair_forward(xp, similarities, same):
    """Return (terms, log_p): for each anchor -sum(same log p) / sum(same), p the softmax over its row.

    similarities: (N, N), of anchors with positives.
    same: booleans (N, N), where anchor and positive are of one class. A row without any has the term 0.
    """
    log_p = xp.empty_like(similarities)
    if len(log_p):
        log_softmax(xp, similarities, 1, log_p, scratch_of(similarities))
    return -(log_p * same).sum(1) / same.sum(1).clip(1, None), log_p


def n_pair_backward(xp, log_p, same):
    """Return the gradient of the terms' sum with respect to the similarities."""
    count = arrays.astype(same.sum(1), log_p)[:, None]
    d_similarities = xp.exp(log_p)
    d_similarities *= count.clip(0, 1)  # nothing for a row without any
    d_similarities -= same * (1 / count.clip(1, None))
    return d_similarities


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
        ValueError for shapes that do not fit.
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
        self._shape = rows_of(self, "bottom[0] (anchors)", anchors.shape)
        checks.same_shape(self, "bottom[1] (positives)", positives.shape, "bottom[0] (anchors)", anchors.shape)
        if labels is not None:
            checks.one_label_each(self, "bottom[2] (labels)", labels.shape, "bottom[0] (anchors)", self._shape, 1)
        self._each = arrays.arange_like(anchors, self._shape[0])
        self._same = self._each[:, None] == self._each[None, :]
        return [(1,)]

    def forward(self, bottom, top):
        anchors, positives = (bottom[i].data.reshape(self._shape) for i in range(2))
        if len(bottom) > 2:
            labels = bottom[2].data.reshape(-1)
            self._same = labels[:, None] == labels[None, :]
        similarities = anchors @ positives.T
        similarities /= self.temperature
        valid = self._each >= 0
        if self.ignore_label is not None and len(bottom) > 2:
            valid = labels != self.ignore_label
            self._same &= valid[:, None]
            similarities = self.xp.where(valid[None, :], similarities, NOTHING)
        terms, self._log_p = n_pair_forward(self.xp, similarities, self._same)
        n = len(anchors)
        self._normalizer = normalizer(self.normalization, n, n, int(valid.sum()))
        lengths = ((anchors * anchors).sum() + (positives * positives).sum()) / max(n, 1)
        top[0].data[...] = terms.sum() / self._normalizer + self.l2_weight * lengths

    def backward(self, top, propagate_down, bottom):
        scale = top[0].diff[0]
        d_similarities = n_pair_backward(self.xp, self._log_p, self._same)
        d_similarities *= scale / (self._normalizer * self.temperature)
        shrink = 2 * scale * self.l2_weight / max(len(d_similarities), 1)
        anchors, positives = (bottom[i].data.reshape(self._shape) for i in range(2))
        for i, (matrix, own, other) in enumerate(
            ((d_similarities, anchors, positives), (d_similarities.T, positives, anchors))
        ):
            if propagate_down[i]:
                bottom[i].diff[...] = (matrix @ other + shrink * own).reshape(tuple(bottom[i].diff.shape))
        if len(bottom) > 2 and propagate_down[2]:
            arrays.fill(bottom[2].diff, 0)


# --- lifted structure --------------------------------------------------------------------------------


def lifted_structure_forward(xp, distances, same, different, margin=1.0):
    """Return (J, L): J_ij = log(exp(L_i) + exp(L_j)) + d_ij, negative but for pairs of one label that have negatives.

    L_i = log(sum over different k of exp(margin - d_ik)).
    """
    log_negatives = log_sum_exp(xp, xp.where(different, margin - distances, NOTHING))
    j = xp.logaddexp(log_negatives[:, None], log_negatives[None, :]) + distances
    return xp.where(same, j, NOTHING), log_negatives


def lifted_structure_backward(xp, distances, different, j, log_negatives, margin=1.0):
    """Return the gradient of sum(max(0, J)**2) with respect to the distances; j and log_negatives: of forward."""
    d_j = 2 * j.clip(0, None)
    joined = xp.logaddexp(log_negatives[:, None], log_negatives[None, :])
    shares = xp.exp(log_negatives[:, None] - joined)  # of exp(L_i) in pair (i, j), which is also in pair (j, i)
    d_log_negatives = ((d_j + d_j.T) * shares).sum(1)
    shares = xp.exp(xp.where(different, margin - distances - log_negatives[:, None], NOTHING))
    return d_j - d_log_negatives[:, None] * shares


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
        ValueError for another number of labels than features.
    References:
        Song, Xiang, Jegelka, Savarese, "Deep Metric Learning via Lifted Structured Feature Embedding", 2016,
        arXiv:1511.06452, and its Caffe's LiftedStructSimilaritySoftmaxLoss: the default normalization.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(LiftedStructureLoss, [[[0.0], [1.0], [1.0]], [7, 7, 8]]).forward()[0].round(6)
        array([2.67559])
    """

    margin = Parameter(float, 1.0, doc="alpha, by which negatives are to be farther")
    normalization = normalization("valid", full="the pairs i < j", valid="those of one label")

    def loss(self, features, labels):
        self._features, self._distances = features, self.xp.sqrt(pairwise_squares(self.xp, features))
        same, self._different = pairs_by_label(labels, self.ignore_label)
        pairs = self._distances, same, self._different
        self._j, self._log_negatives = lifted_structure_forward(self.xp, *pairs, self.margin)
        n = len(labels)
        self._normalizer = normalizer(self.normalization, n, n * (n - 1) // 2, int(same.sum()) // 2)
        return (self._j.clip(0, None) ** 2).sum() / (4 * self._normalizer)

    def gradient(self, scale, d_features):
        d_distances = lifted_structure_backward(
            self.xp, self._distances, self._different, self._j, self._log_negatives, self.margin
        )
        d_squares = root_backward(self._distances, d_distances * (scale / (4 * self._normalizer)))
        pairwise_backward(self.xp, self._features, d_squares, d_features)
