"""Cross entropies of the hard examples alone: online hard example mining.

layer {
  name: "loss"  type: "Python"
  bottom: "score"  bottom: "label"  top: "loss"
  python_param {
    module: "caffe_pylayers.hard_examples"  layer: "SoftmaxOHEMLoss"
    param_str: '{"threshold": 0.7, "min_kept": 100000, "ignore_label": 255}'
  }
  loss_weight: 1
}
layer {
  name: "text_loss"  type: "Python"
  bottom: "score"  bottom: "mask"  top: "text_loss"
  python_param {
    module: "caffe_pylayers.hard_examples"  layer: "SigmoidOHEMLoss"
    param_str: '{"negative_ratio": 3, "per_image": true}'
  }
  loss_weight: 1
}
"""

from __future__ import annotations

from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.functions.sigmoid import sigmoid_cross_entropy_backward, sigmoid_cross_entropy_forward
from caffe_pylayers._layer.losses.class_loss import LabelProbabilityLoss, ScoreLoss
from caffe_pylayers._layer.losses.mining import MinedLoss, hardest

__all__ = ["SigmoidOHEMLoss", "SoftmaxOHEMLoss", "hardest"]


class SoftmaxOHEMLoss(MinedLoss, LabelProbabilityLoss):
    """Cross entropy under a softmax, of the positions with the largest losses.

    loss = sum_{i kept}(w_i a_i l_i) / Z, with l = -log p, p the label's probability

    w: weights, a: the label's class_weights, Z by the normalization. Kept, of the positions that
    are not ignored and have a weight, are those of the largest l, before weights: a share of them
    (ratio), a number (top_k), those with p below a threshold, or all positives and of the
    negatives a multiple of their number (negative_ratio). Of equal losses the first are kept.

    Bottom:
        [0] scores (N, C, ...), before any softmax
        [1] labels (N,), (N, 1, 1, 1), (N, 1, H, W) or (N, H, W): integers in [0, C), any dtype
        [2] weights w, optional: one for each label, or 1 on any axis, (N,) for samples. Default: 1
    Top:
        [0] loss (1,)
        [1] kept, optional, the shape of the labels: 1 at positions that count, 0 at others; a mask
            for other losses, as of boxes
    Backward:
        d_scores_c = g w a (p_c - [c is the label]) / Z at kept positions, 0 at others, with the
        loss weight in g = top[0].diff[0]; d_w = g a l / Z there; with normalization "weights" Z
        depends on w too. d_labels = 0.
    Raises:
        ValueError for a label that is neither an integer in [0, C) nor ignore_label, for shapes
        that do not fit, for class_weights that are not C, and unless exactly one of ratio, top_k,
        threshold and negative_ratio is given.
    References:
        Shrivastava et al., "Training Region-based Object Detectors with Online Hard Example
        Mining", 2016, arXiv:1604.03540. top_k is R-FCN's SoftmaxWithLossOHEM and BoxAnnotatorOHEM
        in one, for the RoIs of one image: roi_per_img is top_k, and kept the mask for the boxes'
        loss. negative_ratio: 3 with per_image is the mining of SSD's MultiBoxLoss, Liu et al.,
        "SSD: Single Shot MultiBox Detector", 2016, arXiv:1512.02325. threshold and min_kept are
        those of the published segmentation losses. Published ones sort in Python for each image,
        and some divide by all positions: normalization "full".
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> scores = [[2, 0], [0, 0], [0, 2]]
        >>> run = LayerRun(SoftmaxOHEMLoss, [scores, [0, 0, 0]], param_str='{"top_k": 2}', tops=2)
        >>> run.forward()[1]
        array([0., 1., 1.])
    """

    background_label = Parameter(int, 0, doc="the label of negatives, for negative_ratio")

    def of_log_p(self, log_p):
        return -log_p

    def of_log_p_backward(self, log_p):
        return -self.xp.ones_like(log_p)

    def negatives(self, target):
        return target == self.background_label


class SigmoidOHEMLoss(MinedLoss, ScoreLoss):
    """Cross entropy under a sigmoid, of the scores with the largest losses.

    loss = sum_{i kept}(w_i a_i l_i) / Z, with l = -t log p - (1 - t) log(1 - p), p = 1 / (1 + exp(-s))

    w: weights, a: class_weights, Z by the normalization; a position is a score. Kept, of the
    scores that are not ignored and have a weight, are those of the largest l, before weights: a
    share of them (ratio), a number (top_k), those with l above -log(threshold), or all with a
    target above 0.5 and of the others a multiple of their number (negative_ratio).

    Bottom:
        [0] scores s (N, C, ...), before any sigmoid
        [1] targets t in [0, 1], as many as scores and the same N; or with targets "classes" a class
            label for each position, (N,) or (N, 1, H, W): 0 for none of the C, c for t = 1 at the
            c-th of them
        [2] weights w, optional: the shape of the scores, or 1 on any axis, trailing ones left out
            at will. Default: 1
    Top:
        [0] loss (1,)
        [1] kept, optional, the shape of the targets, or of the scores beside labels: 1 at scores
            that count, 0 at others
    Backward:
        d_s = g w a (p - t) / Z at kept scores, 0 at others, with the loss weight in
        g = top[0].diff[0]; d_t = -g w a s / Z there, 0 for labels; d_w = g a l / Z there; with
        normalization "weights" Z depends on w too.
    Raises:
        ValueError for a target that is neither in [0, 1] nor ignore_label, for shapes that do not
        fit, for class_weights that are not C, and unless exactly one of ratio, top_k, threshold and
        negative_ratio is given.
    References:
        Shrivastava et al., "Training Region-based Object Detectors with Online Hard Example
        Mining", 2016, arXiv:1604.03540, for maps of text, edges and objects whose negatives are
        many: negative_ratio: 3 is that of DB, Liao et al., "Real-time Scene Text
        Detection with Differentiable Binarization", 2020, arXiv:1911.08947.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> param_str = '{"negative_ratio": 1}'
        >>> run = LayerRun(SigmoidOHEMLoss, [[[1, 2, 3, 0]], [[1, 0, 0, 0]]], param_str=param_str, tops=2)
        >>> run.forward()[1]
        array([[1., 0., 1., 0.]])
    """

    def losses(self, bottom, target):
        return sigmoid_cross_entropy_forward(self.xp, bottom[0].data, target)

    def score_gradient(self, scores, targets, scale, d_scores):
        sigmoid_cross_entropy_backward(self.xp, scores, targets, scale, d_scores)

    def negatives(self, target):
        return target <= 0.5
