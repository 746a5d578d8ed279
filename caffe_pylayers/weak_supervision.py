"""Segmentation from image labels and cues: the losses of Seed, Expand and Constrain.

    layer {
      name: "seed"  type: "Python"
      bottom: "score"  bottom: "cues"  top: "seed"
      python_param { module: "caffe_pylayers.weak_supervision"  layer: "SeedLoss" }
      loss_weight: 1
    }
    layer {
      name: "expand"  type: "Python"
      bottom: "score"  bottom: "image_label"  top: "expand"
      python_param { module: "caffe_pylayers.weak_supervision"  layer: "ExpandLoss" }
      loss_weight: 1
    }
    layer {
      name: "constrain"  type: "Python"
      bottom: "score"  bottom: "crf"  top: "constrain"
      python_param { module: "caffe_pylayers.weak_supervision"  layer: "ConstrainLoss" }
      loss_weight: 1
    }

With "activation": "none" the three take the top of a Softmax in place of scores.
"""

from __future__ import annotations

import math

import numpy as np

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.losses import segmentation
from caffe_pylayers._layer.losses.class_probabilities import LEAST, ProbabilityLoss

__all__ = ["ConstrainLoss", "ExpandLoss", "SeedLoss", "constrain_loss", "expand_loss", "seed_loss"]


def seed_loss(xp, p, cues, groups):
    """Return the losses (N,), sum over groups of -sum(cues log p) / sum(cues), and d_p.

    p, cues: (N, C, L); cues are 1 where a class is known to be, else 0.
    groups: lists of classes, whose cues are counted together.
    """
    d_log_p = xp.empty_like(p)
    for classes in groups:
        count = cues[:, classes].sum((1, 2))[:, None, None]
        d_log_p[:, classes] = -cues[:, classes] / count.clip(1, None)
    return (d_log_p * xp.log(p)).sum((1, 2)), d_log_p / p


def rank_weights(positions, q):
    """Return q**k / sum_k q**k for the k-th largest of L values: 1 / L for q = 1, the first alone for q = 0."""
    weights = q ** np.arange(positions, dtype=float)
    return weights / weights.sum()


def expand_loss(xp, p, present, absent, background_label, foreground, background):
    """Return the losses (N,) and d_p.

        loss = - sum_present log G_c / count - sum_absent log(1 - max p_c) / count - log G_background

    with G the mean of a class's p, sorted down, by the weights of its ranks.

    p: (N, C, L).
    present, absent: 1 or 0 (N, C); the background is neither.
    foreground, background: rank_weights (L,).
    """
    order = arrays.argsort(-p, 2)
    down = arrays.take_along(p, order, 2)
    share_present = present / present.sum(1).clip(1, None)[:, None]
    share_absent = absent / absent.sum(1).clip(1, None)[:, None]
    pooled, pooled_background = down @ foreground, down[:, background_label] @ background
    rest = (1 - down[:, :, 0]).clip(LEAST, None)
    losses = -(share_present * xp.log(pooled) + share_absent * xp.log(rest)).sum(1) - xp.log(pooled_background)
    d_down = (-share_present / pooled)[:, :, None] * foreground
    d_down[:, :, 0] += share_absent / rest * (rest > LEAST)
    d_down[:, background_label] = -background / pooled_background[:, None]
    d_p = xp.empty_like(p)
    arrays.put_along(d_p, order, d_down, 2)
    return losses, d_p


def constrain_loss(xp, p, log_q, low, high):
    """Return the loss, mean over positions of sum_c q_c log clip(q_c / p_c, low, high), and d_p and d_log_q."""
    positions = max(p.shape[0] * p.shape[2], 1)
    q, ratio = xp.exp(log_q), log_q - xp.log(p)
    inside = (ratio >= math.log(low)) & (ratio <= math.log(high))
    ratio = ratio.clip(math.log(low), math.log(high))
    weighted = q * ratio / positions
    d_ratio = q * inside / positions
    return weighted.sum(), -d_ratio / p, weighted + d_ratio


class SeedLoss(ProbabilityLoss):
    """Minus the log-probability of the classes at positions where weak cues say what is there.

    loss = mean over images of -sum cues log p / sum cues.

    Bottom:
        [0] predictions (N, C, H, W): scores; with "activation": "none", probabilities
        [1] cues: one-hot codes in the shape of the predictions, 0 everywhere where nothing is
            known; or labels (N, 1, H, W) or (N, H, W), with ignore_label where nothing is known
    Top:
        [0] loss (1,)
    Backward:
        d_predictions, through the activation; the cues get zeros.
    Raises:
        ValueError for shapes that do not fit, cues outside [0, 1], and labels outside [0, C).

    References:
        Kolesnikov and Lampert, "Seed, Expand and Constrain: Three Principles for Weakly-Supervised
        Image Segmentation", 2016, arXiv:1603.06098; balanced: Huang et al., "Weakly-Supervised
        Semantic Segmentation Network with Deep Seeded Region Growing", 2018, CVPR. An image
        without cues has the loss 0 here, and NaN in the published layer, whose probabilities
        come from a softmax with min_prob of its own: with it, "activation": "none", "min_prob": 0.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> p, cues = [[[[0.5, 0.25]], [[0.5, 0.75]]]], [[[255, 1]]]
        >>> text = '{"activation": "none", "min_prob": 0}'
        >>> LayerRun(SeedLoss, [p, cues], param_str=text).forward()[0].round(6)  # -ln 0.75
        array([0.287682])
    """

    balanced = Parameter(bool, False, doc="the background's cues averaged on their own, and so the others")
    background_label = Parameter(int, 0, low=0, doc="of balanced: the background's class")
    ignore_label = Parameter(int, 255, doc="in label maps: the position has no cue")

    def plan(self, predictions, cues):
        self.plan_predictions(predictions)
        classes, background = self._shape[1], self.background_label
        self._of_numbers = segmentation.are_numbers(self, cues.shape, predictions.shape)
        self._codes = None if self._of_numbers else arrays.new(predictions, self._shape)
        self._classes = arrays.arange_like(cues, classes)
        self._places = None if self._of_numbers else segmentation.class_places(cues, self._shape)
        self._groups = [list(range(classes))]
        if self.balanced:
            if background >= classes:
                raise checks.error(self, f"parameter background_label {background} is outside [0, {classes})")
            self._groups = [[background], [c for c in range(classes) if c != background]]
        return [(1,)]

    def forward(self, bottom, top):
        if self._of_numbers:
            cues, _ = segmentation.read_numbers(self, bottom[1].data, self._shape)
        else:
            cues = self._codes
            cues *= segmentation.read_labels(self, bottom[1].data, self._classes, self._places, cues)
        p = self.take_probabilities(bottom[0].data)
        losses, self._d_p = seed_loss(self.xp, p, cues, self._groups)
        top[0].data[...] = losses.sum() / max(len(losses), 1)

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            self.write_gradient(self._d_p, top[0].diff[0] / max(len(self._d_p), 1), bottom[0].diff)
        if propagate_down[1]:
            arrays.fill(bottom[1].diff, 0)


class ExpandLoss(ProbabilityLoss):
    """The classes of an image shall fill it, the others nothing: from labels of the image alone.

    loss = mean over images of -mean_c log G_c - mean_a log(1 - max p_a) - log G_background, c the
    classes that the image has, a those it has not, G the mean of the class's probabilities, sorted
    down, with weights 1, q, q**2, ... (global weighted rank pooling).

    Bottom:
        [0] predictions (N, C, H, W): scores; with "activation": "none", probabilities
        [1] labels of the images, N times C values: 1 for the classes that are there, else 0;
            (N, C), (N, C, 1, 1) or (N, 1, 1, C). That of the background does not matter
    Top:
        [0] loss (1,)
    Backward:
        d_predictions, through the activation; the labels get zeros.
    Raises:
        ValueError for shapes that do not fit, and for a label that is neither 0 nor 1.

    References:
        Kolesnikov and Lampert, "Seed, Expand and Constrain: Three Principles for Weakly-Supervised
        Image Segmentation", 2016, arXiv:1603.06098. The published layer is for 20 classes and maps
        of 41 x 41, and its q are the defaults here. A sum without classes is 0 here, and NaN there.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> p = [[[[0.5, 0.25]], [[0.25, 0.25]], [[0.25, 0.5]]]]
        >>> text = '{"activation": "none", "min_prob": 0, "q_foreground": 0, "q_background": 0}'
        >>> LayerRun(ExpandLoss, [p, [[1, 0, 1]]], param_str=text).forward()[0].round(6)  # -ln(0.5 * 0.75 * 0.5)
        array([1.673976])
    """

    q_foreground = Parameter(
        float, 0.996, low=0, high=1, doc="q of the classes that are there: 1 the mean, 0 the maximum"
    )
    q_background = Parameter(float, 0.999, low=0, high=1, doc="q of the background")
    background_label = Parameter(int, 0, low=0, doc="the background's class")

    def plan(self, predictions, labels):
        self.plan_predictions(predictions)
        images, classes, positions = self._shape
        if tuple(n for n in labels.shape if n != 1) != tuple(n for n in (images, classes) if n != 1):
            raise checks.error(
                self,
                f"bottom[1] (labels) must have shape {(images, classes)}, a value for each image and class of "
                f"bottom[0] (predictions) of shape {tuple(predictions.shape)}, got {tuple(labels.shape)}",
            )
        if self.background_label >= classes:
            raise checks.error(self, f"parameter background_label {self.background_label} is outside [0, {classes})")
        self._foreground, self._background = (
            arrays.from_numpy(rank_weights(positions, q), predictions) for q in (self.q_foreground, self.q_background)
        )
        return [(1,)]

    def forward(self, bottom, top):
        p = self.take_probabilities(bottom[0].data)
        labels, _ = checks.class_labels(self, bottom[1].data, 2)
        present = arrays.astype(labels.reshape(self._shape[:2]), p)
        absent = 1 - present
        present[:, self.background_label] = absent[:, self.background_label] = 0
        ranks = self._foreground, self._background
        losses, self._d_p = expand_loss(self.xp, p, present, absent, self.background_label, *ranks)
        top[0].data[...] = losses.sum() / max(len(losses), 1)

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            self.write_gradient(self._d_p, top[0].diff[0] / max(len(self._d_p), 1), bottom[0].diff)
        if propagate_down[1]:
            arrays.fill(bottom[1].diff, 0)


class ConstrainLoss(ProbabilityLoss):
    """The divergence of the predictions from what a CRF makes of them: regions shall end at the image's edges.

    loss = mean over images and positions of sum_c q_c log clip(q_c / p_c, low, high).

    Bottom:
        [0] predictions (N, C, H, W): scores; with "activation": "none", probabilities p
        [1] crf (N, C, H, W): log q, the logarithms of the CRF's probabilities; with "log": false, q
    Top:
        [0] loss (1,)
    Backward:
        d_predictions, through the activation, and d_crf; where q / p is clipped, only q in front
        of the logarithm has one.
    Raises:
        ValueError for shapes that do not fit.

    References:
        Kolesnikov and Lampert, "Seed, Expand and Constrain: Three Principles for Weakly-Supervised
        Image Segmentation", 2016, arXiv:1603.06098, whose layer it equals after a softmax with
        min_prob of its own: with it, "activation": "none", "min_prob": 0.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> p, q = [[[0.5], [0.5]]], [[[0.75], [0.25]]]
        >>> text = '{"activation": "none", "min_prob": 0, "log": false}'
        >>> LayerRun(ConstrainLoss, [p, q], param_str=text).forward()[0].round(6)
        array([0.130812])
    """

    log = Parameter(bool, True, doc="bottom[1] holds log q; false: q")
    clip = Parameter((float, float), (0.05, 20.0), above=0, doc="low and high, of the ratio q / p")

    def setup(self, bottom, top):
        checks.tops(self, top, "loss")
        if self.clip[0] >= self.clip[1]:
            raise checks.error(self, f"parameter clip must hold low and then high, got {self.clip}")

    def plan(self, predictions, crf):
        self.plan_predictions(predictions)
        checks.same_shape(self, "bottom[1] (crf)", crf.shape, "bottom[0] (predictions)", predictions.shape)
        return [(1,)]

    def forward(self, bottom, top):
        p, q = self.take_probabilities(bottom[0].data), bottom[1].data.reshape(self._shape)
        log_q = q if self.log else self.xp.log(q.clip(LEAST, None))
        loss, self._d_p, self._d_log_q = constrain_loss(self.xp, p, log_q, *self.clip)
        top[0].data[...] = loss

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            self.write_gradient(self._d_p, top[0].diff[0], bottom[0].diff)
        if propagate_down[1]:
            d, q = bottom[1].diff.reshape(self._shape), bottom[1].data.reshape(self._shape)
            self.xp.multiply(self._d_log_q, top[0].diff[0], out=d)
            if not self.log:
                d /= q.clip(LEAST, None)
