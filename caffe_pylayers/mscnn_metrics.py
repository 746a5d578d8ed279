"""How right MS-CNN's and Cascade R-CNN's proposals and boxes are, while they train.

layer {
  name: "accuracy_1"  type: "Python"
  bottom: "LFCN_1_3x5"  bottom: "label_1_3x5"  top: "accuracy_1"  top: "iou_1"
  python_param {
    module: "caffe_pylayers.mscnn_metrics"  layer: "DetectionAccuracy"
    param_str: "{num_classes: 2, field_w: [40], field_h: [80], stride: 8}"
  }
}
layer {
  name: "rpn_accuracy"  type: "Python"
  bottom: "rpn_cls_reshape"  bottom: "rpn_bbox_reshape"  bottom: "label_group_reshape"  top: "rpn_accuracy"
  python_param {
    module: "caffe_pylayers.mscnn_metrics"  layer: "DetectionGroupAccuracy"
    param_str: "{num_classes: 2, field_w: [88, 44], field_h: [44, 88], stride: 8}"
  }
}
layer {
  name: "bbox_iou"  type: "Python"
  bottom: "bbox_pred"  bottom: "rois"  bottom: "match_gt_boxes"  top: "bbox_iou"  top: "bbox_iou_pre"
  python_param {
    module: "caffe_pylayers.mscnn_metrics"  layer: "BboxAccuracy"  param_str: "{bbox_std: [0.1, 0.1, 0.2, 0.2]}"
  }
}
"""

from __future__ import annotations

import numpy as np

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.detection import box_blobs
from caffe_pylayers._layer.detection.anchor_codes import (
    CodedBoxes,
    decode_anchors,
    field_whr_parameter,
    field_xyr_parameter,
)
from caffe_pylayers._layer.detection.at_cells import AtCells
from caffe_pylayers._layer.detection.box_codes import box_decode_forward
from caffe_pylayers._layer.detection.box_similarity import box_similarity_forward
from caffe_pylayers._layer.detection.boxes import centre_sizes
from caffe_pylayers._layer.metrics.metric import Metric

__all__ = ["BboxAccuracy", "DetectionAccuracy", "DetectionGroupAccuracy", "cell_accuracy", "paired_iou"]

_OWN = 0.975  # the IoU from which a ROI is its object's own box


def cell_accuracy(scores, classes, positive, negative):
    """Return (right, count), (2,) each: of all cells that count, and of those of objects.

    right: how many have their largest score at their class. scores: (N, G, C, H, W). classes: (N, G, H, W). positive,
    negative: booleans like these, of objects and of the background.
    """
    right, among = scores.argmax(2) == classes, (positive | negative, positive)
    return np.array([[np.count_nonzero(right & each) for each in among], [np.count_nonzero(each) for each in among]])


def paired_iou(boxes, others):
    """Return the IoU (P,) of boxes (P, 4) with others, one each; x2 and y2 are the last pixels inside."""
    return box_similarity_forward(centre_sizes(boxes, True), centre_sizes(others, True), "iou")


class _CellAccuracy(AtCells, Metric):
    """How often the best score at a cell is its class's, and how much a box there overlaps its object."""

    field_xyr = field_xyr_parameter(4.0)
    field_whr = field_whr_parameter(2.0)

    def setup(self, bottom, top):
        checks.tops(self, top, "accuracy", "iou", optional=1)

    def plan(self, *maps):
        self.plan_cells(*maps)
        return [(1, 1, 1, 2), (1, 1, 1, 1)]

    def start(self):
        self._right, self._count, self._iou = np.zeros(2), np.zeros(2), 0.0

    def update(self, bottom):
        cells = self.cells(bottom)
        classes, positive, negative = self.read(cells.labels)
        counts = (positive | negative)[:, :, None]
        checks.numbers(self, "bottom[0] (scores)", cells.scores, counts, -np.inf, np.inf)
        right, count = cell_accuracy(cells.scores, classes, positive, negative)
        self._right += right
        self._count += count
        self._iou += self._at_objects(cells, positive).sum()

    def values(self):
        share = np.divide(self._right, self._count, out=np.full(2, np.nan), where=self._count > 0)
        return share, self._iou / self._count[1] if self._count[1] else np.nan

    def _at_objects(self, cells, positive):
        """Return the IoU of the box at each cell of an object with it."""
        checks.numbers(self, "the deltas", cells.deltas, positive[:, :, None])
        anchors = self.field_w, self.field_h
        bound = self.field_xyr, self.field_whr, self.bbox_mean, self.bbox_std
        found = []
        for deltas, labels, here in zip(cells.deltas, cells.labels, positive):
            x, y, w, h = (part[here] for part in decode_anchors(deltas, anchors, self.stride, *bound))
            objects = np.moveaxis(labels[:, 1:5], 1, -1)[here]
            found.append(box_similarity_forward(np.stack([x + w / 2, y + h / 2, w, h], -1), objects, "iou"))
        return np.concatenate([np.zeros(0), *found])


class DetectionAccuracy(_CellAccuracy):
    """How often MS-CNN's proposals are right: one anchor of a map, scores and deltas in one bottom.

    accuracy = share of the cells whose best score is that of their class; of all that count, and of objects'

    Bottom:
        [0] maps (N, C + 4, H, W): scores, the background's first, then 4 deltas
        [1] labels (N, 6, H, W) of ImageGtData
    Top:
        [0] accuracy (1, 1, 1, 2): of all cells that count, and of those of objects
        [1] IoU, optional, (1, 1, 1, 1): the mean of the boxes' with their objects
    Backward:
        Zeros.
    Raises:
        ValueError for shapes that do not fit, a class that is no integer in [0, num_classes), scores that are NaN and
        deltas that are not finite where they count.
    References:
        Cai et al., 2016, arXiv:1607.07155. DetectionAccuracy of MS-CNN's Caffe, with the fields of its
        detection_accuracy_param; of objects, where there are none, it has 0, there -1.
    Example:
        >>> import numpy as np
        >>> from caffe_pylayers.testing import LayerRun
        >>> maps, labels = np.zeros((1, 6, 1, 2)), np.zeros((1, 6, 1, 2))
        >>> maps[0, 0] = 1
        >>> labels[0, :, 0, 0] = 1, 4, 4, 16, 8, 0.9
        >>> text = "{num_classes: 2, field_w: [8], field_h: [8], stride: 8}"
        >>> [top.ravel() for top in LayerRun(DetectionAccuracy, [maps, labels], param_str=text, tops=2).forward()]
        [array([0.5, 0. ]), array([0.5])]
    """


class DetectionGroupAccuracy(_CellAccuracy):
    """How often Cascade R-CNN's proposals are right: several anchors at each cell of a map.

    accuracy = share of the cells and anchors whose best score is that of their class; of all that count, and of
    objects'

    Bottom:
        [0] scores (N G, C, H, W), the background's first, for G anchors
        [1] deltas (N G, 4, H, W)
        [2] labels (N G, 6, H, W) of DetectionData
    Top:
        [0] accuracy (1, 1, 1, 2): of all cells that count, and of those of objects
        [1] IoU, optional, (1, 1, 1, 1): the mean of the boxes' with their objects
    Backward:
        Zeros.
    Raises:
        ValueError for shapes that do not fit, a class that is no integer in [0, num_classes), scores that are NaN and
        deltas that are not finite where they count.
    References:
        Cai and Vasconcelos, 2018, arXiv:1712.00726. DetectionGroupAccuracy of Cascade R-CNN's Caffe, with the fields
        of its detection_group_accuracy_param; of objects, where there are none, it has 0, there -1.
    Example:
        >>> import numpy as np
        >>> from caffe_pylayers.testing import LayerRun
        >>> labels = np.zeros((2, 6, 1, 1))
        >>> labels[1, :, 0, 0] = 1, 4, 4, 16, 16, 0.9
        >>> text = "{num_classes: 2, field_w: [8, 16], field_h: [8, 16], stride: 8}"
        >>> bottoms = [np.array([1, 0, 0, 1]).reshape(2, 2, 1, 1), np.zeros((2, 4, 1, 1)), labels]
        >>> [top.ravel() for top in LayerRun(DetectionGroupAccuracy, bottoms, param_str=text, tops=2).forward()]
        [array([1., 1.]), array([1.])]
    """

    groups = True


class BboxAccuracy(CodedBoxes, Metric):
    """How much the boxes of ROIs overlap their objects, once they are moved by their deltas, and before.

    ROIs whose IoU is above 0.975 already, such as the objects themselves, do not count.

    Bottom:
        [0] deltas (R, 8) of the background and of an object, or (R, 4 C) of each class
        [1] ROIs (R, 5): the image's index, x1, y1, x2, y2
        [2] objects (R, 6) of StageTarget: class, x1, y1, x2, y2, the ROI's IoU with it; class 0: none
    Top:
        [0] IoU (1, 1, 1, 1): the mean of the boxes'
        [1] IoU before, optional, (1, 1, 1, 1): that of the ROIs
    Backward:
        Zeros.
    Raises:
        ValueError for shapes that do not fit, a class that is no integer or has no deltas, and for deltas and boxes
        that count and are not finite.
    References:
        Cai and Vasconcelos, 2018, arXiv:1712.00726. BboxAccuracy of MS-CNN's and Cascade R-CNN's Caffe, with the
        fields of their bbox_reg_param; of objects, where there are none, it has 0, there -1.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> bottoms = [[[0, 0, 0, 0, 0.5, 0, 0, 0]], [[0, 0, 0, 19, 9]], [[1, 10, 0, 29, 9, 0.33]]]
        >>> [top.round(4).item() for top in LayerRun(BboxAccuracy, bottoms, tops=2).forward()]
        [1.0, 0.3333]
    """

    cls_aware = Parameter(bool, True, doc="a class's deltas are in its columns; false: those of all in 4 to 7")

    def setup(self, bottom, top):
        checks.tops(self, top, "iou", "iou_before", optional=1)

    def plan(self, deltas, rois, objects):
        counts = [len(box_blobs.rows(self, "bottom[1] (rois)", rois, 5)), len(deltas)]
        counts.append(len(box_blobs.rows(self, "bottom[2] (objects)", objects, 6)))
        self._columns = int(np.prod(deltas.shape[1:]))
        if len(set(counts)) > 1 or self._columns % 4 or self._columns < 8 or not (self.cls_aware or self._columns == 8):
            wanted = "(R, 4 C)" if self.cls_aware else "(R, 8)"
            raise checks.error(
                self,
                f"bottoms must have shapes {wanted}, (R, 5) and (R, 6), got {tuple(deltas.shape)}, "
                f"{tuple(rois.shape)} and {tuple(objects.shape)}",
            )
        return [(1, 1, 1, 1), (1, 1, 1, 1)]

    def start(self):
        self._iou, self._count = np.zeros(2), 0

    def update(self, bottom):
        rois = box_blobs.rows(self, "bottom[1] (rois)", bottom[1].data, 5)[:, 1:]
        objects = box_blobs.rows(self, "bottom[2] (objects)", bottom[2].data, 6)
        deltas = bottom[0].data.reshape(len(rois), self._columns // 4, 4)
        counts = (objects[:, 0] > 0) & (objects[:, 5] <= _OWN)
        if self.cls_aware:
            which = checks.class_labels(self, objects[:, 0], self._columns // 4)[0][counts]
        else:
            box_blobs.whole(self, "bottom[2] (objects)", objects[:, 0], "class")
            which = 1
        rois, deltas, boxes = rois[counts], deltas[np.flatnonzero(counts), which], objects[counts, 1:5]
        for i, values in ((0, deltas), (1, rois), (2, boxes)):
            checks.numbers(self, f"bottom[{i}] (of objects)", values)
        moved = box_decode_forward(rois, deltas, True, self.bbox_mean, self.bbox_std)
        self._iou += [paired_iou(each, boxes).sum() for each in (moved, rois)]
        self._count += len(boxes)

    def values(self):
        return self._iou / self._count if self._count else [np.nan, np.nan]
