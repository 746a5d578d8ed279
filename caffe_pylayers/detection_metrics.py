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
layer {
  name: "detection_eval"  type: "Python"
  bottom: "detection_out"  bottom: "label"  top: "detection_eval"
  python_param {
    module: "caffe_pylayers.detection_metrics"  layer: "DetectionEvaluate"
    param_str: "{num_classes: 21, evaluate_difficult_gt: false, ap_version: 11point}"
  }
  include { phase: TEST }
}
"""

from __future__ import annotations

from typing import Any

import numpy as np

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.detection import box_blobs, gt_boxes
from caffe_pylayers._layer.detection.average_precision import (
    AP_VERSIONS,
    PROTOCOLS,
    evaluated_precisions,
    interpolated_average_precision,
    match_coco,
    match_voc,
)
from caffe_pylayers._layer.detection.named_images import NamedImages
from caffe_pylayers._layer.detection.nms import by_score
from caffe_pylayers._layer.metrics.class_metric import mean
from caffe_pylayers._layer.metrics.metric import Metric

__all__ = [
    "AP_VERSIONS",
    "DetectionEvaluate",
    "MeanAveragePrecision",
    "evaluated_precisions",
    "interpolated_average_precision",
    "match_coco",
    "match_voc",
]


def _detections(layer, blob, images, background=0):
    """Return (rows, index): the detections (K, 7) that there are, and their images."""
    what = "bottom[0] (detections)"
    rows = box_blobs.rows(layer, what, blob, 7)
    box_blobs.whole(layer, what, rows[:, 1], "class")
    real, of_scores = rows[:, 1] >= 0, np.arange(7) == 2
    checks.numbers(layer, what, rows, real[:, None] & of_scores, -np.inf, np.inf)
    checks.numbers(layer, what, rows, real[:, None] & ~of_scores)
    rows = rows[real]
    bad = (rows[:, 1] == background) | (rows[:, 1] >= layer.num_classes)
    if bad.any():
        allowed = f"[{int(background == 0)}, {layer.num_classes})" + (" and not background" if background > 0 else "")
        raise checks.error(layer, f"{what} has the class {rows[bad, 1][0]:g}, outside {allowed}")
    return rows, box_blobs.image_index(layer, what, rows[:, 0], images)


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
        a score that is NaN, a box that is not finite, and a batch index that is no integer or without its
        image in gt_boxes.
    References:
        Everingham et al., "The PASCAL Visual Object Classes (VOC) Challenge", 2010,
        doi:10.1007/s11263-009-0275-4; Lin et al., "Microsoft COCO: Common Objects in Context", 2014,
        arXiv:1405.0312, pycocotools' COCOeval for objects of all sizes. SSD's solver has voc07 as
        ap_version 11point, voc10 as MaxIntegral, integral as Integral, with legacy_plus_one false.
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
        self._found: list[list[Any]] = [[] for _ in range(self.num_classes)]
        self._objects = np.zeros(self.num_classes, np.int64)
        self._precision = np.full((len(self._thresholds), self.num_classes), np.nan)
        self._changed: set[int] = set()  # classes whose precision is not that of their detections

    def update(self, bottom):
        truth = gt_boxes.read(self, "bottom[1] (gt_boxes)", bottom[1].data, num_classes=self.num_classes)
        rows, index = _detections(self, bottom[0].data, truth.images)
        for c in np.union1d(rows[:, 1], truth.classes).astype(int):
            mine = rows[:, 1] == c
            self._match_class(c, index[mine], rows[mine, 2], rows[mine, 3:], truth)

    def values(self):
        for c in self._changed:
            # Sorted ones and a few more: a stable sort is a merge.
            scores, found, ignored = (np.concatenate(parts, -1) for parts in zip(*self._found[c]))
            order = by_score(scores)
            scores, found, ignored = scores[order], found[:, order], ignored[:, order]
            self._found[c] = [(scores, found, ignored)]
            self._precision[:, c] = [
                interpolated_average_precision(*each, self._objects[c], self.protocol) for each in zip(found, ignored)
            ]
        self._changed.clear()
        of_classes = self._precision[:, 1:]
        return mean(of_classes), [mean(column) for column in of_classes.T], [mean(row) for row in of_classes]

    def _match_class(self, c, index, scores, boxes, truth):
        """Add detections of a class in a batch, with what each has found, and count the class's objects."""
        objects = truth.classes == c
        self._objects[c] += np.count_nonzero(objects & ~truth.flagged)
        self._changed.add(c)
        levels = len(self._thresholds)
        parts = [(np.zeros(0), np.zeros((levels, 0), bool), np.zeros((levels, 0), bool))]
        for i in np.unique(index):
            mine = np.flatnonzero(index == i)
            mine = mine[by_score(scores[mine], self._most)]
            here = objects & (truth.image == i)
            found = self._match(boxes[mine], truth.boxes[here], truth.flagged[here], self._thresholds, self._plus_one)
            parts.append((scores[mine].astype(np.float64), *found))
        self._found[c] += parts


class DetectionEvaluate(NamedImages, Metric):
    """SSD's test: what each detection is, right or wrong, and how many objects there are; or the mAP of a whole pass.

    A detection is right if the object that it overlaps most, by an IoU of overlap_threshold or more, has no better one.
    The rows that say so are the top, for evaluated_precisions to make average precisions of those of all batches; with
    ap_version the layer does, and the top is a metric that any solver prints.

    Bottom:
        [0] detections (1, 1, K, 7) or (K, 7): the image's index in the batch, class, score, x1, y1, x2, y2, of
            DetectionOutput; rows of class -1 do not count
        [1] gt_boxes (1, 1, G, 8): the image's index, class, instance, x1, y1, x2, y2, difficult; and in the other forms
            that MeanAveragePrecision takes
        [2] with form: cascade, image_sizes (N, 2), height and width that the net has seen. There detections are image,
            x1, y1, x2, y2, class, score, and gt_boxes (G, 8) image, x1, y1, x2, y2, class, ignored, difficult
    Top:
        [0] (1, 1, R, 5), with form: cascade (R, 5, 1, 1): for each class but the background -1, class, number of
            objects, -1, -1; then for each detection image, class, score, 1 where right, 1 where wrong, by image, class
            and score. With ap_version mAP (1,), over all classes, of which one without objects has 0
    Backward:
        Zeros.
    Raises:
        ValueError for what MeanAveragePrecision refuses, and for a name_size_file that cannot be read.
    References:
        Liu et al., "SSD: Single Shot MultiBox Detector", 2016, arXiv:1512.02325. DetectionEvaluate of SSD's Caffe, with
        its detection_evaluate_param, whose resize_param's fields stand beside the others here; ap_version is its
        solver's, as the mAP is. With form: cascade that of Cascade R-CNN's Caffe. Where the last images of a batch have
        neither objects nor detections, name_size_file needs batch_size.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> gt_boxes = [[[[0, 1, 0, 0.1, 0.1, 0.5, 0.5, 0]]]]
        >>> detections = [[[[0, 1, 0.9, 0.1, 0.1, 0.5, 0.4], [0, 1, 0.8, 0.1, 0.1, 0.5, 0.5]]]]
        >>> rows = LayerRun(DetectionEvaluate, [detections, gt_boxes], param_str="num_classes: 2").forward()[0]
        >>> rows[0, 0]
        array([[-1. ,  1. ,  1. , -1. , -1. ],
               [ 0. ,  1. ,  0.9,  1. ,  0. ],
               [ 0. ,  1. ,  0.8,  0. ,  1. ]])
        >>> evaluated_precisions(rows[0, 0], "11point")
        {1: 1.0}
    """

    num_classes = Parameter(int, low=1, doc="background among them")
    background_label = Parameter(int, 0, low=-1, doc="the class of what is no object; -1: none")
    overlap_threshold = Parameter(float, 0.5, above=0, high=1, doc="IoU of a right detection with its object")
    evaluate_difficult_gt = Parameter(
        bool, True, doc="difficult objects are to be found; false: they, and what finds them, do not count"
    )
    form = Parameter(
        str,
        "ssd",
        choices=("ssd", "cascade"),
        doc="of the bottoms' rows, see Bottom; cascade: boxes are in pixels, x2 and y2 the last ones inside",
    )
    ap_version = Parameter(str, None, choices=tuple(AP_VERSIONS), doc="the top is the mAP, of this kind")

    def setup(self, bottom, top):
        checks.tops(self, top, "rows, or mAP")
        self.read_list()

    def plan(self, detections, gt_boxes, image_sizes=None):
        box_blobs.rows(self, "bottom[0] (detections)", detections, 7)
        if (image_sizes is None) == self._in_pixels:
            raise checks.error(self, f"with form {self.form} needs {2 + self._in_pixels} bottoms")
        rows = self.num_classes, 5
        return [(1,) if self.ap_version else (*rows, 1, 1) if self._in_pixels else (1, 1, *rows)]

    def forward(self, bottom, top):
        if self.ap_version:
            super().forward(bottom, top)
            return
        rows = self._evaluate(bottom)
        top[0].reshape(*((*rows.shape, 1, 1) if self._in_pixels else (1, 1, *rows.shape)))
        top[0].data[...] = rows.reshape(top[0].data.shape)

    def start(self):
        self._rows = []

    def update(self, bottom):
        self._rows.append(self._evaluate(bottom))

    def values(self):
        return [mean(list(evaluated_precisions(np.concatenate(self._rows), self.ap_version).values()))]

    @property
    def _in_pixels(self):
        return self.form == "cascade"

    def _read(self, bottom):
        """Return what gt_boxes.read and _detections do, and the sizes (N, 2) that the net has seen, or None."""
        name, background, sizes = "bottom[1] (gt_boxes)", self.background_label, None
        objects, detections = bottom[1].data, bottom[0].data
        if self._in_pixels:
            objects = box_blobs.rows(self, name, objects, 8)[:, [0, 1, 2, 3, 4, 5, 7]]
            detections = box_blobs.rows(self, "bottom[0] (detections)", detections, 7)[:, [0, 5, 6, 1, 2, 3, 4]]
            sizes = box_blobs.rows(self, "bottom[2] (image_sizes)", bottom[2].data, 2)
            checks.numbers(self, "bottom[2] (image_sizes)", sizes, None, 1)
        images = None if sizes is None else len(sizes)
        truth = gt_boxes.read(self, name, objects, images, self.num_classes, background)
        return (truth, *_detections(self, detections, truth.images, background), sizes)

    def _evaluate(self, bottom):
        """Return the rows of a batch, (R, 5)."""
        truth, rows, index, sizes = self._read(bottom)
        background = self.background_label
        classes = np.array([c for c in range(self.num_classes) if c != background])
        flagged = truth.flagged & (not self.evaluate_difficult_gt)
        counts = np.bincount(truth.classes[~flagged], minlength=self.num_classes)[classes]
        result = np.full((len(classes) + len(rows), 5), -1.0)
        result[: len(classes), 1], result[: len(classes), 2] = classes, counts
        order = np.lexsort((-rows[:, 2], rows[:, 1], index))
        rows, index = rows[order], index[order]
        found = result[len(classes) :]
        found[:, :3] = rows[:, :3]
        last = int(max(index.max(initial=-1), truth.image.max(initial=-1))) + 1
        places = self.advance(last if sizes is None else len(sizes))
        for image, c in sorted(set(zip(index.tolist(), rows[:, 1].tolist()))):
            mine, here = (index == image) & (rows[:, 1] == c), (truth.image == image) & (truth.classes == c)
            boxes, objects = rows[mine, 3:], truth.boxes[here]
            if self.names and sizes is None:
                boxes, objects = (self.in_pixels(x, self.sizes[places[image]]) for x in (boxes, objects))
            elif self.names:
                scale = np.tile(self.sizes[places[image]] / sizes[image], 2)[::-1]  # of x, y, x, y
                boxes, objects = boxes * scale, objects * scale
            plus_one = bool(self.names) or self._in_pixels
            right, ignored = match_voc(boxes, objects, flagged[here], [self.overlap_threshold], plus_one)
            found[mine, 3], found[mine, 4] = right[0], ~right[0] & ~ignored[0]
        return result
