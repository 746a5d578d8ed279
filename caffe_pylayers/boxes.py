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

A box is x1, y1, x2, y2; a RoI has its image's index in the batch before it.
"""

from __future__ import annotations

import numpy as np

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Layer, Parameter
from caffe_pylayers._layer.detection import box_blobs
from caffe_pylayers._layer.detection.boxes import (
    MAX_LOG_SCALE,
    areas,
    check_sizes,
    clip,
    decode,
    encode,
    intersections,
    overlaps,
    plus_one_parameter,
    sizes,
)

__all__ = [
    "BoxDecode",
    "BoxEncode",
    "BoxIoU",
    "box_decode_backward",
    "box_encode_backward",
    "box_iou_backward",
]


def box_encode_backward(boxes, targets, d_deltas, plus_one, stds=1.0):
    """Return (d_boxes, d_targets) of t_x = (x_t - x) / w / std, t_w = log(w_t / w) / std."""
    size, target_size = sizes(boxes, plus_one), sizes(targets, plus_one)
    shift = targets[..., :2] + target_size / 2 - boxes[..., :2] - size / 2
    d_shift, d_log = np.split(d_deltas / np.asarray(stds, d_deltas.dtype), 2, -1)
    d_shift = d_shift / size
    d_boxes = _of_corners(-d_shift, -(d_shift * shift + d_log) / size)
    return d_boxes, _of_corners(d_shift, d_log / target_size)


def box_decode_backward(boxes, deltas, d_decoded, plus_one, means=0.0, stds=1.0):
    """Return (d_boxes, d_deltas) of x' = x + t_x w, w' = exp(t_w) w; no gradient for a t_w above MAX_LOG_SCALE."""
    stds = np.asarray(stds, deltas.dtype)
    shift, log = np.split(deltas * stds + np.asarray(means, deltas.dtype), 2, -1)
    size = sizes(boxes, plus_one)
    scale = np.exp(np.minimum(log, MAX_LOG_SCALE))
    d_centre = d_decoded[..., :2] + d_decoded[..., 2:]
    d_size = (d_decoded[..., 2:] - d_decoded[..., :2]) / 2
    d_log = np.where(log < MAX_LOG_SCALE, d_size * scale * size, 0)
    d_boxes = _of_corners(d_centre, d_centre * shift + d_size * scale)
    return d_boxes, np.concatenate([d_centre * size, d_log], -1) * stds


def box_iou_backward(boxes, others, d_iou, plus_one):
    """Return (d_boxes, d_others) of the intersection over union I / (A + B - I) of each with each."""
    shared = intersections(boxes, others, plus_one)
    area, other_area = areas(boxes, plus_one)[:, None], areas(others, plus_one)
    union = area + other_area - shared
    union = np.where(union > 0, union, 1)
    d_shared = d_iou * (area + other_area) / (union * union)
    d_area = -d_iou * shared / (union * union)
    d_boxes = _of_areas(boxes, d_area.sum(1), plus_one)
    d_others = _of_areas(others, d_area.sum(0), plus_one)
    lows, highs = np.maximum(boxes[:, None, :2], others[:, :2]), np.minimum(boxes[:, None, 2:], others[:, 2:])
    spans = (highs - lows + plus_one).clip(0, None)
    for i in range(2):
        d_span = d_shared * spans[..., 1 - i] * (spans[..., i] > 0)
        # An end that both have is no kink to either: each takes half.
        low = 0.5 + 0.5 * np.sign(boxes[:, None, i] - others[:, i])
        high = 0.5 + 0.5 * np.sign(others[:, 2 + i] - boxes[:, None, 2 + i])
        d_boxes[:, i] -= (d_span * low).sum(1)
        d_others[:, i] -= (d_span * (1 - low)).sum(0)
        d_boxes[:, 2 + i] += (d_span * high).sum(1)
        d_others[:, 2 + i] += (d_span * (1 - high)).sum(0)
    return d_boxes, d_others


def _of_corners(d_centre, d_size):
    return np.concatenate([d_centre / 2 - d_size, d_centre / 2 + d_size], -1)


def _of_areas(boxes, d_area, plus_one):
    size = sizes(boxes, plus_one).clip(0, None)
    d_size = d_area[:, None] * size[:, ::-1] * (size > 0)
    return np.concatenate([-d_size, d_size], -1)


class BoxEncode(Layer):
    """The code of target boxes relative to boxes, R-CNN's regression targets.

    t = (((x_t - x) / w, (y_t - y) / h, log(w_t / w), log(h_t / h)) - means) / stds, with centres
    x, y and sizes w, h.

    Bottom:
        [0] boxes (R, 4), or RoIs (R, 5)
        [1] targets (R, 4), or RoIs (R, 5): the one for each box
    Top:
        [0] deltas (R, 4)
    Backward:
        The gradient of the boxes and of the targets; 0 for a RoI's index.
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

    in_place = False

    legacy_plus_one = plus_one_parameter()
    means = Parameter((float,) * 4, (0.0,) * 4, doc="subtracted from the deltas")
    stds = Parameter((float,) * 4, (1.0,) * 4, above=0, doc="the deltas are divided by these; SSD's variances")

    def setup(self, bottom, top):
        checks.tops(self, top, "deltas")

    def plan(self, boxes, targets):
        rows, target_rows = self._rows(boxes, targets)
        if len(rows) != len(target_rows):
            raise checks.error(
                self,
                f"bottom[1] (targets) must have a row for each of the {len(rows)} of bottom[0] (boxes), "
                f"got {len(target_rows)}",
            )
        return [(len(rows), 4)]

    def forward(self, bottom, top):
        boxes, targets = self._rows(bottom[0].data, bottom[1].data)
        check_sizes(self, "bottom[0] (boxes)", boxes, self.legacy_plus_one)
        check_sizes(self, "bottom[1] (targets)", targets, self.legacy_plus_one)
        top[0].data[...] = encode(boxes, targets, self.legacy_plus_one, self.means, self.stds)

    def backward(self, top, propagate_down, bottom):
        boxes, targets = self._rows(bottom[0].data, bottom[1].data)
        found = box_encode_backward(boxes, targets, top[0].diff, self.legacy_plus_one, self.stds)
        for i in range(2):
            if propagate_down[i]:
                _write_boxes(bottom[i].diff, found[i])

    def _rows(self, boxes, targets):
        return _boxes(self, "bottom[0] (boxes)", boxes), _boxes(self, "bottom[1] (targets)", targets)


class BoxDecode(Layer):
    """The boxes that predicted deltas lead to, cut to the image where its size is given.

    x' = x + t_x w, y' = y + t_y h, w' = exp(t_w) w, h' = exp(t_h) h, with t = deltas * stds + means,
    centres x, y and sizes w, h.

    Bottom:
        [0] boxes (R, 4), or RoIs (R, 5)
        [1] deltas (R, 4 K), such as those for K classes
        [2] im_info (N, 3) or (N, 2), optional: height, width[, scale] of each image; one row
            serves all. The RoIs' index says which is whose.
    Top:
        [0] boxes (R, 4 K)
    Backward:
        The gradient of the boxes and of the deltas, none through what was cut; 0 for im_info and
        a RoI's index.
    Raises:
        ValueError for shapes that do not fit, and for a batch index without a row in im_info.
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

    in_place = False

    legacy_plus_one = plus_one_parameter()
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
        boxes, deltas, ends = self._read(bottom)
        found = self._decode(boxes, deltas)
        if ends is not None:
            found = clip(found, ends[0], ends[1], self.legacy_plus_one)
        top[0].data[...] = found.reshape(top[0].data.shape)

    def backward(self, top, propagate_down, bottom):
        boxes, deltas, ends = self._read(bottom)
        d_decoded = top[0].diff.reshape(deltas.shape)
        if ends is not None:
            found = self._decode(boxes, deltas)
            d_decoded = np.where(found == clip(found, ends[0], ends[1], self.legacy_plus_one), d_decoded, 0)
        d_boxes, d_deltas = box_decode_backward(boxes, deltas, d_decoded, self.legacy_plus_one, self.means, self.stds)
        if propagate_down[0]:
            _write_boxes(bottom[0].diff, d_boxes.sum(1))
        if propagate_down[1]:
            bottom[1].diff[...] = d_deltas.reshape(bottom[1].diff.shape)
        if len(bottom) == 3 and propagate_down[2]:
            bottom[2].diff[...] = 0

    def _decode(self, boxes, deltas):
        return decode(boxes, deltas, self.legacy_plus_one, self.means, self.stds, self.exact_inverse)

    def _read(self, bottom):
        """Return boxes (R, 1, 4), deltas (R, K, 4), and heights and widths of their images, each (R, 1), or None."""
        rows = box_blobs.rows(self, "bottom[0] (boxes)", bottom[0].data, 4, 5)
        deltas = bottom[1].data.reshape(len(rows), int(np.prod(bottom[1].data.shape[1:])) // 4, 4)
        if len(bottom) < 3:
            return rows[:, None, -4:], deltas, None
        info = box_blobs.rows(self, "bottom[2] (im_info)", bottom[2].data, 3, 2)
        index = np.zeros(len(rows), np.int64)
        if len(info) > 1:
            if rows.shape[1] == 4:
                raise checks.error(
                    self, f"bottom[0] must be RoIs (R, 5) for the {len(info)} images of bottom[2] (im_info)"
                )
            index = box_blobs.image_index(self, "bottom[0] (boxes)", rows[:, 0], len(info))
        return rows[:, None, -4:], deltas, (info[index, :1], info[index, 1:2])


class BoxIoU(Layer):
    """Intersection over union of each box with each other one.

    iou[r, g] = area(r and g) / (area(r) + area(g) - area(r and g)), 0 where both are empty

    Bottom:
        [0] boxes (R, 4), or RoIs (R, 5), whose index is not looked at
        [1] other boxes (G, 4), or RoIs (G, 5)
    Top:
        [0] iou (R, G)
    Backward:
        The gradient of both; 0 where they do not overlap, and for a RoI's index.
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

    legacy_plus_one = plus_one_parameter()

    def setup(self, bottom, top):
        checks.tops(self, top, "iou")

    def plan(self, boxes, others):
        return [tuple(map(len, self._rows(boxes, others)))]

    def forward(self, bottom, top):
        boxes, others = self._rows(bottom[0].data, bottom[1].data)
        top[0].data[...] = overlaps(boxes, others, self.legacy_plus_one)

    def backward(self, top, propagate_down, bottom):
        boxes, others = self._rows(bottom[0].data, bottom[1].data)
        found = box_iou_backward(boxes, others, top[0].diff, self.legacy_plus_one)
        for i in range(2):
            if propagate_down[i]:
                _write_boxes(bottom[i].diff, found[i])

    def _rows(self, boxes, others):
        return _boxes(self, "bottom[0] (boxes)", boxes), _boxes(self, "bottom[1] (others)", others)


def _boxes(layer, what, blob):
    """Return a blob of boxes or RoIs as boxes (R, 4)."""
    return box_blobs.rows(layer, what, blob, 4, 5)[:, -4:]


def _write_boxes(diff, d_boxes):
    rows = diff.reshape(len(d_boxes), -1) if diff.size else diff.reshape(0, 4)
    rows[:, :-4] = 0
    rows[:, -4:] = d_boxes
