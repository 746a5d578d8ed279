"""Lovász losses: intersection over union itself, made a surface that gradients can follow.

    layer {
      name: "loss"  type: "Python"
      bottom: "score"  bottom: "label"  top: "loss"
      python_param {
        module: "caffe_pylayers.lovasz"  layer: "LovaszSoftmaxLoss"
        param_str: '{"ignore_label": 255}'
      }
      loss_weight: 1
    }

LovaszHingeLoss takes one channel of scores and a mask instead.
"""

from __future__ import annotations

import math

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Layer, Parameter
from caffe_pylayers._layer.losses.region_loss import ClassMean

__all__ = ["LovaszHingeLoss", "LovaszSoftmaxLoss", "jaccard_steps", "lovasz_slopes"]


def jaccard_steps(xp, members, like):
    """Return by how much each position, added to the set of errors, raises the Jaccard loss of that set (G, L).

        J_k = 1 - I_k / U_k,  I_k = M - (members among the first k),  U_k = M + (others among the first k)
        g_k = J_k - J_(k-1) = 1 / U_k for a member, I_k / (U_k U_(k-1)) for another

    with J_0 = 0, also where M, the number of members, is 0. The right side has no differences of near
    numbers, which in float32 have no digits left where there are many positions.

    members: booleans (G, L): whether the position that is added k-th belongs to the class.
    like: an array of the result's dtype.
    """
    rank = arrays.arange_like(arrays.to_int64(members[:1]), members.shape[1]) + 1
    before = members.cumsum(1)
    total = before[:, -1:]
    inside = arrays.astype(total - before, like)
    union = arrays.astype(total + rank - before, like)
    g = xp.where(members, xp.ones_like(union), inside / (union - 1).clip(1, None))
    g /= union
    g[:, 0] += total[:, 0] == 0  # without members the first error is a loss of 1
    return g


def lovasz_slopes(xp, errors, members):
    """Return the gradient (G, L) of the Lovász extension of the Jaccard loss, by the errors.

        loss = sum_k max(e_(k), 0) g_k over the errors e sorted down, with g of jaccard_steps

    As the loss is linear where the order stays, it is the sum of errors times slopes.

    errors: (G, L), one for each position; those below 0 count nothing.
    members: booleans (G, L): whether a position belongs to the class.
    """
    groups, positions = errors.shape
    slopes = xp.empty_like(errors)
    if groups and positions:
        order = arrays.argsort(-errors, 1)
        order += arrays.arange_like(order, groups)[:, None] * positions  # in all of memory
        slopes.ravel()[order] = jaccard_steps(xp, members.ravel()[order], errors)
        arrays.put_where(slopes, errors <= 0, 0)
    return slopes


def class_counts(xp, labels, classes):
    """Return how often each class occurs (G, C) among labels int64 (G, L) in [-1, C); -1 is none."""
    groups, each = len(labels), classes + 1  # one more for -1
    first = arrays.arange_like(labels, groups)[:, None] * each + 1
    return arrays.bincount((labels + first).ravel(), groups * each).reshape(groups, each)[:, 1:]


def class_errors(xp, p, labels, c):
    """Return the errors |1[label = c] - p|, -1 where the label is -1; their derivatives by p, and the class's members.

    p, labels: of one class's probabilities and all classes' labels (G, L).
    """
    members = labels == c
    errors = p - arrays.astype(members, p)
    signs = xp.sign(errors)
    xp.abs(errors, out=errors)
    arrays.put_where(errors, labels < 0, -1)
    return errors, signs, members


class LovaszHingeLoss(Layer):
    """The Lovász hinge: a convex loss of binary segmentation, made of intersection over union.

    loss = mean over images of sum_k max(e_(k), 0) g_k, e = 1 - s (2 y - 1) the hinge errors, sorted
    down, g_k by how much the Jaccard loss grows with the k-th of them.

    Bottom:
        [0] scores s (N, 1, ...): above 0 for the foreground; no sigmoid before
        [1] labels y, 0 or 1, one for each score, such as (N, 1, H, W) or (N, H, W)
    Top:
        [0] loss (1,)
    Backward:
        d_scores; the labels get zeros.
    Raises:
        ValueError for more channels than one, and for labels other than 0, 1 and ignore_label.

    References:
        Yu and Blaschko, "Learning Submodular Losses with the Lovász Hinge", 2015, ICML; Berman et
        al., "The Lovász-Softmax loss: A tractable surrogate for the optimization of the
        intersection-over-union measure in neural networks", 2018, arXiv:1705.08790, whose
        lovasz_hinge it equals.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(LovaszHingeLoss, [[[[0.5, -2, 0.5]]], [[1, 0, 0]]]).forward()[0]
        array([1.])
    """

    array_api = True

    per_image = Parameter(bool, True, doc="the mean of the images' losses; false: one loss of the batch as a whole")
    ignore_label = Parameter(int, None, doc="positions with this label do not count")

    def setup(self, bottom, top):
        checks.tops(self, top, "loss")

    def plan(self, scores, labels):
        shape = tuple(scores.shape)
        if len(shape) < 2 or shape[1] != 1:
            raise checks.error(self, f"bottom[0] (scores) must have one channel, shape (N, 1, ...), got {shape}")
        checks.one_label_each(self, "bottom[1] (labels)", labels.shape, "bottom[0] (scores)", shape, 1)
        self._shape = (shape[0] if self.per_image else 1, math.prod(shape[2:]) * (1 if self.per_image else shape[0]))
        self._classes = arrays.arange_like(labels, 2)
        return [(1,)]

    def forward(self, bottom, top):
        labels, valid = checks.class_labels(self, bottom[1].data, self._classes, self.ignore_label)
        scores = bottom[0].data.reshape(self._shape)
        sign = arrays.astype(2 * labels - 1, scores).reshape(self._shape)
        errors = 1 - scores * sign
        if valid is not None:
            arrays.put_where(errors, ~valid.reshape(self._shape), -1)
        slopes = lovasz_slopes(self.xp, errors, sign > 0)
        groups = max(len(slopes), 1)
        self._d_scores = -sign * slopes / groups
        top[0].data[...] = (errors * slopes).sum() / groups

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            self.xp.multiply(self._d_scores, top[0].diff[0], out=bottom[0].diff.reshape(self._shape))
        if propagate_down[1]:
            arrays.fill(bottom[1].diff, 0)


class LovaszSoftmaxLoss(ClassMean):
    """The Lovász-Softmax loss: one minus each class's intersection over union, for probabilities as for masks.

    loss = mean over images of sum_c v_c L_c / sum_c v_c, L_c = sum_k e_(k) g_k, with e = |1[y = c] - p_c|
    sorted down and g_k by how much the Jaccard loss of class c grows with the k-th of them.

    Bottom:
        [0] predictions (N, C, ...), such as (N, C, H, W): scores; with "activation": "none",
            probabilities p
        [1] labels y in [0, C), one for each position: (N, 1, H, W) or (N, H, W)
    Top:
        [0] loss (1,)
    Backward:
        d_predictions, through the activation; the labels get zeros.
    Raises:
        ValueError for one channel, labels outside [0, C), and with activation none for what is no
        probability.

    References:
        Berman et al., "The Lovász-Softmax loss: A tractable surrogate for the optimization of the
        intersection-over-union measure in neural networks", 2018, arXiv:1705.08790, whose
        lovasz_softmax it equals with per_image false, its default. Here the default is the mean over the
        images, as in the other losses of regions; false is nearer to the mean IoU of a data set.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> p = [[[0.75, 0.5], [0.25, 0.5]]]
        >>> LayerRun(LovaszSoftmaxLoss, [p, [[0, 0]]], param_str='{"activation": "none"}').forward()[0]
        array([0.375])
    """

    classes = Parameter(
        str,
        "present",
        choices=("all", "present"),
        doc="present: the mean over the classes that the labels have, in the image or the batch",
    )

    def plan(self, predictions, labels):
        self.plan_regions(predictions, 2, "; one is for LovaszHingeLoss")
        shape = predictions.shape
        checks.one_label_each(self, "bottom[1] (labels)", labels.shape, "bottom[0] (predictions)", shape, 1)
        images, classes, positions = self._shape
        self._grouped = (images, positions) if self.per_image else (1, images * positions)
        self._classes = arrays.arange_like(labels, classes)
        self._d_p = arrays.new(predictions, self._shape)
        return [(1,)]

    def forward(self, bottom, top):
        labels, valid = checks.class_labels(self, bottom[1].data, self._classes, self.ignore_label)
        if valid is not None:
            arrays.put_where(labels, ~valid, -1)
            valid = valid.reshape(self._shape[0], 1, self._shape[2])
        self._p = self.take_probabilities(bottom[0].data, valid)
        p, labels, d_p = map(arrays.host_view, (self._p, labels.reshape(self._grouped), self._d_p))
        arrays.host_view(top[0].data)[...] = self._take_classes(p, labels, d_p)

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            d = bottom[0].diff.reshape(self._shape)
            self.xp.multiply(self._d_p, top[0].diff[0], out=d)
            self.through_activation(self._p, d)
        if propagate_down[1]:
            arrays.fill(bottom[1].diff, 0)

    def _take_classes(self, p, labels, d_p):
        """Return the loss, and write the gradient of p, class after class, whose errors are sorted by themselves."""
        xp, loss = arrays.namespace(p), 0
        shares = self.class_shares(class_counts(xp, labels, p.shape[1])) / max(len(labels), 1)
        there = [True] * p.shape[1] if arrays.on_device(shares) else (shares > 0).any(0).tolist()
        for c, counts in enumerate(there):
            if not counts:
                d_p[:, c] = 0
                continue
            errors, signs, members = class_errors(xp, p[:, c].reshape(labels.shape), labels, c)
            slopes = lovasz_slopes(xp, errors, members) * shares[:, c : c + 1]
            loss = loss + (errors * slopes).sum()
            d_p[:, c] = (slopes * signs).reshape(d_p[:, c].shape)
        return loss
