"""Losses of class labels of which some are wrong.

layer {
  name: "loss"  type: "Python"
  bottom: "score"  bottom: "label"  top: "loss"
  python_param {
    module: "caffe_pylayers.noisy_labels"  layer: "GeneralizedCrossEntropyLoss"
    param_str: '{"q": 0.7}'
  }
  loss_weight: 1
}
layer {
  name: "symmetric_loss"  type: "Python"
  bottom: "score"  bottom: "label"  top: "symmetric_loss"
  python_param {
    module: "caffe_pylayers.noisy_labels"  layer: "SymmetricCrossEntropyLoss"
    param_str: '{"alpha": 0.1, "beta": 1.0}'
  }
  loss_weight: 1
}
layer {
  name: "bootstrapping_loss"  type: "Python"
  bottom: "score"  bottom: "label"  top: "bootstrapping_loss"
  python_param {
    module: "caffe_pylayers.noisy_labels"  layer: "BootstrappingLoss"
    param_str: '{"method": "soft", "beta": 0.95}'
  }
  loss_weight: 1
}
"""

from __future__ import annotations

import math

from caffe_pylayers._layer import arrays
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.losses.class_loss import LabelLoss, LabelProbabilityLoss

__all__ = [
    "BootstrappingLoss",
    "GeneralizedCrossEntropyLoss",
    "SymmetricCrossEntropyLoss",
    "generalized_cross_entropy_backward",
    "generalized_cross_entropy_forward",
    "hard_bootstrapping_backward",
    "hard_bootstrapping_forward",
    "soft_bootstrapping_backward",
    "soft_bootstrapping_forward",
    "symmetric_cross_entropy_backward",
    "symmetric_cross_entropy_forward",
]


def generalized_cross_entropy_forward(xp, log_p, q, k=0.0):
    """Return (1 - max(p, k)**q) / q, for the log-probabilities of labels."""
    if k > 0:
        log_p = log_p.clip(math.log(k), None)
    return xp.expm1(log_p * q) / -q


def generalized_cross_entropy_backward(xp, log_p, q, k=0.0):
    """Return d_log_p = -p**q, and 0 where p is k or less."""
    d_log_p = -xp.exp(log_p * q)
    return d_log_p * (log_p > math.log(k)) if k > 0 else d_log_p


def symmetric_cross_entropy_forward(xp, log_p, alpha, beta, log_zero):
    """Return -alpha log p - beta log_zero (1 - p), for the log-probabilities of labels.

    The second is the reverse cross entropy -sum_c(p_c log q_c) of labels q, with log_zero for log(0).
    """
    return beta * log_zero * xp.expm1(log_p) - alpha * log_p


def symmetric_cross_entropy_backward(xp, log_p, alpha, beta, log_zero):
    """Return d_log_p = beta log_zero p - alpha."""
    return beta * log_zero * xp.exp(log_p) - alpha


def soft_bootstrapping_forward(xp, log_p, labels, beta, axis, p):
    """Return (loss, entropy): -sum((beta 1[label] + (1 - beta) p) log p), and -sum(p log p), with 1 on the axis.

    log_p, p: the log-softmax of the scores, and their softmax.
    """
    entropy = -(p * log_p).sum(axis, keepdims=True)
    return (1 - beta) * entropy - beta * arrays.take_along(log_p, labels, axis), entropy


def soft_bootstrapping_backward(xp, log_p, labels, entropy, beta, axis, p, scale, d_scores):
    """Write the scores' gradient, times scale: beta (p - 1[label]) - (1 - beta) p (log p + entropy)."""
    xp.add(log_p, entropy, out=d_scores)
    d_scores *= beta - 1
    d_scores += beta
    d_scores *= p
    d_labels = arrays.take_along(d_scores, labels, axis) - beta
    arrays.put_along(d_scores, labels, d_labels, axis)
    d_scores *= scale


def hard_bootstrapping_forward(xp, log_p, labels, beta, axis):
    """Return (loss, best): -beta log p_label - (1 - beta) log p_best, best the likeliest class, the first of equals."""
    best = xp.argmax(log_p, axis).reshape(labels.shape)
    ours, theirs = arrays.take_along(log_p, best, axis), arrays.take_along(log_p, labels, axis)
    return (beta - 1) * ours - beta * theirs, best


def hard_bootstrapping_backward(xp, log_p, labels, best, beta, axis, scale, d_scores):
    """Write the scores' gradient, times scale: p - beta 1[label] - (1 - beta) 1[best]."""
    xp.exp(log_p, out=d_scores)
    arrays.put_along(d_scores, labels, arrays.take_along(d_scores, labels, axis) - beta, axis)
    arrays.put_along(d_scores, best, arrays.take_along(d_scores, best, axis) - (1 - beta), axis)
    d_scores *= scale


class GeneralizedCrossEntropyLoss(LabelProbabilityLoss):
    """Cross entropy that a wrong label moves less: between it (q near 0) and the mean absolute error (q = 1).

    loss = sum_i(w_i a_i l_i) / Z over the positions i that are not ignored, with
    l = (1 - max(p, k)**q) / q, p the label's probability under a softmax

    k: the threshold, w: weights, a: the label's class_weights, Z by the normalization.

    Bottom:
        [0] scores (N, C, ...), before any softmax
        [1] labels (N,), (N, 1, 1, 1), (N, 1, H, W) or (N, H, W): integers in [0, C), any dtype
        [2] weights w, optional: one for each label, or 1 on any axis, (N,) for samples. Default: 1
    Top:
        [0] loss (1,)
    Backward:
        d_scores_c = -g w a p**q ([c is the label] - p_c) / Z, 0 where p <= k, with the loss weight
        in g = top[0].diff[0]; d_w = g a l / Z; with normalization "weights" Z depends on w too.
        d_labels = 0.
    Raises:
        ValueError for a label that is neither an integer in [0, C) nor ignore_label, for shapes
        that do not fit, and for class_weights that are not C.
    References:
        Zhang and Sabuncu, "Generalized Cross Entropy Loss for Training Deep Neural Networks with
        Noisy Labels", 2018, arXiv:1805.07836; its truncated loss has a k above 0.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(GeneralizedCrossEntropyLoss, [[[0, 0]], [1]], param_str='{"q": 1}')
        >>> run.forward()[0]  # 1 - p
        array([0.5])
        >>> run.backward([1])[0]
        array([[ 0.25, -0.25]])
    """

    q = Parameter(float, 0.7, above=0, high=1, doc="near 0: cross entropy; 1: mean absolute error")
    threshold = Parameter(float, 0.0, low=0, high=1, doc="k: labels of this probability or less move nothing")

    def of_log_p(self, log_p):
        return generalized_cross_entropy_forward(self.xp, log_p, self.q, self.threshold)

    def of_log_p_backward(self, log_p):
        return generalized_cross_entropy_backward(self.xp, log_p, self.q, self.threshold)


class SymmetricCrossEntropyLoss(LabelProbabilityLoss):
    """Cross entropy and, against wrong labels, the reverse one: of labels as predicted by probabilities.

    loss = sum_i(w_i a_i l_i) / Z over the positions i that are not ignored, with
    l = -alpha log p - beta A (1 - p), p the label's probability under a softmax

    w: weights, a: the label's class_weights, Z by the normalization.

    Bottom:
        [0] scores (N, C, ...), before any softmax
        [1] labels (N,), (N, 1, 1, 1), (N, 1, H, W) or (N, H, W): integers in [0, C), any dtype
        [2] weights w, optional: one for each label, or 1 on any axis, (N,) for samples. Default: 1
    Top:
        [0] loss (1,)
    Backward:
        d_scores_c = g w a (beta A p - alpha) ([c is the label] - p_c) / Z, with the loss weight in
        g = top[0].diff[0]; d_w = g a l / Z; with normalization "weights" Z depends on w too.
        d_labels = 0.
    Raises:
        ValueError for a label that is neither an integer in [0, C) nor ignore_label, for shapes
        that do not fit, and for class_weights that are not C.
    References:
        Wang et al., "Symmetric Cross Entropy for Robust Learning with Noisy Labels", 2019,
        arXiv:1908.06112. A stands for the logarithm of the labels' zeros.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(SymmetricCrossEntropyLoss, [[[0, 0]], [1]], param_str='{"alpha": 0, "A": -4}')
        >>> run.forward()[0]  # 4 (1 - p)
        array([2.])
        >>> run.backward([1])[0]
        array([[ 1., -1.]])
    """

    alpha = Parameter(float, 0.1, low=0, doc="factor of the cross entropy")
    beta = Parameter(float, 1.0, low=0, doc="factor of the reverse cross entropy")
    A = Parameter(float, -4.0, high=0, doc="stands for log(0)")

    def of_log_p(self, log_p):
        return symmetric_cross_entropy_forward(self.xp, log_p, self.alpha, self.beta, self.A)

    def of_log_p_backward(self, log_p):
        return symmetric_cross_entropy_backward(self.xp, log_p, self.alpha, self.beta, self.A)


class BootstrappingLoss(LabelLoss):
    """Cross entropy with the label mixed with what the net itself predicts.

    loss = sum_i(w_i a_i l_i) / Z over the positions i that are not ignored, with
    soft: l = -sum_c((beta [c is the label] + (1 - beta) p_c) log p_c), p = softmax(scores)
    hard: l = -beta log p_label - (1 - beta) log p_best, best the class of the highest score

    w: weights, a: the label's class_weights, Z by the normalization.

    Bottom:
        [0] scores (N, C, ...), before any softmax
        [1] labels (N,), (N, 1, 1, 1), (N, 1, H, W) or (N, H, W): integers in [0, C), any dtype
        [2] weights w, optional: one for each label, or 1 on any axis, (N,) for samples. Default: 1
    Top:
        [0] loss (1,)
    Backward:
        soft: d_scores = g w a (beta (p - 1[label]) - (1 - beta) p (log p - sum(p log p))) / Z;
        hard: d_scores = g w a (p - beta 1[label] - (1 - beta) 1[best]) / Z; with the loss weight in
        g = top[0].diff[0]. d_w = g a l / Z; with normalization "weights" Z depends on w too.
        d_labels = 0.
    Raises:
        ValueError for a label that is neither an integer in [0, C) nor ignore_label, for shapes
        that do not fit, and for class_weights that are not C.
    References:
        Reed et al., "Training Deep Neural Networks on Noisy Labels with Bootstrapping", 2015,
        arXiv:1412.6596. The soft one differentiates its own target too, which makes it the
        minimum entropy regularization that the paper names.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(BootstrappingLoss, [[[0, 0]], [1]], param_str='{"beta": 0.75}')
        >>> run.forward()[0].round(4)  # log(2)
        array([0.6931])
        >>> run.backward([1])[0]  # p - 3/4 [0 1] - 1/4 [1 0]
        array([[ 0.25, -0.25]])
    """

    method = Parameter(str, "hard", choices=("hard", "soft"), doc="the net's best class, or its probabilities")
    beta = Parameter(float, None, low=0, high=1, doc="the label's share; default: 0.8 for hard, 0.95 for soft")

    def setup(self, bottom, top):
        super().setup(bottom, top)
        self._beta = {"hard": 0.8, "soft": 0.95}[self.method] if self.beta is None else self.beta

    def plan(self, scores, labels, weights=None):
        shapes = super().plan(scores, labels, weights)
        if self._p is None and self.method == "soft":
            self._p = self.xp.empty_like(scores)
        return shapes

    def losses(self, bottom, target):
        log_p = self.take_softmax(bottom[0].data)
        if self.method == "soft":
            if arrays.is_tensor(log_p):
                self.xp.exp(log_p, out=self._p)
            loss, self._entropy = soft_bootstrapping_forward(self.xp, log_p, target, self._beta, self._axis, self._p)
        else:
            loss, self._best = hard_bootstrapping_forward(self.xp, log_p, target, self._beta, self._axis)
        return loss

    def score_gradient(self, labels, scale, d_scores):
        xp, log_p, beta, axis = self.xp, self._log_p, self._beta, self._axis
        if self.method == "soft":
            soft_bootstrapping_backward(xp, log_p, labels, self._entropy, beta, axis, self._p, scale, d_scores)
        else:
            hard_bootstrapping_backward(xp, log_p, labels, self._best, beta, axis, scale, d_scores)
