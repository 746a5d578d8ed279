"""Boxes: their code relative to others, the way back, and how much they overlap.

    layer {
      name: "decode"  type: "Python"
      bottom: "rois"  bottom: "bbox_pred"  bottom: "im_info"  top: "boxes"
      python_param { module: "caffe_pylayers.boxes"  layer: "BoxDecode"  param_str: "stds: [0.1, 0.1, 0.2, 0.2]" }
    }
    layer {
      name: "encode"  type: "Python"
      bottom: "rois"  bottom: "gt_of_rois"  top: "bbox_targets"
      python_param { module: "caffe_pylayers.boxes"  layer: "BoxEncode"  param_str: "stds: [0.1, 0.1, 0.2, 0.2]" }
    }
    layer {
      name: "iou"  type: "Python"
      bottom: "rois"  bottom: "gt_boxes"  top: "iou"
      python_param { module: "caffe_pylayers.boxes"  layer: "BoxIoU" }
    }

A box is x1, y1, x2, y2; a ROI has its image's index in the batch before it.
"""

from __future__ import annotations

import numpy as np

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Layer, Parameter
from caffe_pylayers._layer.detection import box_blobs
from caffe_pylayers._layer.detection.box_codes import (
    box_decode_backward,
    box_decode_forward,
    box_encode_backward,
    box_encode_forward,
)
from caffe_pylayers._layer.detection.boxes import check_sizes, clip, plus_one_parameter
from caffe_pylayers._layer.detection.overlaps import box_iou_backward, box_iou_forward

__all__ = [
    "BoxDecode",
    "BoxEncode",
    "BoxIoU",
    "box_decode_backward",
    "box_decode_forward",
    "box_encode_backward",
    "box_encode_forward",
    "box_iou_backward",
    "box_iou_forward",
]


class _Boxes(Layer):
    """A layer of boxes in pixels, whose first bottoms are boxes (R, 4) or ROIs (R, 5), with a gradient."""

    legacy_plus_one = plus_one_parameter()

    def boxes(self, what, blob):
        """Return a blob of boxes or ROIs as boxes (R, 4)."""
        return box_blobs.rows(self, what, blob, 4, 5)[:, -4:]

    def pair(self, boxes, others):
        """Return two blobs of boxes or ROIs as boxes."""
        return self.boxes("bottom[0] (boxes)", boxes), self.boxes(f"bottom[1] ({self.second})", others)

    def gradients(self, propagate_down, bottom):
        """Return, for each of two bottoms, where its boxes' gradient goes, None if it is not asked for."""
        return [self.d_boxes(bottom[i].diff) if propagate_down[i] else None for i in range(2)]

    def d_boxes(self, diff):
        """Return the place of the boxes' gradient, in a diff whose rest is made 0."""
        rows = box_blobs.rows(self, "bottom", diff, 4, 5)
        rows[:, :-4] = 0
        return rows[:, -4:]


class BoxEncode(_Boxes):
    """The code of target boxes relative to boxes, R-CNN's regression targets.

    t = (((x_t - x) / w, (y_t - y) / h, log(w_t / w), log(h_t / h)) - means) / stds, with centres
    x, y and sizes w, h.

    Bottom:
        [0] boxes (R, 4), or ROIs (R, 5)
        [1] targets (R, 4), or ROIs (R, 5): the one for each box
    Top:
        [0] deltas (R, 4)
    Backward:
        The gradient of the boxes and of the targets; 0 for a ROI's index.
    Raises:
        ValueError for a box or a target that has no width or height, and for shapes that do not fit.
    References:
        Girshick et al., "Rich feature hierarchies for accurate object detection and semantic
        segmentation", 2014, arXiv:1311.2524, appendix C. py-faster-rcnn's bbox_transform.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(BoxEncode, [[[0, 0, 9, 9]], [[5, 0, 24, 9]]]).forward()[0].round(4)
        array([[1.    , 0.    , 0.6931, 0.    ]])
    """

    second = "targets"

    means = Parameter((float,) * 4, (0.0,) * 4, doc="subtracted from the deltas")
    stds = Parameter((float,) * 4, (1.0,) * 4, above=0, doc="the deltas are divided by these; SSD's variances")

    def setup(self, bottom, top):
        checks.tops(self, top, "deltas")

    def plan(self, boxes, targets):
        rows, target_rows = self.pair(boxes, targets)
        if len(rows) != len(target_rows):
            raise checks.error(
                self,
                f"bottom[1] (targets) must have a row for each of the {len(rows)} of bottom[0] (boxes), "
                f"got {len(target_rows)}",
            )
        return [(len(rows), 4)]

    def forward(self, bottom, top):
        boxes, targets = self.pair(bottom[0].data, bottom[1].data)
        check_sizes(self, "bottom[0] (boxes)", boxes, self.legacy_plus_one)
        check_sizes(self, "bottom[1] (targets)", targets, self.legacy_plus_one)
        top[0].data[...] = box_encode_forward(boxes, targets, self.legacy_plus_one, self.means, self.stds)

    def backward(self, top, propagate_down, bottom):
        boxes, targets = self.pair(bottom[0].data, bottom[1].data)
        d_boxes, d_targets = self.gradients(propagate_down, bottom)
        box_encode_backward(boxes, targets, top[0].diff, self.legacy_plus_one, self.stds, d_boxes, d_targets)


class BoxDecode(_Boxes):
    """The boxes that predicted deltas lead to, cut to the image where its size is given.

    x' = x + t_x w, y' = y + t_y h, w' = exp(t_w) w, h' = exp(t_h) h, with t = deltas * stds + means,
    centres x, y and sizes w, h.

    Bottom:
        [0] boxes (R, 4), or ROIs (R, 5)
        [1] deltas (R, 4 K), such as those for K classes
        [2] im_info (N, 3) or (N, 2), optional: height, width[, scale] of each image; one row
            serves all. The ROIs' index says which is whose.
    Top:
        [0] boxes (R, 4 K)
    Backward:
        The gradient of the boxes and of the deltas, none through what was cut; 0 for im_info and
        a ROI's index.
    Raises:
        ValueError for shapes that do not fit, for a batch index without a row in im_info, and for an im_info that
        is not finite.
    References:
        Girshick et al., "Rich feature hierarchies for accurate object detection and semantic
        segmentation", 2014, arXiv:1311.2524, appendix C. py-faster-rcnn's bbox_transform_inv and
        clip_boxes; but for a t_w or t_h above log(1000 / 16), which counts as that, as in Detectron.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> bottoms = [[[0, 0, 9, 9]], [[1, 0, 0, 0]]]
        >>> LayerRun(BoxDecode, bottoms, param_str="exact_inverse: true").forward()[0]
        array([[10.,  0., 19.,  9.]])
        >>> LayerRun(BoxDecode, bottoms).forward()[0]
        array([[10.,  0., 20., 10.]])
    """

    exact_inverse = Parameter(
        bool,
        False,
        doc="decode what BoxEncode gave to the same box, as Detectron does; false: with legacy_plus_one, "
        "x2 and y2 are one pixel further, as in py-faster-rcnn and the models trained with it",
    )
    means = Parameter((float,) * 4, (0.0,) * 4, doc="added to the deltas")
    stds = Parameter((float,) * 4, (1.0,) * 4, above=0, doc="the deltas are multiplied by these; SSD's variances")

    def setup(self, bottom, top):
        checks.tops(self, top, "boxes")

    def plan(self, boxes, deltas, im_info=None):
        rows = box_blobs.rows(self, "bottom[0] (boxes)", boxes, 4, 5)
        shape = tuple(deltas.shape)
        codes = int(np.prod(shape[1:]))
        if shape[:1] != (len(rows),) or len(shape) < 2 or codes % 4:
            raise checks.error(
                self, f"bottom[1] (deltas) must have shape ({len(rows)}, 4 K), for the rows of bottom[0], got {shape}"
            )
        if im_info is not None:
            box_blobs.rows(self, "bottom[2] (im_info)", im_info, 3, 2)
        return [(len(rows), codes)]

    def forward(self, bottom, top):
        top[0].data[...] = self._decode(*self._read(bottom))[0].reshape(top[0].data.shape)

    def backward(self, top, propagate_down, bottom):
        boxes, deltas, ends = self._read(bottom)
        d_decoded = top[0].diff.reshape(deltas.shape)
        if ends is not None:
            found, decoded = self._decode(boxes, deltas, ends)
            d_decoded = np.where(found == decoded, d_decoded, 0)
        box_decode_backward(
            boxes,
            deltas,
            d_decoded,
            self.legacy_plus_one,
            self.means,
            self.stds,
            self.d_boxes(bottom[0].diff) if propagate_down[0] else None,
            bottom[1].diff.reshape(deltas.shape) if propagate_down[1] else None,
        )
        if len(bottom) == 3 and propagate_down[2]:
            bottom[2].diff[...] = 0

    def _decode(self, boxes, deltas, ends):
        """Return the boxes (R, K, 4), cut to their images and as they were decoded."""
        decoded = box_decode_forward(
            boxes[:, None], deltas, self.legacy_plus_one, self.means, self.stds, self.exact_inverse
        )
        return decoded if ends is None else clip(decoded, ends[0], ends[1], self.legacy_plus_one), decoded

    def _read(self, bottom):
        """Return boxes (R, 4), deltas (R, K, 4), and heights and widths of their images, each (R, 1), or None."""
        rows = box_blobs.rows(self, "bottom[0] (boxes)", bottom[0].data, 4, 5)
        deltas = bottom[1].data.reshape(len(rows), int(np.prod(bottom[1].data.shape[1:])) // 4, 4)
        if len(bottom) < 3:
            return rows[:, -4:], deltas, None
        info = box_blobs.rows(self, "bottom[2] (im_info)", bottom[2].data, 3, 2)
        checks.numbers(self, "bottom[2] (im_info)", info)
        index = np.zeros(len(rows), np.int64)
        if len(info) != 1 and len(rows):
            if rows.shape[1] == 4:
                raise checks.error(
                    self, f"bottom[0] must be ROIs (R, 5) for the {len(info)} images of bottom[2] (im_info)"
                )
            index = box_blobs.image_index(self, "bottom[0] (boxes)", rows[:, 0], len(info))
        return rows[:, -4:], deltas, (info[index, :1], info[index, 1:2])


class BoxIoU(_Boxes):
    """Intersection over union of each box with each other one.

    iou[r, g] = area(r and g) / (area(r) + area(g) - area(r and g)), 0 where both are empty

    Bottom:
        [0] boxes (R, 4), or ROIs (R, 5), whose index is not looked at
        [1] other boxes (G, 4), or ROIs (G, 5)
    Top:
        [0] iou (R, G)
    Backward:
        The gradient of both; 0 where they do not overlap, and for a ROI's index.
    Raises:
        ValueError for shapes that do not fit.
    References:
        Everingham et al., "The PASCAL Visual Object Classes (VOC) Challenge", 2010,
        doi:10.1007/s11263-009-0275-4. py-faster-rcnn's bbox_overlaps.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(BoxIoU, [[[0, 0, 9, 9]], [[5, 0, 14, 9], [20, 20, 29, 29]]]).forward()[0].round(4)
        array([[0.3333, 0.    ]])
    """

    second = "others"

    def setup(self, bottom, top):
        checks.tops(self, top, "iou")

    def plan(self, boxes, others):
        return [tuple(map(len, self.pair(boxes, others)))]

    def forward(self, bottom, top):
        boxes, others = self.pair(bottom[0].data, bottom[1].data)
        top[0].data[...] = box_iou_forward(boxes, others, self.legacy_plus_one)

    def backward(self, top, propagate_down, bottom):
        boxes, others = self.pair(bottom[0].data, bottom[1].data)
        d_boxes, d_others = self.gradients(propagate_down, bottom)
        box_iou_backward(boxes, others, top[0].diff, self.legacy_plus_one, d_boxes, d_others)
