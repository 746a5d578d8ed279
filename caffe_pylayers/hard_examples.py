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
layer {
  name: "annotator"  type: "Python"
  bottom: "rois"  bottom: "per_roi_loss"  bottom: "labels"  bottom: "bbox_inside_weights"
  top: "labels_ohem"  top: "bbox_loss_weights_ohem"
  python_param {
    module: "caffe_pylayers.hard_examples"  layer: "BoxAnnotatorOHEM"  param_str: '{"roi_per_img": 128}'
  }
}
"""

from __future__ import annotations

import math

import numpy as np

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.bases.no_gradient import NoGradient
from caffe_pylayers._layer.detection import box_blobs
from caffe_pylayers._layer.functions.sigmoid import sigmoid_cross_entropy_backward, sigmoid_cross_entropy_forward
from caffe_pylayers._layer.losses.class_loss import LabelProbabilityLoss, ScoreLoss
from caffe_pylayers._layer.losses.weighted_loss import WeightedLoss, weighted_normalization

__all__ = ["BoxAnnotatorOHEM", "SigmoidOHEMLoss", "SoftmaxOHEMLoss", "hard_examples", "hardest"]


def hard_examples(
    xp, losses, candidates, kept_ratio=None, top_k=None, threshold=None, negative_ratio=None, min_kept=0, negatives=None
):
    """Return booleans (G, M): those of the candidates that are hard, row by row, by one of four rules.

    kept_ratio: this share of them, one at least, of the largest losses. top_k: so many of the largest losses.
    threshold: those of a loss above -log(threshold). negative_ratio: those that are no negatives, and so many times
    as many negatives, of the largest losses.

    losses: (G, M), numbers >= 0; one that is NaN counts as the largest. candidates, negatives: booleans (G, M).
    min_kept: of the largest losses at least so many; with negative_ratio, so many negatives.
    """
    losses = xp.where(xp.isnan(losses), xp.full_like(losses, math.inf), losses)
    if negative_ratio is not None:
        positives = candidates & ~negatives
        wanted = _share(positives, negative_ratio, min_kept)
        return positives | hardest(xp, losses, candidates & negatives, wanted)
    if threshold is not None:
        hard = candidates & (losses > -math.log(threshold))
        if not min_kept or (not arrays.on_device(hard) and all(n >= min_kept for n in hard.sum(1).tolist())):
            return hard
        wanted = _share(hard, 1, min_kept)
    elif top_k is not None:
        wanted = [max(top_k, min_kept)] * len(losses)
    else:
        wanted = _share(candidates, kept_ratio, max(min_kept, 1))
    return hardest(xp, losses, candidates, wanted)


def _share(flags, ratio, least):
    """Return floor(ratio * n) for the n flags of each row, at least so many: integers, in a tensor on a device."""
    numbers = flags.sum(1)
    if arrays.on_device(numbers):
        return arrays.to_int64((numbers.double() * ratio + 1e-6).floor()).clip(least, None)
    return [max(math.floor(ratio * n + 1e-6), least) for n in numbers.tolist()]


def hardest(xp, losses, candidates, counts):
    """Return booleans (G, M): the counts[g] largest losses of each row among its candidates, the first of equals.

    losses, candidates: (G, M), numbers >= 0 and booleans. counts: G integers, or on a device a tensor of them.
    """
    size = losses.shape[1]
    if not arrays.is_tensor(counts):
        counts = [min(count, size) for count in counts]
        if len(counts) == 1:
            return _hardest_of_one(xp, losses, candidates, counts[0])
    order = arrays.argsort(xp.where(candidates, -losses, xp.ones_like(losses)), 1)
    if not arrays.is_tensor(counts):
        counts = arrays.from_numpy(counts, order)
    ranks = arrays.arange_like(order, size)
    chosen = xp.zeros_like(candidates)
    arrays.put_along(chosen, order, ranks[None] < counts[:, None], 1)
    return chosen & candidates


def _hardest_of_one(xp, losses, candidates, count):
    """Return hardest for one row, by its count-th largest loss: in a tenth of the time that sorting takes."""
    size = losses.shape[1]
    if count == size:
        return candidates
    if count == 0:
        return xp.zeros_like(candidates)
    losses = xp.where(candidates, losses, -xp.ones_like(losses))
    if xp is np:
        least = np.partition(losses, size - count, 1)[:, size - count]
    else:
        least = xp.kthvalue(losses, size - count + 1, 1)[0]
    above, equal = losses > least, losses == least
    first = xp.cumsum(equal, 1) <= count - above.sum()
    return (above | (equal & first)) & candidates


class _MinedLoss(WeightedLoss):
    """A loss of which only hard positions count; which ones are, a parameter says: exactly one of four.

    A subclass has ``negatives``.
    """

    normalization = weighted_normalization("valid")
    kept_ratio = Parameter(float, None, above=0, high=1, doc="keep this share of the positions, one at least")
    top_k = Parameter(int, None, low=1, doc="keep so many positions")
    threshold = Parameter(float, None, above=0, high=1, doc="keep positions whose target has a probability below this")
    negative_ratio = Parameter(float, None, low=0, doc="keep all positives, and so many times as many negatives")
    min_kept = Parameter(int, 0, low=0, doc="at least so many positions; with negative_ratio, so many negatives")
    per_image = Parameter(bool, False, doc="true: numbers are for each sample of the batch; false: for the batch")

    RULES = ("kept_ratio", "top_k", "threshold", "negative_ratio")

    def setup(self, bottom, top):
        checks.tops(self, top, "loss", "kept", optional=1)
        given = [name for name in self.RULES if getattr(self, name) is not None]
        if len(given) != 1:
            names = ", ".join(self.RULES)
            raise checks.error(
                self, f"needs one of the parameters {names}, got {' and '.join(given) or 'none of them'}"
            )

    def plan(self, scores, labels, weights=None):
        shapes = super().plan(scores, labels, weights)
        return [*shapes, labels.shape if math.prod(labels.shape) == self._size else self._positions]

    def forward(self, bottom, top):
        super().forward(bottom, top)
        if len(top) == 2:
            top[1].data[...] = self._kept.reshape(top[1].data.shape)

    def select(self, losses, target, valid, weights):
        """Return where the losses count: at the hard ones of the positions that are valid and have a weight."""
        candidates = self.xp.ones_like(losses) > 0
        for factor in (valid, weights):
            if factor is not None:
                candidates &= factor != 0
        rows = max(losses.shape[0], 1) if self.per_image else 1, -1
        rules = {name: getattr(self, name) for name in self.RULES}
        negatives = None if self.negative_ratio is None else self.negatives(target).reshape(rows)
        kept = hard_examples(
            self.xp,
            losses.reshape(rows),
            candidates.reshape(rows),
            **rules,
            min_kept=self.min_kept,
            negatives=negatives,
        )
        self._kept = arrays.astype(kept, losses).reshape(losses.shape)
        return self._kept

    def negatives(self, target):
        """Return booleans: which positions are of the background."""
        raise NotImplementedError(f"{type(self).__name__}: negatives is not defined")


class SoftmaxOHEMLoss(_MinedLoss, LabelProbabilityLoss):
    """Cross entropy under a softmax, of the positions with the largest losses.

    loss = sum_{i kept}(w_i a_i l_i) / Z, with l = -log p, p the label's probability

    w: weights, a: the label's class_weights, Z by the normalization. Kept, of the positions that
    are not ignored and have a weight, are those of the largest l, before weights: a share of them
    (kept_ratio), a number (top_k), those with p below a threshold, or all positives and of the
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
        that do not fit, for class_weights that are not C, and unless exactly one of kept_ratio,
        top_k, threshold and negative_ratio is given.
    References:
        Shrivastava et al., "Training Region-based Object Detectors with Online Hard Example
        Mining", 2016, arXiv:1604.03540. top_k is R-FCN's SoftmaxWithLossOHEM and BoxAnnotatorOHEM
        in one, for the ROIs of one image: roi_per_img is top_k, and kept the mask for the boxes'
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


class SigmoidOHEMLoss(_MinedLoss, ScoreLoss):
    """Cross entropy under a sigmoid, of the scores with the largest losses.

    loss = sum_{i kept}(w_i a_i l_i) / Z, with l = -t log p - (1 - t) log(1 - p), p = 1 / (1 + exp(-s))

    w: weights, a: class_weights, Z by the normalization; a position is a score. Kept, of the
    scores that are not ignored and have a weight, are those of the largest l, before weights: a
    share of them (kept_ratio), a number (top_k), those with l above -log(threshold), or all with a
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
        fit, for class_weights that are not C, and unless exactly one of kept_ratio, top_k, threshold
        and negative_ratio is given.
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

    def score_losses(self, scores, targets, block):
        return sigmoid_cross_entropy_forward(self.xp, scores, targets), None

    def score_gradient(self, scores, targets, kept, scale, d_scores, block):
        sigmoid_cross_entropy_backward(self.xp, scores, targets, scale, d_scores)

    def negatives(self, target):
        return target <= 0.5


class BoxAnnotatorOHEM(NoGradient):
    """Labels and weights of boxes of the ROIs with the largest losses; the others are ignored.

    Of each image the roi_per_img ROIs with the largest losses keep their label and weights; the others get
    ignore_label and 0. Of equal losses the first are kept.

    Bottom:
        [0] ROIs (R, 5): the image's index in the batch, x1, y1, x2, y2; or (R, 5, H, W)
        [1] losses, one for each ROI: (R,), (R, 1) or (R, 1, H, W)
        [2] labels, as losses
        [3] bbox_loss_weights (R, K), or (R, K, H, W)
    Top:
        [0] labels, the shape of bottom[2]
        [1] bbox_loss_weights, the shape of bottom[3]
    Backward:
        Zeros.
    Raises:
        ValueError for shapes that do not fit, for an index of an image that is no integer of 0 or more, and for a loss
        that is NaN.
    References:
        Dai, Li, He, Sun, "R-FCN: Object Detection via Region-based Fully Convolutional Networks", 2016,
        arXiv:1605.06409, after Shrivastava et al., 2016, arXiv:1604.03540. BoxAnnotatorOHEM of R-FCN's Caffe, whose
        parameters have these names in box_annotator_ohem_param, here on the CPU too. SoftmaxOHEMLoss with top_k is
        it and the loss in one, for the ROIs of one image.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> rois = [[0, 0, 0, 9, 9], [0, 0, 0, 9, 9], [1, 0, 0, 9, 9], [1, 0, 0, 9, 9]]
        >>> bottoms = [rois, [0.1, 0.9, 0.5, 0.7], [2, 0, 3, 1], [[1], [1], [1], [1]]]
        >>> LayerRun(BoxAnnotatorOHEM, bottoms, param_str='{"roi_per_img": 1}', tops=2).forward()[0]
        array([-1.,  0., -1.,  1.])
    """

    roi_per_img = Parameter(int, low=1, doc="ROIs of an image that count")
    ignore_label = Parameter(int, -1, doc="the label of the others")

    def setup(self, bottom, top):
        checks.tops(self, top, "labels", "bbox_loss_weights")

    def plan(self, rois, losses, labels, bbox_loss_weights):
        shape, weights = tuple(rois.shape), tuple(bbox_loss_weights.shape)
        if len(shape) < 2 or shape[1] != 5:
            raise checks.error(self, f"bottom[0] (rois) must have shape (R, 5) or (R, 5, H, W), got {shape}")
        for i, name, array in ((1, "losses", losses), (2, "labels", labels)):
            checks.one_label_each(self, f"bottom[{i}] ({name})", array.shape, "bottom[0] (rois)", shape, 1)
        if len(weights) < 2 or [n for n in weights[:1] + weights[2:] if n != 1] != [n for n in labels.shape if n != 1]:
            raise checks.error(
                self, f"bottom[3] (bbox_loss_weights) must have K values for each of {shape[0]} ROIs, got {weights}"
            )
        return [labels.shape, weights]

    def forward(self, bottom, top):
        rois, losses = bottom[0].data, bottom[1].data.ravel()
        checks.numbers(self, "bottom[1] (losses)", bottom[1].data, None, -np.inf, np.inf)
        image = box_blobs.image_index(self, "bottom[0] (rois)", rois[:, 0].ravel())
        order = np.lexsort((-losses, image))
        start = np.searchsorted(image[order], image[order])
        kept = np.zeros(len(losses), bool)
        kept[order] = np.arange(len(order)) - start < self.roi_per_img
        labels, weights = bottom[2].data, bottom[3].data
        top[0].data[...] = np.where(kept.reshape(labels.shape), labels, self.ignore_label)
        top[1].data[...] = np.where(kept.reshape(weights[:, :1].shape), weights, 0)
