"""Losses of several labels for a sample, by their order among the classes.

layer {
  name: "loss"  type: "Python"
  bottom: "score"  bottom: "tags"  top: "loss"
  python_param {
    module: "caffe_pylayers.multi_label"  layer: "MultiLabelRankingLoss"
    param_str: '{"method": "warp", "margin": 1.0}'
  }
  loss_weight: 1
}
"""

from __future__ import annotations

import math

import numpy as np

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.functions.log_sum_exp import NOTHING, log_sum_exp, log_sum_exp_backward
from caffe_pylayers._layer.functions.sigmoid import sigmoid, softplus
from caffe_pylayers._layer.losses.weighted_loss import WeightedLoss

__all__ = [
    "MultiLabelRankingLoss",
    "lsep_backward",
    "lsep_forward",
    "ranked_hinge_backward",
    "ranked_hinge_forward",
]


def ranked_hinge_forward(xp, scores, relevant, irrelevant, margin, method):
    """Return (loss, parts), of hinges max(0, margin - s_p + s_n) of each relevant p and irrelevant n.

    hinge: sum_pn hinge / C. pairs: their mean. warp: sum_p L(r_p) (sum_n hinge) / r_p with r_p the
    number of n whose hinge is above 0, and L(r) = 1 + 1/2 + ... + 1/r.

    What is ahead of each p in the order of s_n and s_p - margin tells its hinges: C log C, not C C.

    scores: (N, C). relevant, irrelevant: booleans (N, C). loss: (N,). parts: what backward takes up.
    """
    scores = xp.where(relevant | irrelevant, scores, xp.zeros_like(scores))
    ahead = scores - arrays.astype(relevant, scores) * margin
    order = arrays.argsort(-ahead, 1)
    ordered = arrays.new(scores, scores.shape, float)
    ordered[...] = arrays.take_along(ahead, order, 1)
    negative = arrays.astype(arrays.take_along(irrelevant, order, 1), ordered)
    positive = arrays.astype(arrays.take_along(relevant, order, 1), ordered)
    rank = xp.cumsum(negative, 1)
    rank *= positive
    if method == "warp":
        harmonic = np.concatenate([[1.0], np.cumsum(1 / np.arange(1, scores.shape[1] + 1))])
        factor = positive * arrays.from_numpy(harmonic, ordered)[arrays.to_int64(rank)] / rank.clip(1, None)
    elif method == "pairs":
        factor = positive / (positive.sum(1, keepdims=True) * negative.sum(1, keepdims=True)).clip(1, None)
    else:
        factor = positive / scores.shape[1]
    hinges = xp.cumsum(negative * ordered, 1)
    hinges -= rank * ordered
    return arrays.astype((factor * hinges).sum(1), scores), (order, negative, factor, rank)


def ranked_hinge_backward(xp, parts, d_scores):
    """Write the gradient of each row's loss, L(r_p) / r_p taken as constant."""
    order, negative, factor, rank = parts
    d_ordered = factor.sum(1, keepdims=True) - xp.cumsum(factor, 1)
    d_ordered *= negative
    d_ordered -= factor * rank
    arrays.put_along(d_scores, order, arrays.astype(d_ordered, d_scores), 1)


def lsep_forward(xp, scores, relevant, irrelevant):
    """Return (loss, parts): log(1 + sum_pn exp(s_n - s_p)) of each relevant p and irrelevant n.

    Arguments and results are those of ranked_hinge_forward.
    """
    nothing = xp.full_like(scores, NOTHING)
    negative, positive = xp.where(irrelevant, scores, nothing), xp.where(relevant, -scores, nothing)
    of_negative, of_positive = log_sum_exp(xp, negative, 1, True), log_sum_exp(xp, positive, 1, True)
    return softplus(xp, of_negative + of_positive)[:, 0], (negative, positive, of_negative, of_positive)


def lsep_backward(xp, parts, relevant, irrelevant, d_scores):
    """Write the gradient of each row's loss: sigmoid(log of the sum) (softmax of s_n - softmax of -s_p)."""
    negative, positive, of_negative, of_positive = parts
    xp.multiply(log_sum_exp_backward(xp, negative, of_negative), irrelevant, out=d_scores)
    d_scores -= log_sum_exp_backward(xp, positive, of_positive) * relevant
    d_scores *= sigmoid(xp, of_negative + of_positive)


class MultiLabelRankingLoss(WeightedLoss):
    """Every label of a sample is to score higher than every class that is none, by a margin.

    loss = sum_i(w_i l_i) / Z over samples i; with p over its labels, n over the other classes,
    h_pn = max(0, margin - s_p + s_n),
    hinge: l = sum_pn(h_pn) / C
    pairs: l = mean_pn(h_pn)
    warp: l = sum_p(L(r_p) / r_p sum_n(h_pn)), r_p the number of n with h_pn > 0, L(r) = 1 + 1/2 + ... + 1/r
    lsep: l = log(1 + sum_pn(exp(s_n - s_p)))

    w: weights, Z by the normalization. A sample without labels, or with every class, has l = 0.

    Bottom:
        [0] scores s (N, C) or (N, C, 1, 1)
        [1] targets, the shape of the scores: 1 for the sample's labels, 0 for other classes, or
            ignore_label
        [2] weights w, optional: (N,). Default: 1
    Top:
        [0] loss (1,)
    Backward:
        d_s, the gradient of the sum above, 0 for a hinge at 0, with the loss weight in
        top[0].diff[0]; warp's L(r_p) / r_p is taken as constant, which it is but for jumps.
        d_w = g l / Z; with normalization "weights" Z depends on w too. d_targets = 0.
    Raises:
        ValueError for a target that is neither 0, 1 nor ignore_label, and for shapes that do not
        fit.
    References:
        hinge is PyTorch's multilabel_margin_loss, for targets in place of lists. warp: Weston et
        al., "WSABIE: Scaling Up to Large Vocabulary Image Annotation", 2011,
        https://doi.org/10.5591/978-1-57735-516-8/IJCAI11-460, and Gong et al., "Deep Convolutional
        Ranking for Multilabel Image Annotation", 2014, arXiv:1312.4894, with the rank counted where
        they estimate it by sampling, and the mean over all violators where they take one. lsep: Li
        et al., "Improving Pairwise Ranking for Multi-label Image Classification", 2017,
        arXiv:1704.03135. It stands for the published WARP and multi-label hinge layers, which loop
        over samples and pairs.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(MultiLabelRankingLoss, [[[2, 1.5, 0, -1]], [[1, 0, 0, 0]]])
        >>> run.forward()[0]  # max(0, 1 - 2 + 1.5) / 4
        array([0.125])
        >>> run.backward([4])[0]
        array([[-1.,  1.,  0.,  0.]])
    """

    method = Parameter(str, "hinge", choices=("hinge", "pairs", "warp", "lsep"), doc="the loss of a sample, see above")
    margin = Parameter(float, 1.0, low=0, doc="by which labels are to score higher; lsep has none")
    ignore_label = Parameter(int, None, doc="a class with this target is neither a label nor none")

    def plan(self, scores, targets, weights=None):
        shape, name = tuple(scores.shape), "bottom[0] (scores)"
        if len(shape) < 2 or math.prod(shape[1:]) != max(shape[1:]):
            raise checks.error(self, f"{name} must have shape (N, C) or (N, C, 1, 1), got {shape}")
        if not math.prod(shape[1:]):
            raise checks.error(self, f"{name} must have a class or more, got shape {shape}")
        checks.one_target_each(self, "bottom[1] (targets)", targets.shape, name, shape)
        self.plan_positions(shape[0], shape[:1], weights, f"the samples of {name}")
        self._rows = shape[0], math.prod(shape[1:])
        return [(1,)]

    def read(self, bottom):
        targets, weights = bottom[1].data.reshape(self._rows), self.weights_of(bottom)
        relevant, irrelevant = targets == 1, targets == 0
        known = relevant | irrelevant
        if weights is not None:
            known |= weights[:, None] == 0
        if self.ignore_label is not None:
            counts = targets != self.ignore_label
            known, relevant, irrelevant = known | ~counts, relevant & counts, irrelevant & counts
        checks.every(self, "target", bottom[1].data, known, "is neither 0 nor 1, nor ignore_label")
        return (relevant, irrelevant), None

    def losses(self, bottom, target):
        scores, (relevant, irrelevant) = bottom[0].data.reshape(self._rows), target
        if self.method == "lsep":
            losses, self._parts = lsep_forward(self.xp, scores, relevant, irrelevant)
        else:
            losses, self._parts = ranked_hinge_forward(self.xp, scores, relevant, irrelevant, self.margin, self.method)
        return losses

    def gradient(self, bottom, target, scale, propagate_down):
        if propagate_down[0]:
            d_scores, (relevant, irrelevant) = bottom[0].diff.reshape(self._rows), target
            if self.method == "lsep":
                lsep_backward(self.xp, self._parts, relevant, irrelevant, d_scores)
            else:
                ranked_hinge_backward(self.xp, self._parts, d_scores)
            d_scores *= scale[:, None] if self._factors is not None else scale
        if propagate_down[1]:
            arrays.fill(bottom[1].diff, 0)
