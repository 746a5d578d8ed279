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
from caffe_pylayers._layer.functions.probabilities import ACTIVATIONS, probabilities_backward, probabilities_forward
from caffe_pylayers._layer.losses import segmentation

__all__ = ["LovaszHingeLoss", "LovaszSoftmaxLoss", "lovasz_forward", "lovasz_gradient"]


def lovasz_gradient(xp, members, like):
    """Return how much each error, sorted down, adds to the Jaccard loss of the set of errors before it and itself.

        J_k = 1 - I_k / U_k,  I_k = M - (members among the first k),  U_k = M + (others among the first k)
        g_k = J_k - J_(k-1) = 1 / U_k for a member, I_k / (U_k U_(k-1)) for another

    with J_0 = 0, also where M, the number of members, is 0. The right side has no differences of near
    numbers, which in float32 have no digits left where there are many positions.

    members: booleans (G, L): whether the position of the k-th error belongs to the class.
    like: an array of the gradient's dtype.
    """
    before = members.cumsum(1)
    total = before[:, -1:]
    rank = arrays.to_int64(arrays.arange_like(before, members.shape[1])) + 1
    inside = arrays.astype(total - before, like)
    union = arrays.astype(total + rank - before, like)
    g = xp.where(members, 1 / union, inside / (union * (union - 1).clip(1, None)))
    g[:, :1] += arrays.astype(total == 0, like)  # without members the first error is a loss of 1
    return g


def lovasz_forward(xp, errors, members):
    """Return the losses (G,): sum_k max(error_k, 0) g_k over the errors sorted down; and d_errors (G, L).

    errors: (G, L), one for each position; those below 0 count nothing.
    members: booleans (G, L): whether a position belongs to the class.
    """
    if not errors.shape[1]:
        return errors.sum(1), xp.empty_like(errors)
    order = arrays.argsort(-errors, 1)
    g = lovasz_gradient(xp, arrays.take_along(members, order, 1), errors)
    d_errors = xp.empty_like(errors)
    arrays.put_along(d_errors, order, g, 1)
    d_errors *= errors > 0
    return (errors * d_errors).sum(1), d_errors


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
            errors[~valid.reshape(self._shape)] = -1
        losses, d_errors = lovasz_forward(self.xp, errors, sign > 0)
        self._d_scores = -sign * d_errors / max(len(losses), 1)
        top[0].data[...] = losses.sum() / max(len(losses), 1)

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            self.xp.multiply(self._d_scores, top[0].diff[0], out=bottom[0].diff.reshape(self._shape))
        if propagate_down[1]:
            arrays.fill(bottom[1].diff, 0)


class LovaszSoftmaxLoss(Layer):
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
        ValueError for one channel, and for labels outside [0, C).

    References:
        Berman et al., "The Lovász-Softmax loss: A tractable surrogate for the optimization of the
        intersection-over-union measure in neural networks", 2018, arXiv:1705.08790, whose
        lovasz_softmax it equals; per_image is there called so too, and is false by default.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> p = [[[0.75, 0.5], [0.25, 0.5]]]
        >>> LayerRun(LovaszSoftmaxLoss, [p, [[0, 0]]], param_str='{"activation": "none"}').forward()[0]
        array([0.375])
    """

    array_api = True

    activation = Parameter(
        str,
        "softmax",
        choices=ACTIVATIONS,
        doc="what makes probabilities of bottom[0]: none, where it holds them; sigmoid; softmax over axis 1",
    )
    per_image = Parameter(bool, False, doc="the mean of the images' losses; false: one loss of the batch as a whole")
    classes = Parameter(
        str,
        "present",
        choices=("all", "present"),
        doc="present: the mean over the classes that the labels have, in the image or the batch",
    )
    class_weights = Parameter([float], (), low=0, doc="v_c, a factor for each class: C of them; default: 1")
    exclude = Parameter([int], (), low=0, doc="classes with v_c = 0; the background: [0]")
    ignore_label = Parameter(int, None, doc="positions with this label do not count")

    def setup(self, bottom, top):
        checks.tops(self, top, "loss")

    def plan(self, predictions, labels):
        shape = tuple(predictions.shape)
        if len(shape) < 2 or shape[1] < 2:
            raise checks.error(
                self,
                f"bottom[0] (predictions) must have shape (N, C, ...) with two channels or more, got {shape}; "
                f"one is for LovaszHingeLoss",
            )
        checks.one_label_each(self, "bottom[1] (labels)", labels.shape, "bottom[0] (predictions)", shape, 1)
        self._shape = (*shape[:2], math.prod(shape[2:]))
        images, positions = self._shape[::2]
        self._grouped = (images, positions) if self.per_image else (1, images * positions)
        self._v = segmentation.class_factors(self, self.class_weights, self.exclude, predictions)
        self._classes = arrays.arange_like(labels, shape[1])
        self._d, self._scratch = arrays.new(predictions, self._shape), arrays.new(predictions, self._shape)
        self._probabilities = None if self.activation == "none" else arrays.new(predictions, self._shape)
        return [(1,)]

    def forward(self, bottom, top):
        p = bottom[0].data.reshape(self._shape)
        if self._probabilities is not None:
            probabilities_forward(self.xp, p, self.activation, self._probabilities)
            p = self._probabilities
        labels, valid = checks.class_labels(self, bottom[1].data, self._classes, self.ignore_label)
        self._write_gradient(top[0].data, p, labels.reshape(self._grouped), valid)

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            d = bottom[0].diff.reshape(self._shape)
            self.xp.multiply(self._d, top[0].diff[0], out=d)
            if self._probabilities is not None:
                probabilities_backward(self.xp, self._probabilities, self.activation, d, self._scratch)
        if propagate_down[1]:
            arrays.fill(bottom[1].diff, 0)

    def _write_gradient(self, loss, p, labels, valid):
        """Write the loss and its gradient for the probabilities."""
        valid = None if valid is None else valid.reshape(self._grouped)
        shares = self._class_shares(labels, valid)
        arrays.fill(loss, 0)
        arrays.fill(self._d, 0)
        for c, counts in enumerate((shares > 0).any(0).tolist()):
            if not counts:
                continue
            members = labels == c if valid is None else (labels == c) & valid
            difference = p[:, c].reshape(self._grouped) - arrays.astype(members, p)
            errors = self.xp.abs(difference)
            if valid is not None:
                errors[~valid] = -1
            losses, d_errors = lovasz_forward(self.xp, errors, members)
            loss += (shares[:, c] * losses).sum()
            d_errors *= self.xp.sign(difference)
            d_errors *= shares[:, c : c + 1]
            self._d[:, c] = d_errors.reshape(self._d[:, c].shape)

    def _class_shares(self, labels, valid):
        """Return the factors (G, C) of the classes' losses: v over its sum and the number of images."""
        groups, classes = self._grouped[0], self._shape[1]
        shares = arrays.new(self._d, (groups, classes))
        shares[...] = self._v
        if self.classes == "present":
            shares *= self._counts(labels, valid) > 0
        total = shares.sum(1)[:, None]
        return shares / (total + (total == 0)) / max(groups, 1)

    def _counts(self, labels, valid):
        """Return how many positions of each class (G, C) there are."""
        groups, classes = self._grouped[0], self._shape[1]
        first = arrays.to_int64(arrays.arange_like(labels, groups))[:, None] * classes
        found = (labels + first).ravel()
        if valid is not None:
            found = found[valid.ravel()]
        return self.xp.bincount(found, minlength=groups * classes).reshape(groups, classes)
