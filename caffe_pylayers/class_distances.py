"""Distances of samples from a vector of each class, and hinges on them: NormFace's losses without pairs of a batch.

layer {
  name: "distances"  type: "Python"  bottom: "face"  top: "distances"
  param { lr_mult: 1  decay_mult: 0 }
  python_param {
    module: "caffe_pylayers.class_distances"  layer: "InnerDistance"
    param_str: "{num_classes: 10572, normalize: true, filler: gaussian_unitball}"
  }
}
layer {
  name: "loss"  type: "Python"  bottom: "distances"  bottom: "label"  top: "loss"  loss_weight: 1
  python_param {
    module: "caffe_pylayers.class_distances"  layer: "ClassTripletLoss"
    param_str: "{margin: 0.8, hardest_only: true, add_center_loss: true}"
  }
}
layer {
  name: "loss"  type: "Python"  bottom: "distances"  bottom: "label"  top: "loss"  loss_weight: 1
  python_param { module: "caffe_pylayers.class_distances"  layer: "ClassContrastiveLoss" }
}
"""

from __future__ import annotations

import math

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.bases.learned import Filled, check_learned, learn
from caffe_pylayers._layer.embeddings.class_losses import ClassDistanceLoss
from caffe_pylayers._layer.embeddings.cosines import unit_vectors
from caffe_pylayers._layer.embeddings.distances import squares_between

__all__ = [
    "ClassContrastiveLoss",
    "ClassTripletLoss",
    "InnerDistance",
    "inner_distance_backward",
    "inner_distance_forward",
]

_PART = 1 << 22  # differences in memory at a time


def inner_distance_forward(xp, x, w, p, distances):
    """Write |x_m - w_n|**2 for p 2, sum(|x_m - w_n|) for p 1, (M, N), for x (M, K) and w (N, K)."""
    if p == 2:
        distances[...] = squares_between(xp, x, w)
        return
    for part in _parts(x, w):
        distances[:, part] = xp.abs(x[:, None] - w[None, part]).sum(2)


def inner_distance_backward(xp, x, w, p, d_distances, to_x=True, d_of_w=None):
    """Return (d_x, d_w), each None unless it is asked for.

    d_of_w: the gradient of the distances that goes on to w; None: none does.
    """
    d_x, d_w = x * 0 if to_x else None, w * 0 if d_of_w is not None else None
    if p == 2:
        middle = x.sum(0) / max(len(x), 1)  # which x and w may have in common, and lose digits for
        x, w = x - middle, w - middle
        if to_x:
            d_x += 2 * (x * d_distances.sum(1)[:, None] - d_distances @ w)
        if d_w is not None:
            d_w += 2 * (w * d_of_w.sum(0)[:, None] - d_of_w.T @ x)
        return d_x, d_w
    for part in _parts(x, w):
        signs = xp.sign(x[:, None] - w[None, part])
        if to_x:
            d_x += (signs * d_distances[:, part, None]).sum(1)
        if d_w is not None:
            d_w[part] = -(signs * d_of_w[:, part, None]).sum(0)
    return d_x, d_w


def _parts(x, w):
    """Return slices of w's rows whose differences from x fit the memory."""
    step = max(_PART // max(math.prod(x.shape), 1), 1)
    return [slice(i, i + step) for i in range(0, len(w), step)]


class InnerDistance(Filled):
    """The squared distance of each sample from the vector of each class, where an InnerProduct has their product.

    top[m, n] = |x_m - w_n|**2, or with p 1 sum(|x_m - w_n|)

    Bottom:
        [0] x (..., K axes): the axes from `axis` on make a vector of K values
        [1] w (N, ...), optional: K values a class. Default: the learned blob 0, of num_classes
        [2] labels y (M,), optional: an integer in [0, N) for each vector of x, of which update_center_only makes use
    Top:
        [0] distances, x's axes before `axis` and one of N
    Learned:
        [0] w (N, K), where there is no bottom[1]
    Backward:
        d_x = sum over n of 2 d (x - w_n), d_w = sum over m of 2 d (w_n - x_m); with p 1 the differences' signs in
        place of twice them. With update_center_only w_n gets that of the samples of its own class alone. Zeros to y.
    Raises:
        ValueError for shapes that do not fit, for a label that is no integer in [0, N), and in place.
    References:
        Wang et al., "NormFace: L2 Hypersphere Embedding for Face Verification", 2017, arXiv:1704.06369. InnerDistance
        of caffe-windows: num_output is num_classes, distance_type L2 and L1 are p. Its gradient of L1 takes a 1 off
        for each pair whatever the loss, which is left out.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(InnerDistance, [[[0.0, 1.0]], [[0.0, 0.0], [3.0, 5.0]]]).forward()[0]
        array([[ 1., 25.]])
    """

    array_api = True

    num_classes = Parameter(int, None, low=1, doc="N, with a learned vector each; needed where there is no bottom[1]")
    axis = Parameter(int, 1, doc="the first axis of x that is part of a vector; negative counts from the end")
    p = Parameter(int, 2, low=1, high=2, doc="1: the sum of the differences' sizes; 2: of their squares")
    normalize = Parameter(bool, False, doc="each forward scales the learned vectors in blob 0 to length 1")
    update_center_only = Parameter(bool, False, doc="w learns from the samples of its class alone; needs bottom[2]")

    def setup(self, bottom, top):
        checks.bottoms(self, bottom, "x", "w", "labels", optional=2)
        checks.tops(self, top, "distances")
        if self.update_center_only and len(bottom) < 3:
            raise checks.error(self, f"update_center_only needs 3 bottoms (x, w, labels), got {len(bottom)}")
        if len(bottom) == 1:
            if self.num_classes is None:
                raise checks.error(self, "needs num_classes, or the vectors as bottom[1]")
            learn(self, self.filled(self.num_classes, self._vectors_of(bottom[0].data)[1]))

    def plan(self, x, w=None, labels=None):
        self._rows = self._vectors_of(x)
        if w is None:
            check_learned(self, self._rows[1], "bottom[0] (x)")
            self._w = tuple(self.blobs[0].shape)
        else:
            self._w = (w.shape[0], math.prod(w.shape[1:])) if len(w.shape) else (1, 1)
            if self._w[1] != self._rows[1]:
                got = f"bottom[0] (x) {tuple(x.shape)} has vectors of {self._rows[1]} values"
                raise checks.error(self, f"{got}, bottom[1] (w) {tuple(w.shape)} of {self._w[1]}")
        shape = (*x.shape[: self._axis], self._w[0])
        if labels is not None and math.prod(labels.shape) != self._rows[0]:
            wanted = f"bottom[2] (labels) must have {self._rows[0]} values, one for each vector of bottom[0] (x)"
            raise checks.error(self, f"{wanted}, got shape {tuple(labels.shape)}")
        return [shape]

    def forward(self, bottom, top):
        if len(bottom) == 1 and self.normalize:
            blob = self.blobs[0].data
            blob[...] = unit_vectors(self.xp, blob)[0]
        self._own = None
        if self.update_center_only:
            labels, _ = checks.class_labels(self, bottom[2].data, self._w[0])
            self._own = labels[:, None] == arrays.arange_like(labels, self._w[0])[None]
        x, w = self._vectors(bottom)
        inner_distance_forward(self.xp, x, w, self.p, top[0].data.reshape(self._rows[0], self._w[0]))

    def backward(self, top, propagate_down, bottom):
        x, w = self._vectors(bottom)
        learned = len(bottom) == 1
        d = d_of_w = top[0].diff.reshape(self._rows[0], self._w[0])
        if not (learned or propagate_down[1]):
            d_of_w = None
        elif self._own is not None:
            d_of_w = self.xp.where(self._own, d, 0)
        d_x, d_w = inner_distance_backward(self.xp, x, w, self.p, d, propagate_down[0], d_of_w)
        if propagate_down[0]:
            bottom[0].diff[...] = d_x.reshape(bottom[0].diff.shape)
        if learned:
            self.blobs[0].diff[...] += d_w
        elif propagate_down[1]:
            bottom[1].diff[...] = d_w.reshape(bottom[1].diff.shape)
        if len(bottom) > 2 and propagate_down[2]:
            arrays.fill(bottom[2].diff, 0)

    def _vectors_of(self, x):
        self._axis = checks.axis(self, self.axis, len(x.shape), f"bottom[0] (x) of shape {tuple(x.shape)}")
        return math.prod(x.shape[: self._axis]), math.prod(x.shape[self._axis :])

    def _vectors(self, bottom):
        w = self.blobs[0].data if len(bottom) == 1 else bottom[1].data.reshape(self._w)
        return bottom[0].data.reshape(self._rows), w


class ClassTripletLoss(ClassDistanceLoss):
    """Each sample nearer to the vector of its class than to all others, by a margin.

    loss = sum(v (negative_weight sum over c != y of max(0, margin + d_y - d_c) + positive_weight d_y)) / Z, the last
    term with add_center_loss only; with hardest_only the largest term of the sum in its place. A sample with d_y above
    positive_upper_bound has its last term alone, whatever add_center_loss says.

    Bottom:
        [0] distances d (N, ...), the values after the first axis being those from the C classes, as of InnerDistance
        [1] labels y (N,), (N, 1) or (N, 1, 1, 1): integers in [0, C)
        [2] weights v (N,), optional: one for each sample. Default: 1
    Top:
        [0] loss (1,)
        [1] optional: the mean of d_y and that of the others (2,), which has no gradient
    Backward:
        Of the formula. With legacy_version d_y has the gradient positive_weight once, however many terms of the sum are
        not 0, and the loss is without its last term, which still has its gradient.
    Raises:
        ValueError for a label that is no integer in [0, C), and for shapes that do not fit.
    References:
        Wang et al., "NormFace: L2 Hypersphere Embedding for Face Verification", 2017, arXiv:1704.06369: the C-triplet
        loss. GeneralTripletLoss of caffe-windows with legacy_version and the names of its fields, which has
        positive_first for a positive_upper_bound, and reports a loss without the weights.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(ClassTripletLoss, [[[1.0, 0.5, 2.0]], [0]], param_str="{margin: 0.25}").forward()[0]
        array([0.75])
    """

    margin = Parameter(float, 0.2, low=0, doc="by which the other classes are to be farther, in units of d")
    hardest_only = Parameter(bool, False, doc="of the other classes the nearest alone counts")
    add_center_loss = Parameter(bool, False, doc="d_y itself costs too")
    legacy_version = Parameter(bool, False, doc="loss and gradient as caffe-windows has them")

    def terms(self, distances, of_labels, far):
        xp = self.xp
        hinge = xp.where(self.others, of_labels + self.margin - distances, 0).clip(0, None)
        active = hinge != 0  # which lets NaN through
        if self.hardest_only:
            active = self.of_largest(hinge, active)
        if far is not None:
            active = active & ~far
        own = active.any(1, keepdims=True) if self.legacy_version else None
        pulled = xp.full_like(of_labels, 1 if self.add_center_loss else 0)
        if far is not None:
            pulled = xp.where(far, 1, pulled)
        loss = self.negative_weight * xp.where(active, hinge, 0).sum(1)
        slopes = arrays.astype(active, distances) * -self.negative_weight
        if self.legacy_version:
            d_own = self.positive_weight * xp.where(own, 1, pulled)
        else:
            loss = loss + self.positive_weight * (pulled * of_labels)[:, 0]
            d_own = self.positive_weight * pulled - slopes.sum(1)[:, None]
        return loss, slopes, d_own


class ClassContrastiveLoss(ClassDistanceLoss):
    """Distances from the own class's vector fall, those from the others grow up to a margin.

    loss = sum(v (positive_weight min(positive_outlier_thresh, max(0, d_y - positive_margin))
    + negative_weight sum over c != y of max(0, negative_margin - d_c))) / Z; with exp_negative_weight exp(-d_c) where
    d_c < negative_margin in place of the hinge. A sample with d_y above positive_upper_bound has no sum.

    Bottom:
        [0] distances d (N, ...), the values after the first axis being those from the C classes, as of InnerDistance
        [1] labels y (N,), (N, 1) or (N, 1, 1, 1): integers in [0, C)
        [2] weights v (N,), optional: one for each sample. Default: 1
    Top:
        [0] loss (1,)
        [1] optional: the means of the terms of d_y and of the hinges (2,), without their weights; it has no gradient
    Backward:
        Of the formula.
    Raises:
        ValueError for a label that is no integer in [0, C), and for shapes that do not fit.
    References:
        Wang et al., "NormFace: L2 Hypersphere Embedding for Face Verification", 2017, arXiv:1704.06369: the
        C-contrastive loss. GeneralContrastiveLoss of caffe-windows with the names of its fields, which has
        positive_first for a positive_upper_bound, max_negative_only for hardest_only, and takes positive_margin off
        before it compares with positive_outlier_thresh in the loss alone.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(ClassContrastiveLoss, [[[1.5, 0.25, 2.0]], [0]]).forward()[0]  # 1.5 + (1 - 0.25)
        array([2.25])
    """

    positive_margin = Parameter(float, 0.0, doc="up to which d_y costs nothing")
    negative_margin = Parameter(float, 1.0, doc="from which the other distances cost nothing")
    positive_outlier_thresh = Parameter(float, 4.0, low=0, doc="the most that d_y costs; it has no gradient from there")
    exp_negative_weight = Parameter(bool, False, doc="exp(-d) in place of the hinge")
    hardest_only = Parameter(bool, False, doc="of the other classes the nearest alone counts")

    def terms(self, distances, of_labels, far):
        xp = self.xp
        hinge = xp.where(self.others, self.negative_margin - distances, 0).clip(0, None)
        near = hinge != 0  # which lets NaN through
        own = (of_labels - self.positive_margin).clip(0, self.positive_outlier_thresh)
        self.shown = own, hinge
        if self.hardest_only:
            near = self.of_largest(hinge, near)
        if far is not None:
            near = near & ~far
        hinge = xp.where(near, hinge, 0)
        slopes = arrays.astype(near, distances) * -self.negative_weight
        if self.exp_negative_weight:
            hinge = xp.exp(xp.where(near, -distances, 0)) * near
            slopes = hinge * -self.negative_weight
        d_own = arrays.astype((own > 0) & (own < self.positive_outlier_thresh), own) * self.positive_weight
        return self.positive_weight * own[:, 0] + self.negative_weight * hinge.sum(1), slopes, d_own
