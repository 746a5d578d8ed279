"""Region proposals: from an RPN's maps to ROIs, and what the second stage is to say of each.

layer {
  name: "proposal"  type: "Python"
  bottom: "rpn_cls_prob_reshape"  bottom: "rpn_bbox_pred"  bottom: "im_info"  top: "rpn_rois"
  python_param { module: "caffe_pylayers.proposals"  layer: "Proposal"  param_str: "feat_stride: 16" }
}
layer {
  name: "roi_data"  type: "Python"
  bottom: "rpn_rois"  bottom: "gt_boxes"
  top: "rois"  top: "labels"  top: "bbox_targets"  top: "bbox_inside_weights"  top: "bbox_outside_weights"
  python_param { module: "caffe_pylayers.proposals"  layer: "ProposalTarget"  param_str: "num_classes: 21" }
}
"""

from __future__ import annotations

import numpy as np

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.bases.no_gradient import NoGradient
from caffe_pylayers._layer.detection import box_blobs, gt_boxes
from caffe_pylayers._layer.detection.anchor_parameters import AnchorParameters
from caffe_pylayers._layer.detection.box_codes import box_decode_forward, box_encode_forward
from caffe_pylayers._layer.detection.boxes import check_sizes, clip, plus_one_parameter, sizes
from caffe_pylayers._layer.detection.nms import by_score, greedy_nms
from caffe_pylayers._layer.detection.overlaps import box_iou_forward
from caffe_pylayers._layer.detection.sampling import balanced
from caffe_pylayers._layer.functions.draws import Draws, seed_parameter
from caffe_pylayers._layer.phases import TRAIN

__all__ = ["Proposal", "ProposalTarget", "propose", "sample_rois"]


def propose(boxes, scores, min_size, pre_nms_top_n, nms_thresh, post_nms_top_n, plus_one=True):
    """Return the indices of the boxes that are proposed, the best score first.

    Those of min_size; of them the best pre_nms_top_n; of these, after greedy non-maximum suppression
    at the IoU nms_thresh, the best post_nms_top_n.

    boxes, scores: (R, 4), (R,).
    pre_nms_top_n, post_nms_top_n: 0 for all.
    """
    large = np.flatnonzero((sizes(boxes, plus_one) >= min_size).all(1))
    order = large[by_score(scores[large], pre_nms_top_n or None)]
    return order[greedy_nms(boxes[order], scores[order], nms_thresh, plus_one, post_nms_top_n or None)]


def sample_rois(rng, iou, size, fg_fraction=0.25, fg_thresh=0.5, bg_thresh_hi=0.5, bg_thresh_lo=0.1):
    """Return (foreground, background), indices of ROIs drawn at random: ``size`` of them where there are so many.

    A ROI is foreground if its largest IoU with an object is fg_thresh or more, background if it is in
    [bg_thresh_lo, bg_thresh_hi).

    rng: numpy's generator.
    iou: of ROIs with objects, (R, G).
    """
    best = iou.max(1, initial=0)
    foreground = np.flatnonzero(best >= fg_thresh)
    background = np.flatnonzero((best < bg_thresh_hi) & (best >= bg_thresh_lo) & (best < fg_thresh))
    return balanced(rng, foreground, background, size, int(np.round(fg_fraction * size)))


class Proposal(AnchorParameters):
    """ROIs from the scores and deltas of an RPN's anchors.

    Each anchor is moved by its deltas (see BoxDecode) and cut to the image; of the boxes of
    RPN_MIN_SIZE the best RPN_PRE_NMS_TOP_N go through greedy non-maximum suppression, and the best
    RPN_POST_NMS_TOP_N of what that leaves are the ROIs.

    Bottom:
        [0] scores (N, 2 A, H, W), of which the last A are those of objects; or (N, A, H, W)
        [1] deltas (N, 4 A, H, W)
        [2] im_info (N, 3) or (1, 3): height, width, scale
    Top:
        [0] ROIs (R, 5): the image's index in the batch, x1, y1, x2, y2; by image, then by score from
            the best down. R may be 0.
        [1] scores (R, 1), optional
    Backward:
        Zeros: which boxes are proposed has no gradient, and R-CNN passes none through where they are.
    Raises:
        ValueError for shapes that do not fit, for a score of an object that is NaN, and for deltas or im_info that are
        not finite.
    References:
        Ren et al., "Faster R-CNN: Towards Real-Time Object Detection with Region Proposal
        Networks", 2015, arXiv:1506.01497. py-faster-rcnn's ProposalLayer, with batches of several
        images; equal scores keep the anchors' order.
    Example:
        >>> import numpy as np
        >>> from caffe_pylayers.testing import LayerRun
        >>> scores = np.array([0.2, 0.9, 0.8]).reshape(1, 1, 1, 3)
        >>> bottoms = [scores, np.zeros((1, 4, 1, 3)), [[32, 64, 1]]]
        >>> text = "{scales: [1], ratios: [1], exact_inverse: true, RPN_POST_NMS_TOP_N: 2}"
        >>> LayerRun(Proposal, bottoms, param_str=text).forward()[0]
        array([[ 0., 16.,  0., 31., 15.],
               [ 0., 32.,  0., 47., 15.]])
    """

    exact_inverse = Parameter(
        bool,
        False,
        doc="decode what AnchorTarget encodes, as Detectron does; false: with legacy_plus_one, x2 and y2 are "
        "one pixel further, as in py-faster-rcnn and the models trained with it",
    )
    RPN_PRE_NMS_TOP_N = Parameter(
        int,
        None,
        low=0,
        doc="boxes of an image that go into suppression, 0: all; default: 12000 in TRAIN, 6000 in TEST",
    )
    RPN_POST_NMS_TOP_N = Parameter(
        int, None, low=0, doc="boxes of an image that come out, 0: all; default: 2000 in TRAIN, 300 in TEST"
    )
    RPN_NMS_THRESH = Parameter(float, 0.7, low=0, high=1, doc="the largest IoU of two boxes that both stay")
    RPN_MIN_SIZE = Parameter(
        float, 16.0, low=0, doc="least width and height, in pixels of the image before it was scaled by im_info"
    )

    def setup(self, bottom, top):
        checks.tops(self, top, "rois", "scores", optional=1)

    def plan(self, scores, deltas, im_info):
        images, (height, width) = len(scores), self.map_size("bottom[0] (scores)", scores)
        cells, a = (height, width), self.anchors_per_cell
        if tuple(scores.shape) not in ((images, 2 * a, *cells), (images, a, *cells)):
            raise checks.error(
                self, f"bottom[0] (scores) must have {2 * a} or {a} channels for {a} anchors, got {scores.shape[1]}"
            )
        if tuple(deltas.shape) != (images, 4 * a, *cells):
            raise checks.error(
                self, f"bottom[1] (deltas) must have shape {(images, 4 * a, *cells)}, got {tuple(deltas.shape)}"
            )
        box_blobs.check_info(self, "bottom[2] (im_info)", im_info, images)
        self._anchors = self.anchors_at(*cells).astype(deltas.dtype)
        return [(1, 5), (1, 1)]

    def forward(self, bottom, top):
        images, a = len(bottom[0].data), self.anchors_per_cell
        info = box_blobs.image_info(self, "bottom[2] (im_info)", bottom[2].data, images)
        scores, deltas = bottom[0].data, bottom[1].data
        of_objects = np.arange(scores.shape[1])[:, None, None] >= scores.shape[1] - a
        checks.numbers(self, "bottom[0] (scores)", scores, of_objects, -np.inf, np.inf)
        checks.numbers(self, "bottom[1] (deltas)", deltas)
        # rows, columns and anchors in the anchors' order
        scores = scores[:, -a:].transpose(0, 2, 3, 1).reshape(images, len(self._anchors))
        deltas = deltas.transpose(0, 2, 3, 1).reshape(images, len(self._anchors), 4)
        rois, best = [np.zeros((0, 5))], [np.zeros(0)]
        for i in range(images):
            boxes, kept = self._of_image(scores[i], deltas[i], *info[i])
            rois.append(np.column_stack([np.full(len(kept), i), boxes[kept]]))
            best.append(scores[i, kept])
        found = np.concatenate(rois)
        top[0].reshape(*found.shape)
        top[0].data[...] = found
        if len(top) == 2:
            top[1].reshape(len(found), 1)
            top[1].data[:, 0] = np.concatenate(best)

    def _of_image(self, scores, deltas, height, width, scale):
        boxes = box_decode_forward(self._anchors, deltas, self.legacy_plus_one, exact_inverse=self.exact_inverse)
        boxes = clip(boxes, height, width, self.legacy_plus_one)
        before, after = (12000, 2000) if self.phase == TRAIN else (6000, 300)
        if self.RPN_PRE_NMS_TOP_N is not None:
            before = self.RPN_PRE_NMS_TOP_N
        if self.RPN_POST_NMS_TOP_N is not None:
            after = self.RPN_POST_NMS_TOP_N
        least = self.RPN_MIN_SIZE * scale
        return boxes, propose(boxes, scores, least, before, self.RPN_NMS_THRESH, after, self.legacy_plus_one)


class ProposalTarget(NoGradient):
    """ROIs drawn for training the second stage, with their labels and regression targets.

    The objects themselves join the ROIs. BATCH_SIZE of each image are drawn, foreground and background
    (see sample_rois). A ROI's label is the class of the object that it overlaps most, its target the
    code of that (see BoxEncode); the label of background is 0.

    Bottom:
        [0] ROIs (R, 5)
        [1] gt_boxes (G, 5): x1, y1, x2, y2, class, of one image; (N, G, 5) padded with zeros; or
            (G, 6): the image's index in the batch before these
    Top:
        [0] ROIs (K, 5): by image, foreground first
        [1] labels (K,)
        [2] bbox_targets (K, 4 num_classes), in the columns of the label
        [3] bbox_inside_weights (K, 4 num_classes): of the foreground, in the columns of the label
        [4] bbox_outside_weights (K, 4 num_classes): 1 where those are above 0
    Backward:
        Zeros. Caffe takes the tops for learned, as the scores are: a SoftmaxWithLoss on the labels
        needs ``propagate_down: true  propagate_down: false``.
    Raises:
        ValueError for shapes that do not fit, a batch index that is no integer or without its image
        in gt_boxes, a class outside [0, num_classes), a box of an object without width or height, and
        numbers that are not finite.
    References:
        Girshick, "Fast R-CNN", 2015, arXiv:1504.08083, section 2.3. py-faster-rcnn's
        ProposalTargetLayer, with batches of several images and images without objects; with
        class_agnostic, R-FCN's.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> rois, gt_boxes = [[0, 0, 0, 9, 9], [0, 8, 0, 17, 9]], [[0, 0, 9, 9, 2]]
        >>> run = LayerRun(ProposalTarget, [rois, gt_boxes], tops=5, param_str="num_classes: 3")
        >>> run.forward()[1]  # the object, as a ROI, is the third
        array([2., 2., 0.])
    """

    num_classes = Parameter(int, low=2, doc="classes, the background, 0, among them")
    class_agnostic = Parameter(bool, False, doc="one regression for all classes: 8 columns, background and object")
    BATCH_SIZE = Parameter(int, 128, low=1, doc="ROIs drawn from each image")
    FG_FRACTION = Parameter(float, 0.25, low=0, high=1, doc="the largest share of foreground")
    FG_THRESH = Parameter(float, 0.5, low=0, high=1, doc="IoU with an object from which a ROI is foreground")
    BG_THRESH_HI = Parameter(float, 0.5, low=0, high=1, doc="IoU below which a ROI is background")
    BG_THRESH_LO = Parameter(float, 0.1, low=0, high=1, doc="IoU from which it is; 0 for images without objects")
    BBOX_INSIDE_WEIGHTS = Parameter((float,) * 4, (1.0,) * 4, doc="weights of the four deltas of a foreground ROI")
    BBOX_NORMALIZE_MEANS = Parameter((float,) * 4, (0.0,) * 4, doc="subtracted from the targets")
    BBOX_NORMALIZE_STDS = Parameter(
        (float,) * 4,
        (1.0,) * 4,
        above=0,
        doc="the targets are divided by these; py-faster-rcnn's BBOX_NORMALIZE_TARGETS_PRECOMPUTED: "
        "[0.1, 0.1, 0.2, 0.2]",
    )
    legacy_plus_one = plus_one_parameter()
    seed = seed_parameter()

    def setup(self, bottom, top):
        self._draws = Draws(self.seed)
        checks.tops(self, top, "rois", "labels", "bbox_targets", "bbox_inside_weights", "bbox_outside_weights")

    def plan(self, rois, gt_boxes):
        box_blobs.rows(self, "bottom[0] (rois)", rois, 5)
        self._columns = 8 if self.class_agnostic else 4 * self.num_classes
        return [(1, 5), (1,), (1, self._columns), (1, self._columns), (1, self._columns)]

    def forward(self, bottom, top):
        rois = box_blobs.rows(self, "bottom[0] (rois)", bottom[0].data, 5)
        checks.numbers(self, "bottom[0] (rois)", rois)
        truth = gt_boxes.read(self, "bottom[1] (gt_boxes)", bottom[1].data, num_classes=self.num_classes)
        check_sizes(self, "bottom[1] (gt_boxes)", truth.boxes, self.legacy_plus_one)
        index = box_blobs.image_index(self, "bottom[0] (rois)", rois[:, 0], truth.images)
        there = np.union1d(index, truth.image) if len(index) + len(truth.image) else [0]
        found = [self._of_image(i, rois[index == i, 1:], truth.of(i)) for i in there]
        for i, parts in enumerate(zip(*found)):
            values = np.concatenate(parts)
            top[i].reshape(*values.shape)
            top[i].data[...] = values

    def _of_image(self, image, boxes, truth):
        boxes = np.concatenate([boxes, truth.boxes])
        iou = box_iou_forward(boxes, truth.boxes, self.legacy_plus_one)
        foreground, background = sample_rois(
            self._draws.host,
            iou,
            self.BATCH_SIZE,
            self.FG_FRACTION,
            self.FG_THRESH,
            self.BG_THRESH_HI,
            self.BG_THRESH_LO,
        )
        kept = np.concatenate([foreground, background])
        labels = np.zeros(len(kept), np.int64)
        targets, inside_weights = np.zeros((2, len(kept), self._columns // 4, 4))
        if len(foreground):
            of = iou[foreground].argmax(1)
            labels[: len(of)] = truth.classes[of]
            where = np.arange(len(of)), 1 if self.class_agnostic else labels[: len(of)]
            targets[where] = box_encode_forward(
                boxes[foreground],
                truth.boxes[of],
                self.legacy_plus_one,
                self.BBOX_NORMALIZE_MEANS,
                self.BBOX_NORMALIZE_STDS,
            )
            inside_weights[where] = self.BBOX_INSIDE_WEIGHTS
        rois = np.column_stack([np.full(len(kept), image), boxes[kept]])
        flat = len(kept), self._columns
        return rois, labels, targets.reshape(flat), inside_weights.reshape(flat), (inside_weights > 0).reshape(flat)
