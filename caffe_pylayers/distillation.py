"""Losses that compare a distribution over classes with another one, such as a teacher's.

layer {
  name: "loss"  type: "Python"
  bottom: "student"  bottom: "teacher"  top: "loss"
  python_param {
    module: "caffe_pylayers.distillation"  layer: "SoftTargetLoss"
    param_str: '{"targets": "scores", "temperature": 4.0}'
  }
  loss_weight: 1
  propagate_down: true  propagate_down: false
}
layer {
  name: "kl_loss"  type: "Python"
  bottom: "score"  bottom: "target"  top: "kl_loss"
  python_param {
    module: "caffe_pylayers.distillation"  layer: "KLDivergenceLoss"
    param_str: '{"predictions": "scores", "targets": "probabilities"}'
  }
  loss_weight: 1
}
"""

from __future__ import annotations

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.functions.probabilities import check_probabilities
from caffe_pylayers._layer.functions.softmax import log_softmax, softmax_backward, targets_backward
from caffe_pylayers._layer.losses.class_loss import SoftmaxLoss
from caffe_pylayers._layer.losses.class_table import class_table

__all__ = ["KLDivergenceLoss", "SoftTargetLoss", "kl_divergence_forward", "soft_target_forward"]

SMALLEST = 1.1754943508222875e-38  # what a probability counts as in a logarithm, at least: float32's smallest


def soft_target_forward(xp, log_p, q, axis=1):
    """Return -sum(q log p) over the classes, with 1 on their axis."""
    return -(q * log_p).sum(axis, keepdims=True)


def kl_divergence_forward(xp, log_p, q, log_q, axis=1):
    """Return sum(q (log q - log p)) over the classes, with 1 on their axis."""
    return (q * (log_q - log_p)).sum(axis, keepdims=True)


class _DistributionLoss(SoftmaxLoss):
    """A loss of scores and as many targets."""

    def plan(self, predictions, targets, weights=None):
        checks.same_shape(self, "bottom[1] (targets)", targets.shape, "bottom[0]", predictions.shape)
        self.plan_scores(predictions, weights)
        self._log_q, self._q = self.xp.empty_like(targets), self.xp.empty_like(targets)
        return [(1,)]

    def check(self, kind, what, bottom, i):
        """Raise where a bottom that holds probabilities has something else, and a weight."""
        if kind == "probabilities":
            weights = self.weights_of(bottom)
            check_probabilities(
                self, f"bottom[{i}] ({what})", bottom[i].data, None if weights is None else weights != 0
            )

    def _logarithm(self, kind, values, out):
        """Write the log-probabilities of a distribution that comes as scores, probabilities or their logarithms."""
        if kind == "scores":
            log_softmax(self.xp, values, self._axis, out, self._p)
        elif kind == "probabilities":
            self.xp.log(values.clip(SMALLEST, None), out=out)
        else:
            out[...] = values


class SoftTargetLoss(_DistributionLoss):
    """Cross entropy with soft targets, at a temperature: knowledge distillation, mixed labels.

    loss = sum_i(w_i l_i) / Z over positions i, with
    l = -T**2 sum_c(a_c q_c log p_c), p = softmax(scores / T),
    q = softmax(targets / T) where the targets are scores, else the targets

    w: weights, a: class_weights, T: temperature, Z by the normalization. The factor T**2, which
    ``temperature_squared: false`` leaves out, keeps gradients of one size whatever T.

    Bottom:
        [0] scores (N, C, ...), before any softmax
        [1] targets, the shape of the scores: a teacher's scores, or probabilities
        [2] weights w, optional: one for each position, or 1 on any axis, (N,) for samples. Default: 1
    Top:
        [0] loss (1,)
    Backward:
        d_scores_c = g w T (p_c sum(a q) - a_c q_c) / Z, with the loss weight in g = top[0].diff[0];
        d_targets = -g w T**2 a log p / Z for probabilities, for scores that through their softmax;
        d_w = g l / Z; with normalization "weights" Z depends on w too.
    Raises:
        ValueError for shapes that do not fit, for probabilities outside [0, 1], and for class_weights
        that are not C.
    References:
        Hinton et al., "Distilling the Knowledge in a Neural Network", 2015, arXiv:1503.02531; the
        KLDivergenceLoss of the same p and q has the same gradient for the scores, and is 0 where
        they agree. With probabilities and T = 1 it is PyTorch's cross_entropy of class
        probabilities. It stands for the published distillation layers, and for softmax losses of
        one-hot or mixed labels.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(SoftTargetLoss, [[[0, 0]], [[0.75, 0.25]]])
        >>> run.forward()[0].round(4)  # log(2)
        array([0.6931])
        >>> run.backward([1])[0]
        array([[-0.25,  0.25]])
    """

    targets = Parameter(str, "probabilities", choices=("scores", "probabilities"), doc="what bottom[1] holds")
    temperature = Parameter(float, 1.0, above=0, doc="T, by which scores are divided; higher: softer")
    temperature_squared = Parameter(bool, True, doc="multiply the loss by T squared")
    class_weights = Parameter([float], (), low=0, doc="a_c, a factor for each class: C of them; default: 1")

    def plan(self, scores, targets, weights=None):
        shapes = super().plan(scores, targets, weights)
        table = class_table(self, self.class_weights, "class_weights", scores, self._axis)
        self._class_weights = None if table is None else arrays.on_axis(table, len(scores.shape), self._axis)
        self._scale = self.temperature**2 if self.temperature_squared else 1.0
        return shapes

    def read(self, bottom):
        self.check(self.targets, "targets", bottom, 1)
        q = bottom[1].data
        if self.targets == "scores":
            self._logarithm("scores", self._softened(q), self._log_q)
            q = self.xp.exp(self._log_q, out=self._q)
        if self._class_weights is not None:
            q = q * self._class_weights
        return q, None

    def losses(self, bottom, target):
        self._logarithm("scores", self._softened(bottom[0].data), self._log_p)
        return soft_target_forward(self.xp, self._log_p, target, self._axis) * self._scale

    def gradient(self, bottom, target, scale, propagate_down):
        by_t = scale * (self._scale / self.temperature)
        if propagate_down[0]:
            targets_backward(self.xp, self._log_p, target, by_t, self._axis, bottom[0].diff)
        if propagate_down[1]:
            d_q = -self._log_p if self._class_weights is None else self._log_p * -self._class_weights
            if self.targets == "scores":
                bottom[1].diff[...] = softmax_backward(self.xp, self._q, d_q, self._axis) * by_t
            else:
                bottom[1].diff[...] = d_q * (scale * self._scale)

    def _softened(self, scores):
        return scores if self.temperature == 1 else scores / self.temperature


class KLDivergenceLoss(_DistributionLoss):
    """Kullback-Leibler divergence of predictions from targets: 0 where the two agree.

    loss = sum_i(w_i l_i) / Z over positions i, with l = sum_c(q_c (log q_c - log p_c))

    p and q are softmax(bottom) where a bottom holds scores, the bottom where it holds
    probabilities, exp(bottom) where it holds their logarithms. w: weights, Z by the normalization.

    Bottom:
        [0] predictions (N, C, ...): scores, probabilities or log-probabilities
        [1] targets, the same of q
        [2] weights w, optional: one for each position, or 1 on any axis, (N,) for samples. Default: 1
    Top:
        [0] loss (1,)
    Backward:
        d_log_p = -g w q / Z and d_q = g w (log q + 1 - log p) / Z, with the loss weight in
        g = top[0].diff[0], and through what makes p and q of the bottoms: for scores,
        d_predictions_c = g w (p_c sum(q) - q_c) / Z. A probability below 1.2e-38 counts as that in
        a logarithm. d_w = g l / Z; with normalization "weights" Z depends on w too.
    Raises:
        ValueError for shapes that do not fit, and for probabilities outside [0, 1].
    References:
        Kullback and Leibler, "On Information and Sufficiency", 1951,
        https://doi.org/10.1214/aoms/1177729694. With log_probabilities as predictions it is
        PyTorch's kl_div with reduction "batchmean" for (N, C); with scores for both it is the
        published distillation loss at temperature 1, for others see SoftTargetLoss.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(KLDivergenceLoss, [[[0, 0]], [[0, 1]]])
        >>> run.forward()[0].round(4)  # log(2)
        array([0.6931])
        >>> run.backward([1])[0]
        array([[ 0.5, -0.5]])
    """

    KINDS = ("scores", "probabilities", "log_probabilities")
    predictions = Parameter(str, "scores", choices=KINDS, doc="what bottom[0] holds")
    targets = Parameter(str, "probabilities", choices=KINDS, doc="what bottom[1] holds")

    def read(self, bottom):
        self.check(self.predictions, "predictions", bottom, 0)
        self.check(self.targets, "targets", bottom, 1)
        q = bottom[1].data
        self._logarithm(self.targets, q, self._log_q)
        if self.targets != "probabilities":
            q = self.xp.exp(self._log_q, out=self._q)
        return q, None

    def losses(self, bottom, target):
        self._logarithm(self.predictions, bottom[0].data, self._log_p)
        return kl_divergence_forward(self.xp, self._log_p, target, self._log_q, self._axis)

    def gradient(self, bottom, target, scale, propagate_down):
        if propagate_down[0]:
            self._predictions_backward(bottom[0].data, target, scale, bottom[0].diff)
        if propagate_down[1]:
            bottom[1].diff[...] = self._targets_backward(bottom[1].data, target) * scale

    def _predictions_backward(self, predictions, q, scale, d_predictions):
        if self.predictions == "scores":
            targets_backward(self.xp, self._log_p, q, scale, self._axis, d_predictions)
            return
        self.xp.multiply(q, -1, out=d_predictions)
        if self.predictions == "probabilities":
            d_predictions /= predictions.clip(SMALLEST, None)
            d_predictions *= predictions >= SMALLEST
        d_predictions *= scale

    def _targets_backward(self, targets, q):
        d_q = self._log_q - self._log_p
        if self.targets == "scores":
            return softmax_backward(self.xp, q, d_q, self._axis)
        if self.targets == "probabilities":
            return d_q + (targets >= SMALLEST)
        return (d_q + 1) * q
