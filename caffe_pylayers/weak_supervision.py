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
from caffe_pylayers._layer.functions.probabilities import check_probabilities
from caffe_pylayers._layer.losses.class_probabilities import ProbabilityLoss
from caffe_pylayers._layer.losses.region_targets import RegionTargets

__all__ = [
    "ConstrainLoss",
    "ExpandLoss",
    "SeedLoss",
    "constrain_backward",
    "constrain_forward",
    "expand_backward",
    "expand_forward",
    "seed_backward",
    "seed_forward",
]

_LEAST = 1e-20  # what is less counts as this in a logarithm, and has no gradient


def seed_forward(xp, p, shares):
    """Return the losses (N,): -sum(shares log p), of cues over how many there are (N, C, L)."""
    return -(shares * xp.log(p)).sum((1, 2))


def seed_backward(p, shares):
    """Return d_p."""
    return -shares / p


def cue_shares(xp, cues, groups):
    """Return the cues (N, C, L), 1 where a class is known to be, else 0, over their number in the image.

    groups: lists of classes, whose cues are counted together.
    """
    shares = xp.empty_like(cues)
    for classes in groups:
        count = cues[:, classes].sum((1, 2))[:, None, None]
        shares[:, classes] = cues[:, classes] / count.clip(1, None)
    return shares


def rank_weights(positions, q):
    """Return q**k / sum_k q**k for the k-th largest of L values: 1 / L for q = 1, the first alone for q = 0."""
    weights = q ** np.arange(positions, dtype=float)
    return weights / weights.sum()


def expand_forward(xp, down, present, absent, background_label, foreground, background):
    """Return the losses (N,), and what backward needs: the classes' G, the background's, and 1 - max p_c.

        loss = -sum_c present_c log G_c - sum_c absent_c log(1 - max p_c) - log G_background

    with G the mean of a class's p by the weights of its ranks.

    down: p (N, C, L), sorted down.
    present, absent: (N, C), each class's share of those that the image has, or has not; the background's are 0.
    foreground, background: rank_weights (L,).
    """
    pooled, pooled_background = down @ foreground, down[:, background_label] @ background
    rest = (1 - down[:, :, 0]).clip(_LEAST, None)
    losses = -(present * xp.log(pooled) + absent * xp.log(rest)).sum(1) - xp.log(pooled_background)
    return losses, (pooled, pooled_background, rest)


def expand_backward(present, absent, background_label, foreground, background, pooled, pooled_background, rest):
    """Return d_down (N, C, L)."""
    d_down = (-present / pooled)[:, :, None] * foreground
    d_down[:, :, 0] += absent / rest * (rest > _LEAST)
    d_down[:, background_label] = -background / pooled_background[:, None]
    return d_down


def constrain_forward(xp, p, q, log_q, low, high):
    """Return the loss, mean over positions of sum_c q_c log clip(q_c / p_c, low, high), and the clipped logarithms."""
    ratio = (log_q - xp.log(p)).clip(math.log(low), math.log(high))
    return (q * ratio).sum() / max(p.shape[0] * p.shape[2], 1), ratio


def constrain_backward(p, q, ratio, low, high):
    """Return d_p and d_log_q; where the ratio is clipped, only q in front of the logarithm has a gradient."""
    q = q / max(p.shape[0] * p.shape[2], 1)
    d_ratio = q * ((ratio > math.log(low)) & (ratio < math.log(high)))
    return -d_ratio / p, q * ratio + d_ratio


class _CueLoss(ProbabilityLoss):
    """A loss of logarithms of probabilities, which are kept away from 0."""

    min_prob = Parameter(
        float,
        1e-4,
        low=0,
        doc="m: p becomes (p + m) / (1 + C m), away from 0; 0 where it already is",
    )

    def plan_maps(self, predictions):
        """Take bottom[0], with two classes and a position at least."""
        self.plan_predictions(predictions, 2)
        if 0 in predictions.shape[2:]:
            raise checks.error(self, f"bottom[0] (predictions) must have positions, got {tuple(predictions.shape)}")
        self._mix = 1 / (1 + self._shape[1] * self.min_prob)

    def take_away_from_0(self, predictions, w=None):
        """Return p (N, C, L), which is above 0."""
        self._unmixed = self.take_probabilities(predictions, w)
        p = (self._unmixed + self.min_prob) * self._mix
        return p if self.min_prob else p.clip(_LEAST, None)

    def write_gradient(self, d_p, scale, d_predictions):
        """Write the gradient of bottom[0] from that of p, times the scale."""
        d = d_predictions.reshape(self._shape)
        self.xp.multiply(d_p, scale * self._mix, out=d)
        if not self.min_prob:
            d *= self._unmixed > _LEAST
        self.through_activation(self._unmixed, d)


class SeedLoss(_CueLoss):
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
        self.plan_maps(predictions)
        classes, background = self._shape[1], self.background_label
        self._cues = RegionTargets(self, cues, predictions)
        self._groups = [list(range(classes))]
        if self.balanced:
            if background >= classes:
                raise checks.error(self, f"parameter background_label {background} is outside [0, {classes})")
            self._groups = [[background], [c for c in range(classes) if c != background]]
        return [(1,)]

    def forward(self, bottom, top):
        cues, valid, _ = self._cues.read(self, bottom[1].data)
        if valid is not None:
            cues = cues * valid
        self._shares = cue_shares(self.xp, cues, self._groups)
        self._p = self.take_away_from_0(bottom[0].data, cues.sum(1)[:, None])
        losses = seed_forward(self.xp, self._p, self._shares)
        top[0].data[...] = losses.sum() / max(len(losses), 1)

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            scale = top[0].diff[0] / max(len(self._p), 1)
            self.write_gradient(seed_backward(self._p, self._shares), scale, bottom[0].diff)
        if propagate_down[1]:
            arrays.fill(bottom[1].diff, 0)


class ExpandLoss(_CueLoss):
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
        self.plan_maps(predictions)
        images, classes, positions = self._shape
        if tuple(n for n in labels.shape if n != 1) != tuple(n for n in (images, classes) if n != 1):
            raise checks.error(
                self,
                f"bottom[1] (labels) must have shape {(images, classes)}, a value for each image and class of "
                f"bottom[0] (predictions) of shape {tuple(predictions.shape)}, got {tuple(labels.shape)}",
            )
        if self.background_label >= classes:
            raise checks.error(self, f"parameter background_label {self.background_label} is outside [0, {classes})")
        self._ranks = [
            arrays.from_numpy(rank_weights(positions, q), predictions) for q in (self.q_foreground, self.q_background)
        ]
        return [(1,)]

    def forward(self, bottom, top):
        p = self.take_away_from_0(bottom[0].data)
        labels, _ = checks.class_labels(self, bottom[1].data, 2)
        present = arrays.astype(labels.reshape(self._shape[:2]), p)
        absent = 1 - present
        present[:, self.background_label] = absent[:, self.background_label] = 0
        present, absent = (flags / flags.sum(1).clip(1, None)[:, None] for flags in (present, absent))
        self._order = arrays.argsort(-p, 2)
        down = arrays.take_along(p, self._order, 2)
        self._given = present, absent, self.background_label, *self._ranks
        losses, self._found = expand_forward(self.xp, down, *self._given)
        top[0].data[...] = losses.sum() / max(len(losses), 1)

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            d_down = expand_backward(*self._given, *self._found)
            d_p = self.xp.empty_like(d_down)
            arrays.put_along(d_p, self._order, d_down, 2)
            self.write_gradient(d_p, top[0].diff[0] / max(len(d_p), 1), bottom[0].diff)
        if propagate_down[1]:
            arrays.fill(bottom[1].diff, 0)


class ConstrainLoss(_CueLoss):
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
        ValueError for shapes that do not fit, and for what is no probability.

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
        self.plan_maps(predictions)
        checks.same_shape(self, "bottom[1] (crf)", crf.shape, "bottom[0] (predictions)", predictions.shape)
        return [(1,)]

    def forward(self, bottom, top):
        p, crf = self.take_away_from_0(bottom[0].data), bottom[1].data
        q = self.xp.exp(crf) if self.log else crf
        check_probabilities(self, "exp(bottom[1]), with log," if self.log else "bottom[1] (crf), with log false,", q)
        q = q.reshape(self._shape).clip(_LEAST, None)
        log_q = crf.reshape(self._shape) if self.log else self.xp.log(q)
        loss, ratio = constrain_forward(self.xp, p, q, log_q, *self.clip)
        self._found = p, q, ratio
        top[0].data[...] = loss

    def backward(self, top, propagate_down, bottom):
        d_p, d_log_q = constrain_backward(*self._found, *self.clip)
        if propagate_down[0]:
            self.write_gradient(d_p, top[0].diff[0], bottom[0].diff)
        if propagate_down[1]:
            d = bottom[1].diff.reshape(self._shape)
            self.xp.multiply(d_log_q, top[0].diff[0], out=d)
            if not self.log:
                d /= self._found[1]
