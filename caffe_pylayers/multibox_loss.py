"""SSD's loss: priors matched to objects, the hardest of those that are none, and what is wrong of both.

layer {
  name: "mbox_loss"  type: "Python"
  bottom: "mbox_loc"  bottom: "mbox_conf"  bottom: "mbox_priorbox"  bottom: "label"  top: "mbox_loss"
  python_param {
    module: "caffe_pylayers.multibox_loss"  layer: "MultiBoxLoss"
    param_str: "{num_classes: 21, code_type: center_size}"
  }
  loss_weight: 1
}

Caffe gives a Python layer no default loss weight: without ``loss_weight`` it trains nothing.
"""

from __future__ import annotations

import math

import numpy as np

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Layer, Parameter
from caffe_pylayers._layer.detection import gt_boxes
from caffe_pylayers._layer.detection.prior_boxes import CODES, check_prior_blobs, decode_priors, encode_priors
from caffe_pylayers._layer.detection.prior_matching import NONE, hardest_priors, match_priors
from caffe_pylayers._layer.functions.log_sum_exp import log_sum_exp
from caffe_pylayers._layer.functions.sigmoid import sigmoid, softplus
from caffe_pylayers._layer.functions.softmax import softmax
from caffe_pylayers._layer.losses.normalizers import normalization, normalizer

__all__ = [
    "MultiBoxLoss",
    "confidence_backward",
    "confidence_forward",
    "encode_priors",
    "hardest_priors",
    "location_forward",
    "match_priors",
]


def location_forward(differences, smooth=True):
    """Return (losses, slopes) of differences d: smooth L1, d**2 / 2 up to 1 and |d| - 1 / 2 beyond; or d**2 / 2."""
    slopes = differences.clip(-1, 1) if smooth else differences
    return slopes * (differences - slopes / 2), slopes


def confidence_forward(xp, scores, labels, logistic=False):
    """Return the cross entropy of each row of scores (R, C), of the softmax: log(sum(exp(s))) - s[label].

    logistic: of the sigmoids, sum(log(1 + exp(s))) - s[label]. labels: (R,); with logistic NONE is that of no class.
    """
    totals = softplus(xp, scores).sum(1) if logistic else log_sum_exp(xp, scores)
    own = arrays.take_along(scores, labels.clip(0, None)[:, None], 1)[:, 0]
    return totals - xp.where(labels >= 0, own, xp.zeros_like(own))


def confidence_backward(xp, scores, labels, logistic=False):
    """Return d_scores of the sum of confidence_forward: p - 1[label], p the softmax or the sigmoids."""
    d_scores = xp.empty_like(scores)
    if logistic:
        sigmoid(xp, scores, d_scores)
    else:
        softmax(xp, scores, 1, d_scores)
    index = labels.clip(0, None)[:, None]
    own = arrays.take_along(d_scores, index, 1) - arrays.astype(labels >= 0, scores)[:, None]
    arrays.put_along(d_scores, index, own, 1)
    return d_scores


class MultiBoxLoss(Layer):
    """SSD's loss, of the boxes that the net moves and of what it takes them for.

    loss = (loc_weight sum(smooth_l1(l - t)) + sum(cross entropy)) / Z, the first sum over the priors of objects, whose
    codes are t; the second over these and the hardest of the others of their images, neg_pos_ratio times as many.

    Bottom:
        [0] locations l (N, P L 4), codes of P boxes; L is 1, or num_classes without share_location
        [1] scores (N, P num_classes), without softmax or sigmoid
        [2] priors (1, 2, 4 P), PriorBox's
        [3] gt_boxes (1, 1, G, 8): the image's index in the batch, class, instance, x1, y1, x2, y2 as shares of the
            image, difficult, of AnnotatedData; and in the other forms that AnchorTarget takes. Rows of index -1 and
            of the background do not count
        [4] optional, RefineDet's: probabilities (N, 2 P) of a first stage; what that takes for background is no example
            of the background here
        [5] optional, RefineDet's: locations (N, 4 P) of a first stage, which move the priors
    Top:
        [0] loss (1,)
    Backward:
        Of locations loc_weight g clip(l - t, -1, 1) / Z, of scores g (p - 1[class]) / Z where they count, with the loss
        weight in g = top[0].diff[0]; 0 elsewhere, and for the other bottoms.
    Raises:
        ValueError for shapes that do not fit, parameters that do not go together, an object of a class that there
        is not, and one with x2 < x1 or y2 < y1. One without width or height belongs to no prior, as in SSD.
    References:
        Liu et al., "SSD: Single Shot MultiBox Detector", 2016, arXiv:1512.02325; Zhang et al., "Single-Shot Refinement
        Neural Network for Object Detection", 2018, arXiv:1711.06897. MultiBoxLoss of SSD's Caffe, with its
        multibox_loss_param. With encode_variance_in_target that divides the codes by the variances, but not their
        gradient: with legacy_gradient it is so here.
    Example:
        >>> import numpy as np
        >>> from caffe_pylayers.testing import LayerRun
        >>> priors = [[0.1, 0.1, 0.3, 0.3], [0.12, 0.1, 0.32, 0.3], [0.5, 0.5, 0.9, 0.9]]
        >>> priors = np.array([np.ravel(priors), [0.1, 0.1, 0.2, 0.2] * 3])[None]
        >>> bottoms = np.zeros((1, 12)), np.zeros((1, 6)), priors, np.array([[[[0, 1, 0, 0.1, 0.1, 0.3, 0.3, 0]]]])
        >>> LayerRun(MultiBoxLoss, bottoms, param_str="{num_classes: 2, code_type: center_size}").forward()[0].round(4)
        array([1.2897])
    """

    array_api = True

    num_classes = Parameter(int, low=1, doc="background among them")
    background_label = Parameter(int, 0, low=0, doc="the class of what is no object")
    share_location = Parameter(bool, True, doc="one box for all classes")
    code_type = Parameter(str, "corner", choices=CODES, doc="how a location is coded")
    encode_variance_in_target = Parameter(bool, False, doc="the codes are not to be multiplied by the variances")
    loc_loss_type = Parameter(str, "smooth_l1", choices=("smooth_l1", "l2"), doc="the loss of a code")
    conf_loss_type = Parameter(
        str, "softmax", choices=("softmax", "logistic"), doc="the cross entropy of a box's scores"
    )
    loc_weight = Parameter(float, 1.0, low=0, doc="of the locations' loss")
    normalization = normalization("valid", full="N P", valid="the boxes of an object")
    match_type = Parameter(
        str,
        "per_prediction",
        choices=("per_prediction", "bipartite"),
        doc="the boxes of an object: its best one, and with per_prediction all of overlap_threshold or more",
    )
    overlap_threshold = Parameter(float, 0.5, low=0, high=1, doc="IoU of a box with its object")
    use_prior_for_matching = Parameter(bool, True, doc="priors are matched; false: the boxes that locations lead to")
    ignore_cross_boundary_bbox = Parameter(bool, False, doc="boxes that reach beyond the image are no examples")
    use_difficult_gt = Parameter(bool, True, doc="difficult objects are objects; false: background")
    bp_inside = Parameter(bool, False, doc="a corner of a matched box that is outside the image has no loss")
    map_object_to_agnostic = Parameter(bool, False, doc="all objects are of the class behind the background")
    mining_type = Parameter(
        str,
        "max_negative",
        choices=("max_negative", "hard_example", "none"),
        doc="whose scores count; max_negative: of boxes of objects, and of the hardest others; hard_example: of an "
        "image's sample_size hardest, whose locations alone count too; none: all",
    )
    neg_pos_ratio = Parameter(float, 3.0, low=0, doc="hard boxes without an object, by those with one, of an image")
    neg_overlap = Parameter(float, 0.5, doc="a box with an IoU of this or more with an object is no hard one")
    sample_size = Parameter(int, 64, low=1, doc="with hard_example")
    nms_threshold = Parameter(float, None, above=0, doc="of hard boxes with a larger IoU the harder stays; none: all")
    top_k = Parameter(int, -1, low=-1, doc="with nms_threshold: of so many; -1: of all")
    use_prior_for_nms = Parameter(bool, False, doc="with nms_threshold: of priors; false: of the boxes in their places")
    objectness_score = Parameter(float, 0.01, doc="with bottom[4]: an object's score must be this or more")
    legacy_gradient = Parameter(bool, False, doc="the gradient of SSD's Caffe with encode_variance_in_target")

    def setup(self, bottom, top):
        checks.tops(self, top, "loss")
        self._logistic, self._mines = self.conf_loss_type == "logistic", self.mining_type != "none"
        if self.background_label >= self.num_classes:
            raise checks.error(self, f"background_label {self.background_label} is outside [0, {self.num_classes})")
        if self._mines and not self.share_location:
            raise checks.error(self, f"mining_type {self.mining_type} needs share_location")
        if self.map_object_to_agnostic and (self.num_classes, self.background_label) != (2, 0):
            raise checks.error(self, "map_object_to_agnostic needs num_classes 2 and background_label 0")
        # What a prior is labelled where it has no object: logistic without mining gives it no class, as SSD's Caffe.
        self._unmatched = NONE if self._logistic and not self._mines else self.background_label
        if self._logistic and not self.share_location and not self.use_prior_for_matching:
            raise checks.error(
                self,
                "conf_loss_type logistic needs share_location or use_prior_for_matching: without them a box may be of "
                "several classes",
            )

    def plan(self, locations, scores, priors, gt_boxes, arm_scores=None, arm_locations=None):
        images, count = locations.shape[0], math.prod(priors.shape) // 8
        self._shape = images, count, 1 if self.share_location else self.num_classes
        values = [images * count * each for each in (4 * self._shape[2], self.num_classes, 0, 0, 2, 4)]
        values[2:4] = 8 * count, None
        blobs = locations, scores, priors, gt_boxes, arm_scores, arm_locations
        check_prior_blobs(self, blobs, values, images, count)
        return [(1,)]

    def forward(self, bottom, top):
        images, count, _ = self._shape
        scores = bottom[1].data.reshape(images * count, self.num_classes)
        truth = self._objects(bottom[3].data)
        self._read_boxes(bottom)
        matched, overlaps = self._match(truth)
        self._rows = slice(None)
        if self._mines:
            counts = self._mine(bottom, scores, truth, matched, overlaps[..., 0])
            matched[~counts] = NONE  # of hard_example, where other priors of objects are no examples
            self._rows = arrays.index_like(np.flatnonzero(counts), scores)
        self._scores, self._own = scores[self._rows], self._labels(scores, truth, matched)[self._rows]
        wrong = confidence_forward(self.xp, self._scores, self._own, self._logistic)
        losses, self._slopes, self._places = self._location_losses(bottom[0].data, truth, matched)
        self._z = normalizer(self.normalization, images, images * count, len(losses))
        top[0].data[...] = (losses.sum() * self.loc_weight + wrong.sum()) / self._z

    def backward(self, top, propagate_down, bottom):
        images, count, each = self._shape
        scale = top[0].diff[0] / self._z
        for i in range(len(bottom)):
            if propagate_down[i]:
                arrays.fill(bottom[i].diff, 0)
        if propagate_down[0]:
            d_locations = bottom[0].diff.reshape(images, count, each, 4)
            d_locations[self._places] = self._slopes * (scale * self.loc_weight)
        if propagate_down[1]:
            d_scores = bottom[1].diff.reshape(images * count, self.num_classes)
            d_scores[self._rows] = confidence_backward(self.xp, self._scores, self._own, self._logistic) * scale

    def _objects(self, blob):
        """Return the objects that boxes may belong to."""
        classes = None if self.map_object_to_agnostic else self.num_classes
        truth = gt_boxes.read(self, "bottom[3] (gt_boxes)", blob, self._shape[0], classes, self.background_label)
        turned = (truth.boxes[:, 2:] < truth.boxes[:, :2]).any(1)
        if turned.any():
            box = [round(float(x), 6) for x in truth.boxes[turned.argmax()]]
            raise checks.error(self, f"bottom[3] (gt_boxes) has the box {box}, of which x2 < x1 or y2 < y1")
        if self.map_object_to_agnostic:
            truth = truth._replace(classes=np.ones_like(truth.classes))
        return truth if self.use_difficult_gt else truth.only(~truth.flagged)

    def _read_boxes(self, bottom):
        """Take the priors (N, P, 1, 4), moved by a first stage, and the boxes (N, P, L, 4) where they count."""
        images, count, each = self._shape
        priors, self._variances = arrays.to_numpy(bottom[2].data).reshape(2, count, 1, 4)
        checks.numbers(self, "bottom[2] (priors)", bottom[2].data)
        code = self.code_type, 1.0 if self.encode_variance_in_target else self._variances
        self._priors = np.broadcast_to(priors, (images, count, 1, 4))
        if len(bottom) > 5:
            self._priors = decode_priors(priors, arrays.to_numpy(bottom[5].data).reshape(images, count, 1, 4), *code)
        self._boxes = self._priors
        if not self.use_prior_for_matching or (self.nms_threshold is not None and not self.use_prior_for_nms):
            locations = arrays.to_numpy(bottom[0].data).reshape(images, count, each, 4)
            self._boxes = decode_priors(self._priors, locations, *code)

    def _match(self, truth):
        """Return (matched, overlaps): of each box the index of its object, and the IoU; (N, P, 1), or (N, P, L)."""
        boxes = self._priors if self.use_prior_for_matching else self._boxes
        kinds = truth.classes * (boxes.shape[2] > 1)  # which of a prior's boxes an object is matched with
        matched, overlaps = np.full(boxes.shape[:3], NONE), np.zeros(boxes.shape[:3], boxes.dtype)
        threshold = self.overlap_threshold if self.match_type == "per_prediction" else None
        for image, kind in sorted(set(zip(truth.image.tolist(), kinds.tolist()))):
            mine = np.flatnonzero((truth.image == image) & (kinds == kind))
            found, overlaps[image, :, kind] = match_priors(
                boxes[image, :, kind], truth.boxes[mine], threshold, self.ignore_cross_boundary_bbox
            )
            matched[image, :, kind] = np.where(found >= 0, mine[found.clip(0, None)], found)
        return matched, overlaps

    def _mine(self, bottom, scores, truth, matched, overlaps):
        """Return whose scores count, (N, P): of priors of objects, and hard ones of the others of their images."""
        none, positive = matched[..., 0] == NONE, matched[..., 0] >= 0
        losses = confidence_forward(self.xp, scores, self._labels(scores, truth, matched), self._logistic)
        losses = arrays.to_numpy(losses).reshape(none.shape)
        if self.mining_type == "max_negative":
            counts, candidates = positive.copy(), none & (overlaps < self.neg_overlap)
            most = np.float32(self.neg_pos_ratio) * positive.sum(1).astype(np.float32)
        else:
            counts, candidates = np.zeros_like(positive), np.ones_like(positive)
            most = np.full(len(counts), self.sample_size)
            losses[positive] += arrays.to_numpy(self._location_losses(bottom[0].data, truth, matched)[0]).sum(1)
        if len(bottom) > 4:
            arm_scores = arrays.to_numpy(bottom[4].data).reshape(*none.shape, 2)
            candidates &= arm_scores[..., 1] >= self.objectness_score
        boxes = (self._priors if self.use_prior_for_nms else self._boxes)[:, :, 0]
        suppression = self.nms_threshold, None if self.top_k < 0 else self.top_k
        for i in np.unique(truth.image):
            counts[i, hardest_priors(losses[i], candidates[i], int(most[i]), boxes[i], *suppression)] = True
        return counts & (none | positive)

    def _labels(self, like, truth, matched):
        """Return the class of each prior, (N P,)."""
        labels = np.full(matched.shape[:2], self._unmatched)
        image, prior, kind = np.nonzero(matched >= 0)
        labels[image, prior] = truth.classes[matched[image, prior, kind]]
        return arrays.index_like(labels.reshape(-1), like)

    def _location_losses(self, blob, truth, matched):
        """Return (losses, slopes, places): (K, 4) each, of codes of boxes that have an object, and their index."""
        images, count, each = self._shape
        image, prior, kind = np.nonzero(matched >= 0)
        which = matched[image, prior, kind]
        priors, variances = self._priors[image, prior, 0], self._variances[prior, 0]
        targets = encode_priors(priors, truth.boxes[which], self.code_type, variances)
        places = tuple(arrays.index_like(i, blob) for i in (image, prior, truth.classes[which] * (each > 1)))
        differences, steps = blob.reshape(images, count, each, 4)[places], None
        if self.encode_variance_in_target:
            steps = arrays.from_numpy(1 / variances, blob)
            differences = differences * steps
        differences = differences - arrays.from_numpy(targets, blob)
        if self.bp_inside:
            boxes = self._priors if self.use_prior_for_matching else self._boxes
            corners = boxes[image, prior, kind]
            inside = arrays.index_like((corners >= 0) & (corners <= 1), blob)
            differences = self.xp.where(inside, differences, self.xp.zeros_like(differences))
        losses, slopes = location_forward(differences, self.loc_loss_type == "smooth_l1")
        return losses, slopes if steps is None or self.legacy_gradient else slopes * steps, places
