"""Cross entropies: of class labels under a softmax, of targets under a sigmoid.

layer {
  name: "loss"  type: "Python"
  bottom: "ip2"  bottom: "label"  top: "loss"
  python_param {
    module: "caffe_pylayers.cross_entropy"  layer: "SoftmaxCrossEntropyLoss"
    param_str: '{"ignore_label": 255, "label_smoothing": 0.1}'
  }
  loss_weight: 1
}
layer {
  name: "attributes_loss"  type: "Python"
  bottom: "attributes"  bottom: "targets"  top: "attributes_loss"
  python_param {
    module: "caffe_pylayers.cross_entropy"  layer: "SigmoidCrossEntropyLoss"
    param_str: '{"ignore_label": -1, "pos_weight": [4.0]}'
  }
  loss_weight: 1
}
"""

from __future__ import annotations

import math

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.blocks import part
from caffe_pylayers._layer.functions.sigmoid import (
    sigmoid_cross_entropy_backward,
    sigmoid_cross_entropy_forward,
    softplus,
)
from caffe_pylayers._layer.functions.softmax import label_backward, softmax_backward
from caffe_pylayers._layer.losses.class_loss import LabelLoss, ScoreLoss
from caffe_pylayers._layer.losses.weighted_loss import product

__all__ = [
    "SigmoidCrossEntropyLoss",
    "SoftmaxCrossEntropyLoss",
    "balance",
    "sigmoid_cross_entropy_backward",
    "sigmoid_cross_entropy_forward",
    "softmax_cross_entropy_backward",
    "softmax_cross_entropy_forward",
]


def softmax_cross_entropy_forward(xp, log_p, labels, axis=1, smoothing=0.0, class_weights=None):
    """Return -sum(a q log p) over the classes, with 1 on their axis: q = (1 - smoothing) 1[label] + smoothing / C.

    log_p: the log-softmax of the scores.
    labels: int64 indices with 1 on the axis.
    class_weights: a, (C,), or None for 1.
    """
    loss = -arrays.take_along(log_p, labels, axis)
    if class_weights is not None:
        loss *= class_weights[labels]
    if smoothing:
        every = log_p if class_weights is None else log_p * arrays.on_axis(class_weights, len(log_p.shape), axis)
        loss *= 1 - smoothing
        loss -= every.sum(axis, keepdims=True) * (smoothing / log_p.shape[axis])
    return loss


def softmax_cross_entropy_backward(
    xp, log_p, labels, scale, d_scores, axis=1, smoothing=0.0, class_weights=None, p=None
):
    """Write the scores' gradient, times scale: p sum(a q) - a q; p: exp(log_p), from a caller that has it."""
    classes = log_p.shape[axis]
    if not smoothing:
        d_log_p = -scale if class_weights is None else class_weights[labels] * -scale
        label_backward(xp, log_p, labels, d_log_p, axis, d_scores, p)
        return
    if class_weights is None:
        other, at_label, total = smoothing / classes, 1 - smoothing, 1.0
    else:
        other = arrays.on_axis(class_weights, len(log_p.shape), axis) * (smoothing / classes)
        at_label = class_weights[labels] * (1 - smoothing)
        total = at_label + other.sum()
    xp.exp(log_p, out=d_scores)
    d_scores *= total
    d_scores -= other
    arrays.put_along(d_scores, labels, arrays.take_along(d_scores, labels, axis) - at_label, axis)
    d_scores *= scale


def balance(xp, targets, counts=None):
    """Return for each target in [0, 1] the share of the others in its sample: of those <= 1/2 for one above, and back.

    counts: 1 where a target counts, else 0; broadcasts to the targets. None for all.
    """
    samples, size = len(targets), math.prod(targets.shape[1:])
    positive = targets > 0.5
    counts = xp.ones_like(targets) if counts is None else xp.broadcast_to(counts, targets.shape)
    found, all_of = (x.reshape(samples, size).sum(1) for x in (counts * positive, counts))
    share = (found / all_of.clip(1, None)).reshape((samples, *(1,) * (len(targets.shape) - 1)))
    return xp.where(positive, 1 - share, share)


class SoftmaxCrossEntropyLoss(LabelLoss):
    """Cross entropy of class labels under a softmax of the scores.

    loss = sum_i(w_i l_i) / Z over the positions i that are not ignored, with
    l = -sum_c(a_c q_c log p_c), p = softmax(scores), q_c = (1 - s) [c is the label] + s / C

    w: weights, a: class_weights, s: label_smoothing, Z by the normalization.

    Bottom:
        [0] scores (N, C, ...), before any softmax
        [1] labels (N,), (N, 1, 1, 1), (N, 1, H, W) or (N, H, W): integers in [0, C), any dtype
        [2] weights w, optional: one for each label, or 1 on any axis, (N,) for samples. Default: 1
    Top:
        [0] loss (1,)
        [1] probabilities p, optional, the shape of the scores
        [2] losses l, optional, the shape of the labels: of each position, before w; 0 of ignored ones
    Backward:
        d_scores_c = g w (p_c sum(a q) - a_c q_c) / Z, with the loss weight in g = top[0].diff[0];
        what comes to top[1] is added, through the softmax, and what comes to top[2]. d_w = g l / Z;
        with normalization "weights" Z depends on w too. d_labels = 0.
    Raises:
        ValueError for a label that is neither an integer in [0, C) nor ignore_label, for shapes
        that do not fit, and for class_weights that are not C.
    References:
        With its defaults it is Caffe's SoftmaxWithLoss, but for the top's shape, (1,) here and ()
        there; for a label's probability below 1.2e-38, where Caffe's loss stays at 87.3; and for
        top[1], which Caffe has and refuses beside a loss weight. Its three tops are those of R-FCN's
        SoftmaxWithLossOHEM, whose losses choose examples: BoxAnnotatorOHEM. Smoothing as in Szegedy et al.,
        "Rethinking the Inception Architecture for Computer Vision", 2016, arXiv:1512.00567.
        With normalization "weights" it is PyTorch's cross_entropy with a weight: the weighted
        mean. With "valid", the default, class weights do not enter Z, as in SegNet's Caffe. It
        stands for the published weighted softmax losses, whose weights come as a parameter, a
        file or a third bottom, and of which many leave the weights out of the gradient.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(SoftmaxCrossEntropyLoss, [[[0, 0], [0, 0]], [1, 0]])
        >>> run.forward()[0].round(4)  # log(2)
        array([0.6931])
        >>> run.backward([1])[0]
        array([[ 0.25, -0.25],
               [-0.25,  0.25]])
    """

    weighs_inside = True

    label_smoothing = Parameter(float, 0.0, low=0, high=1, doc="s, the share of the label that all classes divide")

    def setup(self, bottom, top):
        checks.tops(self, top, "loss", "probabilities", "losses", optional=2)

    def plan(self, scores, labels, weights=None):
        return [*super().plan(scores, labels, weights), scores.shape, labels.shape]

    def forward(self, bottom, top):
        super().forward(bottom, top)
        if len(top) > 1:
            self.xp.exp(self._log_p, out=top[1].data)
        if len(top) > 2:
            top[2].data[...] = self._where_valid(self._losses).reshape(top[2].data.shape)

    def backward(self, top, propagate_down, bottom):
        self._d_losses = top[2].diff if len(top) > 2 and arrays.may_hold(top[2].diff) else None
        super().backward(top, propagate_down, bottom)
        if len(top) > 1 and propagate_down[0] and arrays.may_hold(top[1].diff):
            d_scores = bottom[0].diff
            d_scores += softmax_backward(self.xp, self.xp.exp(self._log_p), top[1].diff, self._axis)

    def gradient(self, bottom, target, scale, propagate_down):
        if self._d_losses is not None:
            scale = scale + self._where_valid(self._d_losses.reshape(self._positions))
        super().gradient(bottom, target, scale, propagate_down)

    def _where_valid(self, values):
        return values if self._of_loss is None else self.xp.where(self._of_loss != 0, values, 0)

    def losses(self, bottom, target):
        losses, arguments = (
            arrays.new(self._log_p, target.shape),
            (self._axis, self.label_smoothing, self._class_weights),
        )
        for block in self.softmax_parts(bottom[0].data):
            losses[block] = softmax_cross_entropy_forward(self.xp, self._log_p[block], target[block], *arguments)
        return losses

    def score_gradient(self, labels, scale, d_scores):
        arguments = self._axis, self.label_smoothing, self._class_weights
        for block in self._parts:
            arrays_of_block = self._log_p[block], labels[block], part(scale, block) if scale.shape else scale
            p = None if self._p is None else self._p[block]
            softmax_cross_entropy_backward(self.xp, *arrays_of_block, d_scores[block], *arguments, p)


class SigmoidCrossEntropyLoss(ScoreLoss):
    """Cross entropy of a target in [0, 1] for each score, under a sigmoid: attributes, multi-label, edges, masks.

    loss = sum_i(w_i a_i l_i) / Z over the scores s_i that are not ignored, with
    l = -(r t log p + (1 - t) log(1 - p)), p = 1 / (1 + exp(-s))

    w: weights, a: class_weights, r: pos_weight, Z by the normalization; a position is a score. With balanced
    l is multiplied by b: where t > 1/2 the share of the sample's scores with t <= 1/2, elsewhere that of the others.

    Bottom:
        [0] scores s (N, C, ...), before any sigmoid
        [1] targets t in [0, 1], as many as scores and the same N; or with targets "classes" a class
            label for each position, (N,) or (N, 1, H, W): 0 for none of the C, c for t = 1 at the
            c-th of them
        [2] weights w, optional: the shape of the scores, or 1 on any axis, trailing ones left out
            at will: (N,) weights samples, (1, C) classes. Default: 1
    Top:
        [0] loss (1,)
    Backward:
        d_s = g w a b (p (1 + (r - 1) t) - r t) / Z, with the loss weight in g = top[0].diff[0];
        d_t = g w a b (-s - (r - 1) log p) / Z, 0 for labels; d_w = g a b l / Z; with normalization "weights"
        Z depends on w too.
    Raises:
        ValueError for a target that is neither in [0, 1] nor ignore_label, for shapes that do not
        fit, and for class_weights or pos_weight of another number than C.
    References:
        With two bottoms it is Caffe's SigmoidCrossEntropyLoss, but for the top's shape: (1,) here
        and () there. It is BCE, PyTorch's binary_cross_entropy_with_logits, with its weight, pos_weight
        and, by normalization "full", its mean, which is multilabel_soft_margin_loss too. It stands
        for the published multi-label losses with weights, ignored labels or a balance of positives: balanced is
        that of Xie and Tu, "Holistically-Nested Edge Detection", 2015, arXiv:1504.06375, whose Caffe has it in its
        SigmoidCrossEntropyLoss.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(SigmoidCrossEntropyLoss, [[[0, 0]], [[1, 0]]], param_str='{"pos_weight": [3]}')
        >>> run.forward()[0].round(4)  # 3 log(2) + log(2)
        array([2.7726])
        >>> run.backward([1])[0]
        array([[-1.5,  0.5]])
    """

    pos_weight = Parameter(
        [float], (), low=0, doc="r, a factor for the positive part: one for all classes, or C of them"
    )

    balanced = Parameter(bool, False, doc="b: the targets above 1/2 of a sample and its others weigh the same")

    def plan(self, scores, targets, weights=None):
        shapes = super().plan(scores, targets, weights)
        self._pos_weight = self.pos_weight[0] if len(self.pos_weight) == 1 else None
        if len(self.pos_weight) > 1:
            self._pos_weight = self.for_classes(self.pos_weight, "pos_weight", scores)
        return shapes

    def read(self, bottom):
        targets, valid = super().read(bottom)
        if self.balanced:
            weights = self.weights_of(bottom)
            counts = product(valid, None if weights is None else arrays.astype(weights != 0, targets))
            self._balance = balance(self.xp, targets, counts)
        return targets, valid

    def label_weights(self, target):
        return product(self._class_weights, self._balance if self.balanced else None)

    def score_losses(self, scores, targets, block):
        return sigmoid_cross_entropy_forward(self.xp, scores, targets, self._pos_weight_of(block)), None

    def score_gradient(self, scores, targets, kept, scale, d_scores, block):
        sigmoid_cross_entropy_backward(self.xp, scores, targets, scale, d_scores, self._pos_weight_of(block))

    def target_gradient(self, scores, targets, kept, block):
        d_targets, pos_weight = -scores, self._pos_weight_of(block)
        if pos_weight is not None:
            d_targets += (pos_weight - 1) * softplus(self.xp, -scores)  # which is -log p
        return d_targets

    def _pos_weight_of(self, block):
        return part(self._pos_weight, block) if len(self.pos_weight) > 1 else self._pos_weight
