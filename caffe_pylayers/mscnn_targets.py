"""What the stages of MS-CNN and Cascade R-CNN train on: ROIs with labels and targets, and the hardest of them.

layer {
  name: "proposal_info"  type: "Python"
  bottom: "proposals"  bottom: "gt_boxes"
  top: "rois"  top: "labels"  top: "bbox_targets"  top: "bbox_inside_weights"  top: "bbox_outside_weights"
  top: "match_gt_boxes"
  python_param {
    module: "caffe_pylayers.mscnn_targets"  layer: "StageTarget"
    param_str: "{num_classes: 2, batch_size: 128, images: 4, img_width: 512, img_height: 384}"
  }
}
layer {
  name: "hard_mining"  type: "Python"
  bottom: "per_roi_loss"  bottom: "rois"  bottom: "labels"  top: "hard_rois"  top: "hard_labels"
  python_param {
    module: "caffe_pylayers.mscnn_targets"  layer: "HardMining"  param_str: "{images: 2, num_roi_per_image: 128}"
  }
}
"""

from __future__ import annotations

import math

import numpy as np

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.bases.no_gradient import NoGradient
from caffe_pylayers._layer.detection import box_blobs
from caffe_pylayers._layer.detection.anchor_codes import CodedBoxes
from caffe_pylayers._layer.detection.box_codes import box_encode_forward
from caffe_pylayers._layer.detection.boxes import check_sizes
from caffe_pylayers._layer.detection.nms import by_score
from caffe_pylayers._layer.detection.overlaps import box_iou_forward
from caffe_pylayers._layer.detection.sampling import at_most
from caffe_pylayers._layer.functions.draws import Draws, seed_parameter

__all__ = ["HardMining", "StageTarget", "hardest_rois", "nearest_objects", "random_boxes"]

_LEAST = 32  # the least width and height of a random box, in pixels
_TRIES = 100  # as often random boxes are drawn anew


def nearest_objects(rois, objects):
    """Return (which, overlaps), (R,) each: the object of its image that each ROI overlaps most, and its IoU with it.

    The first of equals; -1 and 0 for a ROI whose image has none. rois, objects: (R, 5), (G, 5): image, x1, y1, x2, y2.
    """
    if not len(objects):
        return np.full(len(rois), -1), np.zeros(len(rois))
    iou = np.where(rois[:, :1] == objects[:, 0], box_iou_forward(rois[:, 1:], objects[:, 1:], True), -1)
    which, overlaps = iou.argmax(1), iou.max(1)
    return np.where(overlaps < 0, -1, which), overlaps.clip(0, None)


def random_boxes(rng, count, images, width, height):
    """Return boxes (count, 5): image, x1, y1, x2, y2 of random images, places and sizes, _LEAST at least."""
    image, *draws = rng.random((5, count))
    ends = []
    for low, size, whole in zip(draws[:2], draws[2:], (width, height)):
        start = np.floor(low * max(whole - _LEAST, 1))
        ends.append((start, start + np.maximum(np.floor(size * (whole - start)), _LEAST) - 1))
    (x1, x2), (y1, y2) = ends
    return np.stack([np.floor(image * images), x1, y1, x2, y2], 1)


def hardest_rois(losses, image, images, count):
    """Return the indices of the ROIs of the largest losses, in their order: ``count`` of each of the images.

    Where an image has fewer, the hardest of the others take their places, up to images * count in all.

    losses, image: (R,), numbers and each ROI's image.
    """
    order = np.lexsort((-losses, image))
    place = np.empty(len(losses), np.int64)
    place[order] = np.arange(len(order)) - np.searchsorted(image[order], image[order])
    kept = place < count
    left = np.flatnonzero(~kept)
    kept[left[by_score(losses[left], images * count - int(kept.sum()))]] = True
    return np.flatnonzero(kept)


class StageTarget(CodedBoxes, NoGradient):
    """ROIs drawn for training a stage, of all images together, with their labels, targets and objects.

    A ROI is foreground if its largest IoU with an object of its image is fg_threshold or more, unless that object is to
    be ignored, and background if it is in [bg_thr_lw, bg_thr_hg). batch_size of them are drawn, fg_fraction of
    foreground at most. Where there are not enough, the first of the others stand in for background, with
    pickup_discard; then random boxes that overlap no object by fg_threshold.

    Bottom:
        [0] ROIs (R, 5): the image's index, x1, y1, x2, y2
        [1] gt_boxes (G, 7): image, x1, y1, x2, y2, class, 1 for one to ignore; or (G, 8), with a column that is
            not read, 1 for a difficult one; a row of image -1 is none
    Top:
        [0] ROIs (K, 5, 1, 1): foreground first
        [1] labels (K, 1, 1, 1), 0 of background
        [2] bbox_targets (K, D, 1, 1): the code of the object, see BoxEncode, in the columns of the label; D is
            4 num_classes, or 8
        [3] bbox_inside_weights, as these: 1 in the columns of the label
        [4] bbox_outside_weights, the same
        [5] objects (K, 6, 1, 1): class, x1, y1, x2, y2, IoU of a foreground ROI's object; else zeros
        [6] weights, optional, (K, 1, 1, 1): all foreground ROIs weigh fg_fraction K together, the others the rest
    Backward:
        Zeros. Caffe takes the tops for learned, as the scores are: a SoftmaxWithLoss on the labels needs
        ``propagate_down: true  propagate_down: false``.
    Raises:
        ValueError for shapes that do not fit, an index of an image or a class that is out of range or no integer, a
        box of an object without width or height, and numbers that are not finite.
    References:
        Cai and Vasconcelos, "Cascade R-CNN", 2018, arXiv:1712.00726, after Girshick, "Fast R-CNN", 2015,
        arXiv:1504.08083, section 2.3. ProposalTarget of MS-CNN's and Cascade R-CNN's Caffe, with the fields of its
        proposal_target_param and bbox_reg_param. proposals.ProposalTarget is py-faster-rcnn's, image by image.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> rois, gt_boxes = [[0, 0, 0, 9, 9], [0, 8, 0, 17, 9]], [[0, 0, 0, 9, 9, 2, 0]]
        >>> text = "{num_classes: 3, bg_thr_lw: 0}"
        >>> run = LayerRun(StageTarget, [rois, gt_boxes], tops=6, param_str=text)
        >>> run.forward()[1].ravel()  # the object, as a ROI, is the second
        array([2., 2., 0.])
    """

    num_classes = Parameter(int, low=2, doc="classes, the background, 0, among them")
    cls_aware = Parameter(bool, True, doc="a regression for each class; false: 8 columns, background and object")
    batch_size = Parameter(int, None, low=1, doc="ROIs drawn from a batch; default: all")
    fg_fraction = Parameter(float, 0.25, low=0, high=1, doc="the largest share of foreground")
    fg_threshold = Parameter(float, 0.5, above=0, high=1, doc="IoU with an object from which a ROI is foreground")
    bg_thr_hg = Parameter(float, 0.5, low=0, high=1, doc="IoU below which a ROI is background")
    bg_thr_lw = Parameter(float, 0.1, low=0, high=1, doc="IoU from which it is")
    bbox_thr_hg = Parameter(float, 10.0, doc="largest IoU of a ROI that has a regression; above 1: no bound")
    bbox_thr_lw = Parameter(float, 0.0, doc="least IoU of one")
    append_gtbox = Parameter(bool, True, doc="the objects themselves join the ROIs")
    pickup_discard = Parameter(bool, True, doc="ROIs that are neither stand in for background")
    fill_batch = Parameter(
        bool,
        None,
        doc="random boxes up to batch_size; false: one where there is no ROI at all; default: with gt_boxes (G, 7), "
        "which MS-CNN's Caffe fills up so, and not with (G, 8) of Cascade R-CNN's",
    )
    iou_weighted = Parameter(bool, False, doc="weights of foreground are in proportion to IoU")
    images = Parameter(int, 4, low=1, doc="images of a batch")
    img_width = Parameter(int, None, low=1, doc="of the images, in pixels, for random boxes")
    img_height = Parameter(int, None, low=1, doc="of the images, in pixels, for random boxes")
    seed = seed_parameter()

    def setup(self, bottom, top):
        self._draws = Draws(self.seed)
        names = "rois", "labels", "bbox_targets", "bbox_inside_weights", "bbox_outside_weights", "objects", "weights"
        checks.tops(self, top, *names, optional=1)
        if self.bg_thr_hg > self.fg_threshold:
            raise checks.error(
                self, f"bg_thr_hg must not be above fg_threshold, got {self.bg_thr_hg:g} and {self.fg_threshold:g}"
            )

    def plan(self, rois, gt_boxes):
        count = self.batch_size or max(len(box_blobs.rows(self, "bottom[0] (rois)", rois, 5)), 1)
        columns = 4 * self.num_classes if self.cls_aware else 8
        return [(count, n, 1, 1) for n in (5, 1, columns, columns, columns, 6, 1)]

    def forward(self, bottom, top):
        rois, objects, classes, ignored, columns = self._read(bottom)
        if self.append_gtbox:
            rois = np.concatenate([rois, objects])
        which, overlaps = nearest_objects(rois, objects)
        of_object = overlaps >= self.fg_threshold
        foreground = np.flatnonzero(of_object)
        foreground = foreground[~ignored[which[foreground]]]
        between = ~of_object & (overlaps >= self.bg_thr_lw) & (overlaps < self.bg_thr_hg)
        foreground, background = self._drawn(foreground, np.flatnonzero(between), np.flatnonzero(~of_object & ~between))
        fill = columns == 7 if self.fill_batch is None else self.fill_batch
        drawn = len(foreground) + len(background)
        missing = max(self.batch_size - drawn if fill and self.batch_size else 1 - drawn, 0)
        rois = np.concatenate([rois[foreground], rois[background], self._random(missing, objects)])
        which, overlaps = which[foreground], overlaps[foreground]
        values = self._targets(rois, objects[which], classes[which], overlaps)
        for i in range(len(top)):
            found = values[i].reshape(len(rois), -1, 1, 1)
            top[i].reshape(*found.shape)
            top[i].data[...] = found

    def _read(self, bottom):
        """Return ROIs (R, 5), objects (G, 5), their classes, booleans of those to ignore, and gt_boxes' columns."""
        rois = box_blobs.rows(self, "bottom[0] (rois)", bottom[0].data, 5)
        checks.numbers(self, "bottom[0] (rois)", rois)
        box_blobs.image_index(self, "bottom[0] (rois)", rois[:, 0], self.images)
        what = "bottom[1] (gt_boxes)"
        rows = box_blobs.rows(self, what, bottom[1].data, 7, 8)
        columns, rows = rows.shape[1], rows[rows[:, 0] != -1]
        checks.numbers(self, what, rows)
        box_blobs.image_index(self, what, rows[:, 0], self.images)
        check_sizes(self, what, rows[:, 1:5], True)
        ignored = rows[:, 6] != 0
        classes, _ = checks.class_labels(self, rows[:, 5], self.num_classes, noun="class", where=~ignored)
        checks.every(self, "class", rows[:, 5], ignored | (classes > 0), "is the background's")
        return rois, rows[:, :5], classes, ignored, columns

    def _drawn(self, foreground, background, others):
        rng, size, most = self._draws.host, len(foreground) + len(background), len(foreground)
        if self.batch_size is not None:
            size, most = self.batch_size, int(self.fg_fraction * self.batch_size + 0.5)
        foreground = at_most(rng, foreground, most)
        room = size - len(foreground)
        if len(background) < room and self.pickup_discard:
            background = np.concatenate([background, others[: room - len(background)]])
        return foreground, at_most(rng, background, room)

    def _random(self, count, objects):
        """Return random boxes (count, 5) that are no foreground."""
        found = np.zeros((0, 5))
        if count and None in (self.img_width, self.img_height):
            raise checks.error(self, f"needs img_width and img_height for {count} random boxes, as ROIs are missing")
        for _ in range(_TRIES):
            boxes = random_boxes(
                self._draws.host, count - len(found), self.images, self.img_width or 0, self.img_height or 0
            )
            found = np.concatenate([found, boxes[nearest_objects(boxes, objects)[1] < self.fg_threshold]])
            if len(found) == count:
                return found
        raise checks.error(self, f"finds no random box that overlaps no object by {self.fg_threshold:g}")

    def _targets(self, rois, objects, classes, overlaps):
        """Return the tops' values, (K, ..) each; objects, classes, overlaps: of the foreground, which comes first."""
        count, k = len(objects), len(rois)
        labels, matched = np.zeros(k), np.zeros((k, 6))
        labels[:count] = classes
        matched[:count] = np.column_stack([classes, objects[:, 1:], overlaps])
        targets, weights = np.zeros((2, k, self.num_classes if self.cls_aware else 2, 4))
        places = np.arange(count), classes if self.cls_aware else np.minimum(classes, 1)
        targets[places] = box_encode_forward(rois[:count, 1:], objects[:, 1:], True, self.bbox_mean, self.bbox_std)
        weights[places] = ((overlaps >= self.bbox_thr_lw) & (overlaps <= self.bbox_thr_hg))[:, None]
        return rois, labels, targets, weights, weights, matched, self._shares(k, overlaps)

    def _shares(self, k, overlaps):
        """Return the weights of K ROIs; overlaps: of the foreground."""
        shares, count = np.ones(k), len(overlaps)
        if self.iou_weighted:
            shares[:count] = overlaps
        if count:
            shares[:count] *= self.fg_fraction * k / shares[:count].sum()
            shares[count:] *= (1 - self.fg_fraction) * k / max(k - count, 1)
        return shares


class HardMining(NoGradient):
    """The ROIs with the largest losses, and what belongs to them.

    Of each image num_roi_per_image; where one has fewer, the hardest of the others take their places.

    Bottom:
        [0] losses, one for each of R ROIs: (R,) or (R, 1, 1, 1)
        [1] ROIs (R, 5): the image's index, x1, y1, x2, y2
        [i] more: blobs (R, ...), a row for each ROI
    Top:
        [i - 1] the rows of bottom[i] that are taken, in their order
    Backward:
        Zeros.
    Raises:
        ValueError for another number of bottoms than of tops and one, of rows than of ROIs, for a loss that is NaN, and
        an index of an image that is no integer in [0, images).
    References:
        Shrivastava et al., "Training Region-based Object Detectors with Online Hard Example Mining", 2016,
        arXiv:1604.03540. HardMining of Cascade R-CNN's Caffe, with its hard_mining_param. BoxAnnotatorOHEM keeps all
        ROIs, and labels those that do not count.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> rois = [[0, 0, 0, 9, 9], [0, 0, 0, 8, 8], [0, 0, 0, 7, 7]]
        >>> text = "{images: 1, num_roi_per_image: 2}"
        >>> LayerRun(HardMining, [[0.1, 0.9, 0.5], rois], param_str=text).forward()[0]
        array([[0., 0., 0., 8., 8.],
               [0., 0., 0., 7., 7.]])
    """

    num_roi_per_image = Parameter(int, 128, low=1, doc="ROIs of an image")
    images = Parameter(int, 4, low=1, doc="images of a batch")

    def setup(self, bottom, top):
        checks.bottoms(self, bottom, "losses", "rois", *(f"rows_{i}" for i in range(2, len(top) + 1)))

    def plan(self, losses, *blobs):
        count = len(box_blobs.rows(self, "bottom[1] (rois)", blobs[0], 5))
        for i, blob in enumerate((losses, *blobs)):
            if blob.shape[:1] != (count,) or (i == 0 and math.prod(blob.shape) != count):
                raise checks.error(
                    self,
                    f"bottom[{i}] must have {'a row' if i else 'one loss'} for each of {count} ROIs, "
                    f"got shape {tuple(blob.shape)}",
                )
        most = min(count, self.images * self.num_roi_per_image)
        return [(most, *blob.shape[1:]) for blob in blobs]

    def forward(self, bottom, top):
        losses = bottom[0].data.ravel()
        checks.numbers(self, "bottom[0] (losses)", bottom[0].data, None, -np.inf, np.inf)
        rois = box_blobs.rows(self, "bottom[1] (rois)", bottom[1].data, 5)
        image = box_blobs.image_index(self, "bottom[1] (rois)", rois[:, 0], self.images)
        kept = hardest_rois(losses, image, self.images, self.num_roi_per_image)
        for i in range(len(top)):
            top[i].data[...] = bottom[i + 1].data[kept]
