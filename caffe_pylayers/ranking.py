"""Losses of the order in which pairs, groups and lists are scored.

layer {
  name: "loss"  type: "Python"
  bottom: "score_a"  bottom: "score_b"  bottom: "a_is_better"  top: "loss"
  python_param {
    module: "caffe_pylayers.ranking"  layer: "PairwiseRankingLoss"
    param_str: '{"margin": 1.0}'
  }
  loss_weight: 1
}
layer {
  name: "levels_loss"  type: "Python"
  bottom: "score"  top: "levels_loss"
  python_param {
    module: "caffe_pylayers.ranking"  layer: "GroupRankingLoss"
    param_str: '{"group_size": 6, "margin": 1.0}'
  }
  loss_weight: 1
}
layer {
  name: "list_loss"  type: "Python"
  bottom: "scores"  bottom: "relevance"  top: "list_loss"
  python_param {
    module: "caffe_pylayers.ranking"  layer: "ListwiseRankingLoss"
    param_str: '{"method": "listnet", "ignore_label": -1}'
  }
  loss_weight: 1
}
"""

from __future__ import annotations

import math

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.functions.log_sum_exp import NOTHING, log_cumulative_sum_exp
from caffe_pylayers._layer.functions.sigmoid import sigmoid, softplus
from caffe_pylayers._layer.functions.softmax import log_softmax, softmax_backward, softmax_buffer, targets_backward
from caffe_pylayers._layer.losses.weighted_loss import WeightedLoss

__all__ = [
    "GroupRankingLoss",
    "ListwiseRankingLoss",
    "PairwiseRankingLoss",
    "listmle_backward",
    "listmle_forward",
    "listnet_backward",
    "listnet_forward",
    "pair_backward",
    "pair_forward",
]


def pair_forward(xp, difference, margin, method):
    """Return max(0, margin - difference), or for the method logistic log(1 + exp(margin - difference))."""
    missing = margin - difference
    return missing.clip(0, None) if method == "hinge" else softplus(xp, missing)


def pair_backward(xp, difference, margin, method):
    """Return the derivative of pair_forward by the difference."""
    missing = margin - difference
    if method == "hinge":
        return -arrays.astype(missing > 0, missing)
    return -sigmoid(xp, missing)


def listnet_forward(xp, scores, relevance, valid, log_p, q):
    """Return -sum(q log p) of each row, p = softmax(scores) and q = softmax(relevance) over its valid entries.

    valid: booleans. log_p, q: receive their values, q 0 at entries that are not valid.
    """
    nothing = xp.full_like(scores, NOTHING)
    scratch = softmax_buffer(scores)
    log_softmax(xp, xp.where(valid, relevance, nothing), 1, log_p, scratch)
    xp.exp(log_p, out=q)
    q *= valid
    log_softmax(xp, xp.where(valid, scores, nothing), 1, log_p, scratch)
    return -(q * log_p).sum(1)


def listnet_backward(xp, log_p, q, valid, scale, d_scores=None, d_relevance=None):
    """Write the gradients asked for, times scale: p sum(q) - q, and that of q = softmax(relevance)."""
    if d_scores is not None:
        targets_backward(xp, log_p, q, scale, 1, d_scores)
    if d_relevance is not None:
        softmax_backward(xp, q, -log_p * valid, 1, d_relevance)
        d_relevance *= scale


def listmle_forward(xp, scores, relevance, valid):
    """Return (loss, parts): -log of the chance of the order by relevance, the most relevant drawn first.

    loss = sum_i(log(sum_{j >= i} exp(s_j)) - s_i), i in that order, over valid entries; of equal
    relevance the first come first. parts: what backward takes up.
    """
    nothing = xp.full_like(scores, NOTHING)
    order = arrays.argsort(xp.where(valid, -relevance, -nothing), 1)
    ordered = arrays.new(scores, scores.shape, float)  # NOTHING leaves float32 no digits for their differences
    ordered[...] = arrays.take_along(xp.where(valid, scores, nothing), order, 1)
    counts = arrays.take_along(arrays.astype(valid, ordered), order, 1)
    rest = xp.flip(log_cumulative_sum_exp(xp, xp.flip(ordered, (1,)), 1), (1,))
    loss = (counts * (rest - ordered)).sum(1)
    return arrays.astype(loss, scores), (order, ordered, counts, rest)


def listmle_backward(xp, parts, scale, d_scores):
    """Write the scores' gradient, times scale: at j, sum_{i <= j}(exp(s_j) / sum_{k >= i}(exp(s_k))) - 1."""
    order, ordered, counts, rest = parts
    chances = log_cumulative_sum_exp(xp, -rest, 1) + ordered
    d_ordered = counts * (xp.exp(xp.where(counts > 0, chances, xp.full_like(chances, NOTHING))) - 1)
    arrays.put_along(d_scores, order, arrays.astype(d_ordered, d_scores), 1)
    d_scores *= scale


class PairwiseRankingLoss(WeightedLoss):
    """Of two scores the better one is to be the higher, by a margin.

    loss = sum_i(w_i l_i) / Z over pairs i with y other than 0, with
    hinge: l = max(0, margin - y (a - b))
    logistic: l = log(1 + exp(margin - y (a - b)))

    w: weights, Z by the normalization.

    Bottom:
        [0] scores a (N, ...)
        [1] scores b, the shape of a
        [2] targets y, optional, as many as a: 1 where a is the better, -1 where b is, 0 for a pair
            that does not count. Default: 1
        [3] weights w, optional: the shape of a, or 1 on any axis, trailing ones left out at will.
            Default: 1
    Top:
        [0] loss (1,)
    Backward:
        d_a = -g w y [margin > y (a - b)] / Z for the hinge, -g w y / (1 + exp(y (a - b) - margin)) / Z
        for the logistic one, with the loss weight in g = top[0].diff[0]; d_b = -d_a; d_w = g l / Z;
        with normalization "weights" Z depends on w too. d_y = 0.
    Raises:
        ValueError for a target other than -1, 0 and 1, and for shapes that do not fit.
    References:
        Without zeros among y the hinge is PyTorch's margin_ranking_loss. The logistic one is
        RankNet, Burges et al., "Learning to Rank using Gradient Descent", 2005,
        https://doi.org/10.1145/1102351.1102363, for margin 0. It stands for the published pairwise
        hinge layers, of which many have no weight of the loss.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(PairwiseRankingLoss, [[1, 1], [1, 2], [-1, 1]], param_str='{"margin": 0.5}')
        >>> run.forward()[0]  # (0.5 + 1.5) / 2
        array([1.])
        >>> run.backward([1])[0]
        array([ 0.5, -0.5])
    """

    method = Parameter(str, "hinge", choices=("hinge", "logistic"), doc="the loss of a pair, see above")
    margin = Parameter(float, 0.0, doc="by which the better one is to score higher")
    weights_at = 3

    def plan(self, scores, others, targets=None, weights=None):
        shape = tuple(scores.shape)
        checks.same_shape(self, "bottom[1] (others)", others.shape, "bottom[0] (scores)", shape)
        if not shape:
            raise checks.error(self, "bottom[0] (scores) must have one axis or more, got shape ()")
        if targets is not None:
            checks.one_target_each(self, "bottom[2] (targets)", targets.shape, "bottom[0] (scores)", shape)
        self.plan_positions(shape[0], shape, weights, "bottom[0] (scores)")
        return [(1,)]

    def read(self, bottom):
        if len(bottom) == 2:
            return None, None
        targets, weights = bottom[2].data.reshape(self._positions), self.weights_of(bottom)
        wrong = targets * targets * targets != targets
        if weights is not None:  # a target that has no weight and is none is 0
            targets = self.xp.where(wrong & (weights == 0), 0, targets)
            wrong &= weights != 0
        checks.every(self, "target", bottom[2].data, ~wrong, "is none of -1, 0 and 1")
        return targets, targets * targets

    def losses(self, bottom, target):
        self._difference = bottom[0].data - bottom[1].data
        if target is not None:
            self._difference *= target
        return pair_forward(self.xp, self._difference, self.margin, self.method)

    def gradient(self, bottom, target, scale, propagate_down):
        d_scores = pair_backward(self.xp, self._difference, self.margin, self.method) * scale
        if target is not None:
            d_scores *= target
        if propagate_down[0]:
            bottom[0].diff[...] = d_scores
        if propagate_down[1]:
            bottom[1].diff[...] = -d_scores
        if len(bottom) > 2 and propagate_down[2]:
            arrays.fill(bottom[2].diff, 0)


class GroupRankingLoss(WeightedLoss):
    """The scores of a group are to be in a known order: every better one higher than every worse one, by a margin.

    loss = sum(l_ij) / Z over the pairs of each group in which i is better than j, with
    hinge: l_ij = max(0, margin - (s_i - s_j))
    logistic: l_ij = log(1 + exp(margin - (s_i - s_j)))

    Z by the normalization: "batch" is the number of groups, "full" all pairs, "valid" those of
    which one is better.

    Bottom:
        [0] scores s, N = G group_size values: (N,), (N, 1) or (N, 1, 1, 1)
        [1] relevance, optional, one for each score: the higher is the better, equals have no
            order. Default: each group goes from its best to its worst
    Top:
        [0] loss (1,)
    Backward:
        d_s_i = g (sum_{j worse} l'_ij - sum_{j better} l'_ji) / Z, l' = -[l > 0] for the hinge,
        with the loss weight in g = top[0].diff[0]. d_relevance = 0.
    Raises:
        ValueError for a number of scores that group_size does not divide, and for shapes that do
        not fit.
    References:
        Liu et al., "RankIQA: Learning from Rankings for No-reference Image Quality Assessment",
        2017, arXiv:1707.08347, whose layers have the members of all groups level by level:
        interleaved. For queries and documents it is RankNet (logistic) or the ranking SVM (hinge).
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(GroupRankingLoss, [[3, 1, 2]], param_str='{"group_size": 3, "margin": 0.5}')
        >>> run.forward()[0]  # of 3 pairs one is wrong, by 1 + 0.5
        array([0.5])
        >>> run.backward([3])[0]
        array([ 0., -1.,  1.])
    """

    method = Parameter(str, "hinge", choices=("hinge", "logistic"), doc="the loss of a pair, see above")
    margin = Parameter(float, 0.0, doc="by which the better one is to score higher")
    group_size = Parameter(int, low=1, doc="scores in a group")
    interleaved = Parameter(bool, False, doc="true: first the first of each group, then their second; false: in turn")

    def plan(self, scores, relevance=None):
        shape, count = tuple(scores.shape), math.prod(scores.shape)
        if not shape or count != shape[0] or count % self.group_size:
            raise checks.error(
                self,
                f"bottom[0] (scores) must have shape (N,) or (N, 1), N a multiple of group_size {self.group_size}, "
                f"got {shape}",
            )
        if relevance is not None and math.prod(relevance.shape) != count:
            raise checks.error(
                self, f"bottom[1] (relevance) must have {count} values, as bottom[0], got {tuple(relevance.shape)}"
            )
        size = self.group_size
        groups = count // size
        self.plan_positions(groups, (groups, size, size), None, "")
        self._count = groups * (size * (size - 1) // 2)
        place = arrays.arange_like(scores, size)
        self._in_order = arrays.astype(place[:, None] < place, scores)
        return [(1,)]

    def read(self, bottom):
        if len(bottom) == 1:
            return None, self._in_order
        relevance = self._grouped(bottom[1].data)
        return None, arrays.astype(relevance[:, :, None] > relevance[:, None], bottom[0].data)

    def losses(self, bottom, target):
        scores = self._grouped(bottom[0].data)
        self._difference = scores[:, :, None] - scores[:, None]
        return pair_forward(self.xp, self._difference, self.margin, self.method)

    def gradient(self, bottom, target, scale, propagate_down):
        if propagate_down[0]:
            d_difference = pair_backward(self.xp, self._difference, self.margin, self.method) * scale
            d_scores = d_difference.sum(2) - d_difference.sum(1)
            diff = bottom[0].diff
            diff[...] = (d_scores.T if self.interleaved else d_scores).reshape(diff.shape)
        if len(bottom) == 2 and propagate_down[1]:
            arrays.fill(bottom[1].diff, 0)

    def _grouped(self, values):
        groups = self._positions[0]
        if self.interleaved:
            return values.reshape((self.group_size, groups)).T
        return values.reshape((groups, self.group_size))


class ListwiseRankingLoss(WeightedLoss):
    """The scores of a list are to be in the order of their relevance, judged as a whole.

    loss = sum_i(w_i l_i) / Z over lists i, with
    listnet: l = -sum_j(q_j log p_j), p = softmax(scores), q = softmax(relevance)
    listmle: l = sum_j(log(sum_{k >= j}(exp(s_k))) - s_j), j in the order of falling relevance

    w: weights, Z by the normalization.

    Bottom:
        [0] scores s (N, L): N lists of L
        [1] relevance (N, L), the higher is the better, or ignore_label for what fills up a list
        [2] weights w, optional: (N,). Default: 1
    Top:
        [0] loss (1,)
    Backward:
        listnet: d_s = g w (p - q) / Z, d_relevance through q. listmle: d_s_j = g w (sum_{i <= j}
        (exp(s_j) / sum_{k >= i}(exp(s_k))) - 1) / Z, d_relevance = 0. The loss weight is in
        g = top[0].diff[0]; d_w = g l / Z; with normalization "weights" Z depends on w too.
    Raises:
        ValueError for shapes that do not fit.
    References:
        listnet: Cao et al., "Learning to Rank: From Pairwise Approach to Listwise Approach", 2007,
        https://doi.org/10.1145/1273496.1273513, its top-one probabilities. listmle: Xia et al.,
        "Listwise Approach to Learning to Rank: Theory and Algorithm", 2008,
        https://doi.org/10.1145/1390156.1390306.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(ListwiseRankingLoss, [[[0, 0]], [[1, 0]]], param_str='{"method": "listmle"}')
        >>> run.forward()[0].round(4)  # log(2)
        array([0.6931])
        >>> run.backward([1])[0]
        array([[-0.5,  0.5]])
    """

    method = Parameter(str, "listnet", choices=("listnet", "listmle"), doc="the loss of a list, see above")
    ignore_label = Parameter(int, None, doc="the relevance of entries that are none")

    def plan(self, scores, relevance, weights=None):
        shape = tuple(scores.shape)
        if len(shape) != 2 or not shape[1] or tuple(relevance.shape) != shape:
            raise checks.error(
                self,
                f"bottom[0] (scores) and bottom[1] (relevance) must have one shape (N, L), L 1 or more, "
                f"got {shape} and {tuple(relevance.shape)}",
            )
        self.plan_positions(shape[0], shape[:1], weights, "the lists of bottom[0] (scores)")
        if self.method == "listnet":
            self._log_p, self._q = self.xp.empty_like(scores), self.xp.empty_like(scores)
        return [(1,)]

    def read(self, bottom):
        relevance = bottom[1].data
        if self.ignore_label is None:
            return self.xp.ones_like(relevance) > 0, None
        return relevance != self.ignore_label, None

    def losses(self, bottom, target):
        scores, relevance = bottom[0].data, bottom[1].data
        if self.method == "listnet":
            return listnet_forward(self.xp, scores, relevance, target, self._log_p, self._q)
        losses, self._parts = listmle_forward(self.xp, scores, relevance, target)
        return losses

    def gradient(self, bottom, target, scale, propagate_down):
        by_row = scale[:, None] if self._factors is not None else scale
        d_scores, d_relevance = (bottom[i].diff if propagate_down[i] else None for i in range(2))
        if self.method == "listnet":
            listnet_backward(self.xp, self._log_p, self._q, target, by_row, d_scores, d_relevance)
            return
        if d_scores is not None:
            listmle_backward(self.xp, self._parts, by_row, d_scores)
        if d_relevance is not None:
            arrays.fill(d_relevance, 0)
