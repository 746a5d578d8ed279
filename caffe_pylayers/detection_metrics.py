"""Metrics of detections.

layer {
  name: "mAP"  type: "Python"
  bottom: "detections"  bottom: "gt_boxes"  top: "mAP"
  python_param {
    module: "caffe_pylayers.detection_metrics"  layer: "MeanAveragePrecision"
    param_str: "{num_classes: 21, protocol: voc07}"
  }
  include { phase: TEST }
}
"""

from __future__ import annotations

import numpy as np

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.detection import box_blobs, gt_boxes
from caffe_pylayers._layer.detection.average_precision import PROTOCOLS, average_precision, match_coco, match_voc
from caffe_pylayers._layer.detection.nms import by_score
from caffe_pylayers._layer.metrics.metric import Metric

__all__ = ["MeanAveragePrecision", "average_precision"]


class MeanAveragePrecision(Metric):
    """Mean average precision of detections over a whole test pass, VOC's or COCO's.

    mAP = mean over classes with objects, and over the thresholds, of the average precision: that of
    the detections of a class, of all images, from the best score down. One is right if it finds an
    object, by its IoU, that none before it has found.

    Bottom:
        [0] detections (K, 7) or (1, 1, K, 7): the image's index in the batch, class, score, x1, y1,
            x2, y2, as NMS and SSD's DetectionOutput give them; rows of class -1 do not count
        [1] gt_boxes (G, 5), (N, G, 5) or (G, 6) as in AnchorTarget; (G, 7): the image's index, x1,
            y1, x2, y2, class, difficult or crowd; (1, 1, G, 8): SSD's
    Top:
        [0] mAP (1,)
        [1] average precision of the classes 1 .. num_classes - 1, optional: (num_classes - 1,)
        [2] average precision by threshold, optional: (T,)
    Backward:
        Zeros.
    Raises:
        ValueError for shapes that do not fit, a class that is no integer or outside [1, num_classes),
        a score that is NaN, and a batch index that is no integer or without its image in gt_boxes.
    References:
        Everingham et al., "The PASCAL Visual Object Classes (VOC) Challenge", 2010,
        doi:10.1007/s11263-009-0275-4; Lin et al., "Microsoft COCO: Common Objects in Context", 2014,
        arXiv:1405.0312, pycocotools' COCOeval for objects of all sizes. SSD's solver has voc07 as
        ap_version 11point, voc10 as MaxIntegral, with legacy_plus_one false.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> gt_boxes = [[0, 0, 9, 9, 1], [20, 0, 29, 9, 1]]
        >>> detections = [[0, 1, 0.9, 0, 0, 9, 9], [0, 1, 0.8, 50, 0, 59, 9], [0, 1, 0.7, 20, 0, 29, 9]]
        >>> text = "{num_classes: 2, protocol: voc10}"
        >>> LayerRun(MeanAveragePrecision, [detections, gt_boxes], param_str=text).forward()[0].round(4)
        array([0.8333])
    """

    num_classes = Parameter(int, low=2, doc="classes, the background, 0, among them")
    protocol = Parameter(
        str, "voc07", choices=PROTOCOLS, doc="how detections are matched, and their precision averaged"
    )
    iou_thresholds = Parameter(
        [float], None, low=0, high=1, length=(1, None), doc="default: 0.5, with coco 0.50, 0.55 .. 0.95"
    )
    max_detections = Parameter(
        int, None, low=1, doc="of each class and image the best so many count; default: all, with coco 100"
    )
    legacy_plus_one = Parameter(
        bool, None, doc="a width is x2 - x1 + 1; false: x2 - x1; default: as the protocol, true but with coco"
    )

    def setup(self, bottom, top):
        checks.tops(self, top, "mAP", "by_class", "by_threshold", optional=2)
        coco = self.protocol == "coco"
        self._plus_one = not coco if self.legacy_plus_one is None else self.legacy_plus_one
        self._thresholds = np.linspace(0.5, 0.95, 10) if coco else np.array([0.5])
        if self.iou_thresholds is not None:
            self._thresholds = np.array(self.iou_thresholds)
        self._most = 100 if coco and self.max_detections is None else self.max_detections
        self._match = match_coco if coco else match_voc

    def plan(self, detections, gt_boxes):
        box_blobs.rows(self, "bottom[0] (detections)", detections, 7)
        return [(1,), (self.num_classes - 1,), (len(self._thresholds),)]

    def start(self):
        none = np.zeros(0), *np.zeros((2, len(self._thresholds), 0), bool)
        self._found = [none] * self.num_classes
        self._objects = np.zeros(self.num_classes, np.int64)
        self._precision = np.full((len(self._thresholds), self.num_classes), np.nan)

    def update(self, bottom):
        rows = box_blobs.rows(self, "bottom[0] (detections)", bottom[0].data, 7)
        box_blobs.whole(self, "bottom[0] (detections)", rows[:, 1], "class")
        unknown = np.isnan(rows[:, 2])
        if unknown.any():
            raise checks.error(
                self, f"bottom[0] (detections) has the score nan in row {unknown.argmax()}, which has no rank"
            )
        rows = rows[rows[:, 1] >= 0]
        truth, images = self._truth(bottom[1].data, rows)
        index = box_blobs.image_index(self, "bottom[0] (detections)", rows[:, 0], images)
        for what, classes in (("bottom[0] (detections)", rows[:, 1]), ("bottom[1] (gt_boxes)", truth.classes)):
            bad = (classes < 1) | (classes >= self.num_classes)
            if bad.any():
                raise checks.error(self, f"{what} has the class {classes[bad][0]:g}, outside [1, {self.num_classes})")
        for c in np.union1d(rows[:, 1], truth.classes).astype(int):
            mine = rows[:, 1] == c
            self._update_class(c, index[mine], rows[mine, 2], rows[mine, 3:], truth)

    def values(self):
        of_classes = self._precision[:, 1:]
        return _mean(of_classes), _means(of_classes, 0), _means(of_classes, 1)

    def _truth(self, blob, rows):
        """Return the objects of a batch, and the number of its images."""
        truth = gt_boxes.read(self, "bottom[1] (gt_boxes)", blob)
        if blob.shape[-1] == 5:
            return truth, len(blob) if len(blob.shape) > 2 else 1
        return truth, 1 + int(max(truth.image.max(initial=0), np.nan_to_num(rows[:, 0]).max(initial=0)))

    def _update_class(self, c, index, scores, boxes, truth):
        """Add detections and objects of a class in a batch, and measure what there is of it by now."""
        objects = truth.classes == c
        self._objects[c] += np.count_nonzero(objects & ~truth.flagged)
        parts = [self._found[c]]
        for i in np.unique(index):
            mine = np.flatnonzero(index == i)
            mine = mine[by_score(scores[mine], self._most)]
            here = objects & (truth.image == i)
            found = self._match(boxes[mine], truth.boxes[here], truth.flagged[here], self._thresholds, self._plus_one)
            parts.append((scores[mine].astype(np.float64), *found))
        scores, found, ignored = (np.concatenate(column, -1) for column in zip(*parts))
        order = by_score(scores)
        self._found[c] = scores[order], found[:, order], ignored[:, order]
        for t in range(len(self._thresholds)):
            self._precision[t, c] = average_precision(
                self._found[c][1][t], self._found[c][2][t], self._objects[c], self.protocol
            )


def _mean(values):
    known = values[~np.isnan(values)]
    return known.mean() if known.size else np.nan


def _means(values, axis):
    return np.array([_mean(row) for row in np.moveaxis(values, axis, -1)])
