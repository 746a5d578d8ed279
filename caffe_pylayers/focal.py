"""Focal losses: cross entropies that turn from the many easy positions to the few hard ones.

layer {
  name: "loss"  type: "Python"
  bottom: "score"  bottom: "label"  top: "loss"
  python_param {
    module: "caffe_pylayers.focal"  layer: "SoftmaxFocalLoss"
    param_str: '{"gamma": 2.0, "class_weights": [0.25, 0.75]}'
  }
  loss_weight: 1
}
layer {
  name: "anchors_loss"  type: "Python"
  bottom: "class_score"  bottom: "anchor_label"  top: "anchors_loss"
  python_param {
    module: "caffe_pylayers.focal"  layer: "SigmoidFocalLoss"
    param_str: '{"alpha": 0.25, "gamma": 2.0, "targets": "classes", "normalization": "positives", "ignore_label": -1}'
  }
  loss_weight: 1
}
"""

from __future__ import annotations

from caffe_pylayers._layer import arrays
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.functions.sigmoid import sigmoid_and_softplus
from caffe_pylayers._layer.losses.class_loss import LabelProbabilityLoss, ScoreLoss
from caffe_pylayers._layer.losses.weighted_loss import weighted_normalization
from caffe_pylayers._layer.phases import TEST

__all__ = [
    "SigmoidFocalLoss",
    "SoftmaxFocalLoss",
    "sigmoid_focal_backward",
    "sigmoid_focal_backward_targets",
    "sigmoid_focal_forward",
    "softmax_focal_backward",
    "softmax_focal_forward",
]


def softmax_focal_forward(xp, log_p, gamma, one_add_p=False):
    """Return -(1 - p)**gamma log p, for the log-probabilities of labels; with one_add_p -(1 + p)**gamma log p."""
    return (xp.exp(log_p) + 1 if one_add_p else -xp.expm1(log_p)) ** gamma * -log_p


def softmax_focal_backward(xp, log_p, gamma, one_add_p=False):
    """Return d_log_p = (1 - p)**gamma (gamma p log(p) / (1 - p) - 1).

    The quotient goes to -1 where p goes to 1. With one_add_p -(1 + p)**gamma (gamma p log(p) / (1 + p) + 1).
    """
    if one_add_p:
        p = xp.exp(log_p)
        return -((1 + p) ** gamma) * (gamma * p * log_p / (1 + p) + 1)
    rest = -xp.expm1(log_p)
    sure = rest <= 0
    quotient = xp.where(sure, xp.full_like(rest, -1), log_p / xp.where(sure, xp.ones_like(rest), rest))
    return rest**gamma * (gamma * xp.exp(log_p) * quotient - 1)


def sigmoid_focal_forward(xp, scores, targets, alpha, gamma):
    """Return (loss, parts): a (1 - p_t)**gamma ce for each score, and what backward takes up.

    p = sigmoid(scores), p_t = p t + (1 - p) (1 - t), ce = -t log p - (1 - t) log(1 - p),
    a = alpha t + (1 - alpha) (1 - t), or 1 where alpha is below 0.
    """
    p, ce = sigmoid_and_softplus(xp, scores)
    ce -= scores * targets
    wrong = 1 - 2 * p
    wrong *= targets
    wrong += p  # 1 - p_t
    factor = wrong**gamma
    if alpha >= 0:
        factor *= (2 * alpha - 1) * targets + (1 - alpha)
    return factor * ce, (p, ce, wrong, factor)


def sigmoid_focal_backward(xp, targets, parts, gamma):
    """Return d_scores = a (1 - p_t)**gamma (p - t - gamma (2 t - 1) ce p (1 - p) / (1 - p_t)).

    For t in {0, 1} the last quotient is p_t, also where 1 - p_t is 0.
    """
    p, ce, wrong, factor = parts
    d_scores = 1 - p
    d_scores *= p
    none = wrong <= 0
    d_scores += none
    d_scores /= wrong + none
    d_scores *= ce
    d_scores *= gamma - (2 * gamma) * targets
    d_scores += p
    d_scores -= targets
    d_scores *= factor
    return d_scores


def sigmoid_focal_backward_targets(xp, scores, parts, alpha, gamma):
    """Return d_targets = a (1 - p_t)**gamma (gamma ce (1 - 2 p) / (1 - p_t) - s) + (2 alpha - 1) (1 - p_t)**gamma ce.

    The last term is only where alpha is not below 0; ce / (1 - p_t) counts as 0 where 1 - p_t is 0.
    """
    p, ce, wrong, factor = parts
    d_targets = gamma - (2 * gamma) * p
    d_targets *= ce
    d_targets /= wrong + (wrong <= 0)
    d_targets -= scores
    d_targets *= factor
    if alpha >= 0:
        d_targets += (2 * alpha - 1) * wrong**gamma * ce
    return d_targets


class SoftmaxFocalLoss(LabelProbabilityLoss):
    """Focal loss of class labels under a softmax.

    loss = sum_i(w_i a_i l_i) / Z over the positions i that are not ignored, with
    l = -alpha (1 - p)**gamma log p, p the label's probability

    w: weights, a: the label's class_weights, Z by the normalization. gamma = 0 is cross entropy.

    Bottom:
        [0] scores (N, C, ...), before any softmax
        [1] labels (N,), (N, 1, 1, 1), (N, 1, H, W) or (N, H, W): integers in [0, C), any dtype
        [2] weights w, optional: one for each label, or 1 on any axis, (N,) for samples. Default: 1
    Top:
        [0] loss (1,)
    Backward:
        d_scores_c = g w a alpha (1 - p)**gamma (gamma p log(p) / (1 - p) - 1) ([c is the label] - p_c) / Z,
        with the loss weight in g = top[0].diff[0]; d_w = g a l / Z; with normalization "weights" Z
        depends on w too. d_labels = 0.
    Raises:
        ValueError for a label that is neither an integer in [0, C) nor ignore_label, for shapes
        that do not fit, and for class_weights that are not C.
    References:
        Lin et al., "Focal Loss for Dense Object Detection", 2017, arXiv:1708.02002, for a softmax
        as the FocalLoss layers of Caffe's forks have it. The paper's alpha, a weight for each
        class, is class_weights: [0.75, 0.25] for alpha = 0.25 of class 1; alpha here is the forks', one
        factor for all, 0.25 there by default. one_add_p is caffe-windows', for faces. Their gradients
        often lack alpha or the power's own part, so that they train another loss than they show; this
        one is forward's.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(SoftmaxFocalLoss, [[[0, 0]], [1]])
        >>> run.forward()[0].round(4)  # (1 - 1/2)**2 log(2)
        array([0.1733])
    """

    gamma = Parameter(float, 2.0, low=0, doc="how little a position counts whose label is probable; 0: cross entropy")
    alpha = Parameter(float, 1.0, above=0, doc="a factor of all losses")
    one_add_p = Parameter(bool, False, doc="(1 + p)**gamma in place of (1 - p)**gamma: the probable labels count more")
    normalization = weighted_normalization(
        "valid", positives="labels other than background_label, of a weight other than 0"
    )
    background_label = Parameter(int, 0, doc="the label that normalization positives does not count")

    def of_log_p(self, log_p):
        losses = softmax_focal_forward(self.xp, log_p, self.gamma, self.one_add_p)
        losses *= self.alpha
        return losses

    def of_log_p_backward(self, log_p):
        return softmax_focal_backward(self.xp, log_p, self.gamma, self.one_add_p) * self.alpha

    def normalizer(self, target, valid, weights):
        if self.normalization != "positives":
            return super().normalizer(target, valid, weights)
        return arrays.at_least_one(self.count_of(target != self.background_label, valid, weights))


class SigmoidFocalLoss(ScoreLoss):
    """Focal loss of a target for each score, under a sigmoid: one-stage detection, rare attributes.

    loss = sum_i(w_i a_i l_i) / Z over the scores s_i that are not ignored, with
    l = (alpha t + (1 - alpha) (1 - t)) (1 - p_t)**gamma (-t log p - (1 - t) log(1 - p)),
    p = 1 / (1 + exp(-s)), p_t = p t + (1 - p) (1 - t)

    w: weights, a: class_weights, Z by the normalization; a position is a score.

    Bottom:
        [0] scores s (N, C, ...), before any sigmoid
        [1] targets t in [0, 1], most often 0 or 1, as many as scores and the same N; or with targets
            "classes" a class label for each position, (N,) or (N, 1, H, W): 0 for the background,
            c for t = 1 at the c-th of the C
        [2] weights w, optional: the shape of the scores, or 1 on any axis, trailing ones left out
            at will. Default: 1
    Top:
        [0] loss (1,)
    Backward:
        d_s = g w a (alpha t + (1 - alpha) (1 - t)) (1 - p_t)**gamma
              (p - t - gamma (2 t - 1) p (1 - p) / (1 - p_t) (-t log p - (1 - t) log(1 - p))) / Z,
        with the loss weight in g = top[0].diff[0]; d_t = g w a (dl / dt) / Z, 0 for labels;
        d_w = g a l / Z; with normalization "weights" Z depends on w too.
    Raises:
        ValueError for a target that is neither in [0, 1] nor ignore_label, for shapes that do not
        fit, and for class_weights that are not C.
    References:
        Lin et al., "Focal Loss for Dense Object Detection", 2017, arXiv:1708.02002. With
        normalization "positives" Z is the number of targets above 0.5, as RetinaNet has it. It is
        torchvision's sigmoid_focal_loss, and with targets "classes" and ignore_label -1 Detectron's
        SigmoidFocalLoss.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(SigmoidFocalLoss, [[[0, 0]], [[1, 0]]])
        >>> run.forward()[0].round(4)  # (0.25 + 0.75) (1/2)**2 log(2)
        array([0.1733])
    """

    alpha = Parameter(
        float, 0.25, low=-1, high=1, doc="the weight of targets 1, 1 - alpha that of 0; below 0: 1 for both"
    )
    gamma = Parameter(float, 2.0, low=0, doc="how little a score counts that is near its target; 0: cross entropy")
    normalization = weighted_normalization("batch", positives="targets above 0.5, of a weight other than 0")

    def score_losses(self, scores, targets, block):
        losses, parts = sigmoid_focal_forward(self.xp, scores, targets, self.alpha, self.gamma)
        if self.phase == TEST:  # most often there is no backward
            return losses, None
        return losses, sigmoid_focal_backward(self.xp, targets, parts, self.gamma)  # one array to keep in place of four

    def score_gradient(self, scores, targets, kept, scale, d_scores, block):
        if kept is None:
            _, parts = sigmoid_focal_forward(self.xp, scores, targets, self.alpha, self.gamma)
            kept = sigmoid_focal_backward(self.xp, targets, parts, self.gamma)
        self.xp.multiply(kept, scale, out=d_scores)

    def target_gradient(self, scores, targets, kept, block):
        _, parts = sigmoid_focal_forward(self.xp, scores, targets, self.alpha, self.gamma)
        return sigmoid_focal_backward_targets(self.xp, scores, parts, self.alpha, self.gamma)

    def normalizer(self, target, valid, weights):
        if self.normalization != "positives":
            return super().normalizer(target, valid, weights)
        return arrays.at_least_one(self.count_of(target > 0.5, weights))
