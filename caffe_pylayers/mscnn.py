"""MS-CNN and Cascade R-CNN: proposals from maps of several strides, and boxes decoded from stage to stage.

layer {
  name: "proposals"  type: "Python"
  bottom: "LFCN_1_3x5"  bottom: "LFCN_2_3x5"  top: "proposals"
  python_param {
    module: "caffe_pylayers.mscnn"  layer: "BoxOutput"
    param_str: "{field_w: [40, 80], field_h: [40, 80], stride: [8, 16], conf_thr: -5, iou_thr: 0.65}"
  }
}
layer {
  name: "proposals"  type: "Python"
  bottom: "rpn_prob"  bottom: "rpn_bbox"  top: "proposals"
  python_param {
    module: "caffe_pylayers.mscnn"  layer: "BoxGroupOutput"
    param_str: "{field_w: [[88, 44, 64]], field_h: [[44, 88, 64]], stride: [8], conf_thr: 0.1, iou_thr: 0.7}"
  }
}
layer {
  name: "proposals_2nd"  type: "Python"
  bottom: "bbox_pred"  bottom: "proposals"  top: "proposals_2nd"
  python_param {
    module: "caffe_pylayers.mscnn"  layer: "DecodeBBox"
    param_str: "{bbox_std: [0.1, 0.1, 0.2, 0.2]}"
  }
}
layer {
  name: "frcnn_out"  type: "Python"
  bottom: "cls_prob"  bottom: "bbox_pred"  bottom: "proposals"  bottom: "image_sizes"  top: "frcnn_out"
  python_param {
    module: "caffe_pylayers.mscnn"  layer: "FrcnnOutput"
    param_str: "{conf_thr: 0.01, iou_thr: 0.3, max_det_num: 100, cls_aware: false, bbox_std: [0.1, 0.1, 0.2, 0.2]}"
  }
}
"""

from __future__ import annotations

import numpy as np

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.bases.no_gradient import NoGradient
from caffe_pylayers._layer.detection import box_blobs
from caffe_pylayers._layer.detection.anchor_codes import (
    CodedBoxes,
    decode_anchors,
)
from caffe_pylayers._layer.detection.anchor_proposals import AnchorProposals, proposals
from caffe_pylayers._layer.detection.box_codes import box_decode_forward
from caffe_pylayers._layer.detection.boxes import sizes
from caffe_pylayers._layer.detection.nms import best_in_order, greedy_nms
from caffe_pylayers._layer.phases import TRAIN

__all__ = [
    "BoxGroupOutput",
    "BoxOutput",
    "DecodeBBox",
    "FrcnnOutput",
    "cascade_detections",
    "decode_anchors",
    "proposals",
]


def cascade_detections(probabilities, boxes, size, conf_thr, iou_thr, most=None):
    """Return the detections (D, 6) of an image, class by class: x1, y1, x2, y2, class, probability.

    Boxes are cut to [0, width] and [0, height], a pixel more than the image has; what has no size then is left out.

    probabilities: (R, C), the background's first. boxes: (R, C, 4), or (R, 2, 4), of the background and of all classes.
    size: height and width. most: how many detections there are at most; None: any number.
    """
    height, width = size
    boxes = np.minimum(boxes, [np.inf, np.inf, width, height])
    boxes[..., :2] = boxes[..., :2].clip(0, None)
    large, found = (sizes(boxes, True) > 0).all(-1), [np.zeros((0, 6))]
    for c in range(1, probabilities.shape[1]):
        column = c if boxes.shape[1] == probabilities.shape[1] else 1
        good = np.flatnonzero((probabilities[:, c] >= conf_thr) & large[:, column])
        scores, candidates = probabilities[good, c], boxes[good, column]
        kept = greedy_nms(candidates, scores, iou_thr, True)
        found.append(np.column_stack([candidates[kept], np.full(len(kept), c), scores[kept]]))
    rows = np.concatenate(found)
    return rows[best_in_order(rows[:, 5], most)]


class BoxOutput(AnchorProposals):
    """Proposals of MS-CNN: at each cell of each map one box, of the size of the map's anchor.

    x = (column + 0.5) stride + d_x field_w, w = field_w exp(d_w), and y and h with the row and field_h

    are the box's centre and size, of deltas d = bottom * bbox_std + bbox_mean with |d_x|, |d_y| <= 1 / field_xyr and
    |d_w|, |d_h| <= log(field_whr). A box's score is the largest score of a class less that of the background, before
    any softmax. A box that begins outside the image that the map covers is moved to its edge, and one that ends outside
    is cut; of those with a score of conf_thr or more, and of min_size, greedy non-maximum suppression keeps the best.

    Bottom:
        [i] maps (N, C + 4, H_i, W_i), one for each anchor: scores of C classes, background first, then 4 deltas
    Top:
        [0] ROIs (R, 5, 1, 1): the image's index, x1, y1, x2, y2; without any (0, 1, 1, 10, 10)
        [1] optional: ROIs and their scores (R, 6, 1, 1); without any zeros
    Backward:
        Zeros.
    Raises:
        ValueError for maps that do not fit, for another number of them than of anchors, and for values that are not
        finite.
    References:
        Cai, Fan, Feris, Vasconcelos, "A Unified Multi-scale Deep Convolutional Neural Network for Fast Object
        Detection", 2016, arXiv:1607.07155. BoxOutput of MS-CNN's Caffe, with the fields of its box_output_param, and
        of its bbox_reg_param.
    Example:
        >>> import numpy as np
        >>> from caffe_pylayers.testing import LayerRun
        >>> maps = np.zeros((1, 6, 1, 2))
        >>> maps[0, 1] = 1, 2
        >>> text = "{field_w: [20], field_h: [20], stride: [40]}"
        >>> LayerRun(BoxOutput, [maps], param_str=text).forward()[0][:, :, 0, 0]
        array([[ 0., 50., 10., 70., 30.],
               [ 0., 10., 10., 30., 30.]])
    """

    field_w = Parameter([float], above=0, length=(1, None), doc="widths of the anchors, in pixels, one for each bottom")
    field_h = Parameter([float], above=0, length=(1, None), doc="heights of the anchors, one for each bottom")
    stride = Parameter([float], above=0, length=(1, None), doc="strides of the maps, one for each bottom")

    def plan(self, *maps):
        count = len(self.field_w)
        checks.bottoms(self, maps, *(f"maps_{i}" for i in range(count)))
        if not count == len(self.field_h) == len(self.stride):
            raise checks.error(
                self,
                f"parameters field_w, field_h and stride must have one number for each bottom, {count}, got "
                f"{count}, {len(self.field_h)} and {len(self.stride)}",
            )
        self._images = len(maps[0])
        for i, each in enumerate(maps):
            shape = tuple(each.shape)
            if len(shape) != 4 or shape[1] < 6 or shape[:2] != tuple(maps[0].shape[:2]):
                raise checks.error(
                    self,
                    f"bottom[{i}] must be maps (N, C + 4, H, W) of two classes or more, as many of all, got {shape}",
                )
        return [(1, 5, 1, 1), (1, 6, 1, 1)]

    def candidates(self, bottom, image):
        for i, anchors in enumerate(zip(self.field_w, self.field_h)):
            maps, stride = bottom[i].data[image], self.stride[i]
            x, y, w, h = self.decode(maps[None, -4:], [[side] for side in anchors], stride)
            x, y = x.clip(0, None), y.clip(0, None)
            w, h = np.minimum(w, maps.shape[2] * stride - x), np.minimum(h, maps.shape[1] * stride - y)
            yield np.stack([x, y, x + w, y + h], -1).reshape(-1, 4), (maps[1:-4].max(0) - maps[0]).ravel()


class BoxGroupOutput(AnchorProposals):
    """Proposals of Cascade R-CNN: at each cell of each map a box for each of its anchors.

    x = (column + 0.5) stride + d_x field_w, w = field_w exp(d_w), and y and h with the row and field_h

    are the box's centre and size, of deltas d = bottom * bbox_std + bbox_mean with |d_x|, |d_y| <= 1 / field_xyr and
    |d_w|, |d_h| <= log(field_whr); x1 = x - w / 2, and x2 = x1 + w - 1 is the last pixel inside. Boxes are cut to
    [0, W stride] and [0, H stride], a pixel beyond the last one of the image that the map covers, as in the Caffe whose
    layer it is. A box's score is 1 less the probability of the background; of boxes with a score of conf_thr or more,
    and of min_size, greedy non-maximum suppression keeps the best.

    Bottom:
        [2 i] probabilities (N G_i, C, H_i, W_i), for G_i anchors, background first
        [2 i + 1] deltas (N G_i, 4, H_i, W_i)
    Top:
        [0] ROIs (R, 5, 1, 1): the image's index, x1, y1, x2, y2; without any (0, 1, 1, 10, 10)
        [1] optional: ROIs and their scores (R, 6, 1, 1); without any zeros
    Backward:
        Zeros.
    Raises:
        ValueError for maps that do not fit, for another number of them than of anchors, and for values that are not
        finite.
    References:
        Cai and Vasconcelos, "Cascade R-CNN: Delving into High Quality Object Detection", 2018, arXiv:1712.00726.
        BoxGroupOutput of its Caffe, with the fields of its box_group_output_param; the field_w, field_h and stride of
        each box_group_param are one of the lists' here.
    Example:
        >>> import numpy as np
        >>> from caffe_pylayers.testing import LayerRun
        >>> probabilities = np.array([0.1, 0.4]).reshape(2, 1, 1, 1)
        >>> text = "{field_w: [[20, 40]], field_h: [[20, 20]], stride: [60]}"
        >>> LayerRun(BoxGroupOutput, [probabilities, np.zeros((2, 4, 1, 1))], param_str=text).forward()[0][:, :, 0, 0]
        array([[ 0., 20., 20., 39., 39.],
               [ 0., 10., 20., 49., 39.]])
    """

    field_w = Parameter([[float]], above=0, length=(1, None), doc="widths of each map's anchors, in pixels")
    field_h = Parameter([[float]], above=0, length=(1, None), doc="heights of each map's anchors")
    stride = Parameter([float], above=0, length=(1, None), doc="strides of the maps")

    plus_one = True

    def plan(self, *maps):
        groups, heights = [len(widths) for widths in self.field_w], [len(heights) for heights in self.field_h]
        names = (f"{name}_{i}" for i in range(len(groups)) for name in ("probabilities", "deltas"))
        checks.bottoms(self, maps, *names)
        if groups != heights or len(groups) != len(self.stride) or 0 in groups:
            raise checks.error(
                self,
                "parameters field_w, field_h and stride must have as many widths as heights, and a stride, for each "
                f"two bottoms, got {groups} widths, {heights} heights and {len(self.stride)} strides",
            )
        self._images = len(maps[0]) // groups[0]
        for i, group in enumerate(groups):
            shape, deltas = tuple(maps[2 * i].shape), tuple(maps[2 * i + 1].shape)
            wanted = (self._images * group, 4, *shape[2:])
            if len(shape) != 4 or shape[0] != wanted[0] or deltas != wanted:
                raise checks.error(
                    self,
                    f"bottom[{2 * i}] and bottom[{2 * i + 1}] must be maps (N G, C, H, W) and (N G, 4, H, W) of G = "
                    f"{group} anchors, got {shape} and {deltas}",
                )
        return [(1, 5, 1, 1), (1, 6, 1, 1)]

    def name(self, i):
        return f"bottom[{i}] ({('probabilities', 'deltas')[i % 2]})"

    def candidates(self, bottom, image):
        for i, anchors in enumerate(zip(self.field_w, self.field_h)):
            of_image = slice(image * len(anchors[0]), (image + 1) * len(anchors[0]))
            probabilities, deltas = (bottom[2 * i + k].data[of_image] for k in range(2))
            x, y, w, h = self.decode(deltas, anchors, self.stride[i])
            right, lower = (size * self.stride[i] for size in (deltas.shape[3], deltas.shape[2]))
            ends = np.minimum(x + w - 1, right), np.minimum(y + h - 1, lower)
            boxes = np.stack([x.clip(0, None), y.clip(0, None), *ends], -1)
            yield boxes.reshape(-1, 4), (1 - probabilities[:, 0]).ravel()


class DecodeBBox(CodedBoxes, NoGradient):
    """ROIs of the next stage of a cascade: those of this one, moved by its deltas.

    In TRAIN those without a size are left out, and, with bottom[2], those whose IoU with their object was gt_iou_thr or
    more, which are the objects themselves.

    Bottom:
        [0] deltas (R, 8): those of the background, and of an object
        [1] ROIs (R, 5): the image's index, x1, y1, x2, y2
        [2] optional, in TRAIN: objects (R, K), in the last column each ROI's IoU with its own
    Top:
        [0] ROIs (R', 5, 1, 1)
    Backward:
        Zeros.
    Raises:
        ValueError for shapes that do not fit, for values that are not finite, and where no ROI is left.
    References:
        Cai and Vasconcelos, "Cascade R-CNN", 2018, arXiv:1712.00726. DecodeBBox of its Caffe, with the fields of its
        bbox_reg_param and decode_bbox_param. BoxDecode decodes the boxes of all classes, with a gradient.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(DecodeBBox, [[[0, 0, 0, 0, 0.5, 0, 0, 0]], [[0, 10, 10, 29, 29]]])
        >>> run.forward()[0][:, :, 0, 0]
        array([[ 0., 20., 10., 39., 29.]])
    """

    gt_iou_thr = Parameter(float, 0.95, low=0, doc="with bottom[2]: the IoU from which a ROI is its object's own box")

    def setup(self, bottom, top):
        checks.tops(self, top, "rois")

    def plan(self, deltas, rois, objects=None):
        count = len(box_blobs.rows(self, "bottom[1] (rois)", rois, 5))
        if len(box_blobs.rows(self, "bottom[0] (deltas)", deltas, 8)) != count:
            raise checks.error(self, f"bottom[0] (deltas) must have {count} rows, as the ROIs, got {len(deltas)}")
        if objects is not None and len(objects) != count:
            raise checks.error(self, f"bottom[2] (objects) must have {count} rows, as the ROIs, got {len(objects)}")
        return [(max(count, 1), 5, 1, 1)]

    def forward(self, bottom, top):
        deltas = box_blobs.rows(self, "bottom[0] (deltas)", bottom[0].data, 8)[:, 4:]
        rois = box_blobs.rows(self, "bottom[1] (rois)", bottom[1].data, 5)
        checks.numbers(self, "bottom[0] (deltas)", deltas)
        checks.numbers(self, "bottom[1] (rois)", rois)
        boxes = box_decode_forward(rois[:, 1:], deltas, True, self.bbox_mean, self.bbox_std)
        kept = np.ones(len(rois), bool)
        if self.phase == TRAIN:
            kept = (boxes[:, :2] <= boxes[:, 2:]).all(1)
            if len(bottom) > 2:
                kept &= bottom[2].data.reshape(len(rois), -1)[:, -1] < self.gt_iou_thr
        if not kept.any():
            raise checks.error(self, f"none of the {len(rois)} ROIs is left")
        top[0].reshape(int(kept.sum()), 5, 1, 1)
        top[0].data[...] = np.concatenate([rois[:, :1], boxes], 1)[kept][:, :, None, None]


class FrcnnOutput(CodedBoxes, NoGradient):
    """Detections of a stage of Cascade R-CNN: ROIs moved by their deltas, suppressed class by class.

    Of the boxes with a probability of conf_thr or more greedy non-maximum suppression keeps the best of each class, and
    max_det_num of all. x2 and y2 are the last pixel inside, and a width is x2 - x1 + 1; yet boxes are cut to [0, width]
    and [0, height] of the image, a pixel beyond its last one, as in the Caffe whose layer it is. What lies outside is
    left out, where that Caffe has boxes that end before they begin.

    Bottom:
        [0] probabilities (R, C), background first
        [1] deltas (R, 8) of the background and of an object, or (R, 4 C) of each class
        [2] ROIs (R, 5) or (R, 6): the image's index, x1, y1, x2, y2
        [3] image_sizes (N, 2), height and width
    Top:
        [0] detections (K, 7, 1, 1): the image's index, x1, y1, x2, y2, class, probability; those of an image by class,
            behind a row of its index and -1
    Backward:
        Zeros.
    Raises:
        ValueError for shapes that do not fit, an index of an image that is no integer in [0, N), an image's size
        below 1, and for values that are not finite.
    References:
        Cai and Vasconcelos, "Cascade R-CNN", 2018, arXiv:1712.00726. FrcnnOutput of its Caffe, for batches too, with
        the fields of its frcnn_output_param and bbox_reg_param; it writes no files.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> bottoms = [[[0.25, 0.75]], [[0, 0, 0, 0, 0.5, 0, 0, 0]], [[0, 10, 10, 29, 29]], [[20, 60]]]
        >>> LayerRun(FrcnnOutput, bottoms).forward()[0][:, :, 0, 0]
        array([[ 0.  , -1.  , -1.  , -1.  , -1.  , -1.  , -1.  ],
               [ 0.  , 20.  , 10.  , 39.  , 20.  ,  1.  ,  0.75]])
    """

    conf_thr = Parameter(float, 0.0, doc="least probability of a detection")
    iou_thr = Parameter(float, 0.5, low=0, high=1, doc="the largest IoU of two boxes of a class that both stay")
    max_det_num = Parameter(int, 0, low=0, doc="detections of an image, 0: all")
    cls_aware = Parameter(bool, True, doc="a class's deltas are in its columns; false: those of all in 4 to 7")

    def setup(self, bottom, top):
        checks.tops(self, top, "detections")

    def plan(self, probabilities, deltas, rois, image_sizes):
        classes = int(np.prod(probabilities.shape[1:]))
        wanted = 4 * classes if self.cls_aware else 8
        count = len(box_blobs.rows(self, "bottom[2] (rois)", rois, 5, 6))
        for i, name, array, columns in ((0, "probabilities", probabilities, classes), (1, "deltas", deltas, wanted)):
            if len(box_blobs.rows(self, f"bottom[{i}] ({name})", array, columns)) != count:
                raise checks.error(self, f"bottom[{i}] ({name}) must have {count} rows, as the ROIs, got {len(array)}")
        box_blobs.rows(self, "bottom[3] (image_sizes)", image_sizes, 2)
        self._classes, self._columns = classes, wanted // 4
        return [(1, 7, 1, 1)]

    def forward(self, bottom, top):
        probabilities = bottom[0].data.reshape(-1, self._classes)
        deltas = bottom[1].data.reshape(len(probabilities), self._columns, 4)
        rois = box_blobs.rows(self, "bottom[2] (rois)", bottom[2].data, 5, 6)
        image_sizes = box_blobs.rows(self, "bottom[3] (image_sizes)", bottom[3].data, 2)
        for i, name in enumerate(("probabilities", "deltas", "rois")):
            checks.numbers(self, f"bottom[{i}] ({name})", bottom[i].data)
        checks.numbers(self, "bottom[3] (image_sizes)", image_sizes, low=1)
        index = box_blobs.image_index(self, "bottom[2] (rois)", rois[:, 0], len(image_sizes))
        boxes = box_decode_forward(rois[:, None, 1:5], deltas, True, self.bbox_mean, self.bbox_std)
        found = []
        limits = self.conf_thr, self.iou_thr, self.max_det_num or None
        for image, size in enumerate(image_sizes):
            mine = index == image
            rows = cascade_detections(probabilities[mine], boxes[mine], size, *limits)
            found += [np.array([[image, *[-1] * 6]]), np.column_stack([np.full(len(rows), image), rows])]
        rows = np.concatenate(found)
        top[0].reshape(len(rows), 7, 1, 1)
        top[0].data[...] = rows[:, :, None, None]
