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
from caffe_pylayers._layer.embeddings.embedding_loss import EmbeddingLoss
from caffe_pylayers._layer.embeddings.rows import check_labels, check_same_rows, pairs_of, without_ignored
from caffe_pylayers._layer.functions.log_sum_exp import NOTHING, log_sum_exp, log_sum_exp_backward
from caffe_pylayers._layer.functions.sigmoid import sigmoid, softplus
from caffe_pylayers._layer.functions.softmax import log_softmax, softmax_buffer, targets_backward
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
            similarities[:, ~valid] = NOTHING
            self._valid = int(self.xp.count_nonzero(valid))
        self._targets = arrays.astype(same, similarities)
        self._targets /= self._targets.sum(1)[:, None].clip(1, None)


# --- lifted structure --------------------------------------------------------------------------------


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
        counted = 0 if chosen is None else int(self.xp.count_nonzero(chosen)) // 2
        return normalizer(self.normalization, n, n * (n - 1) // 2, counted, positives=counted)
