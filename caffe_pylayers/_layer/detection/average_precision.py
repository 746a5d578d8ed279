"""Average precision of detections, as PASCAL VOC and COCO measure it."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffe_pylayers._layer.detection.overlaps import box_iou_forward

PROTOCOLS = ("voc07", "voc10", "integral", "coco")

AP_VERSIONS = {"11point": "voc07", "MaxIntegral": "voc10", "Integral": "integral"}  # what SSD's solver calls them


def match_voc(boxes: Any, objects: Any, difficult: Any, thresholds: Any, plus_one: bool) -> Any:
    """Return (found, ignored), booleans (T, D), for the detections of one class in one image.

    Each detection belongs to the object that it overlaps most. It finds that if the IoU is the
    threshold or more and no detection before it has; a difficult object makes it ignored.

    boxes: of the detections, (D, 4), the best score first.
    objects, difficult: (G, 4), booleans (G,).
    """
    found = np.zeros((len(thresholds), len(boxes)), bool)
    ignored = np.zeros_like(found)
    if not len(objects):
        return found, ignored
    iou = box_iou_forward(boxes, objects, plus_one)
    nearest = iou.argmax(1)
    best = iou.max(1)
    for t, threshold in enumerate(thresholds):
        hits = np.flatnonzero(best >= threshold)
        ignored[t, hits] = difficult[nearest[hits]]
        first = np.unique(nearest[hits], return_index=True)[1]
        found[t, hits[first]] = True
    return found & ~ignored, ignored


def match_coco(boxes: Any, objects: Any, crowd: Any, thresholds: Any, plus_one: bool) -> Any:
    """Return (found, ignored), booleans (T, D), for the detections of one class in one image.

    In turn each detection takes the object that it overlaps most among those not taken yet, if the
    IoU is the threshold or more; where there is none, a crowd of which as much covers it makes it
    ignored, whichever else lies in that.

    boxes: of the detections, (D, 4), the best score first.
    objects, crowd: (G, 4), booleans (G,).
    """
    thresholds = np.minimum(thresholds, 1 - 1e-10)
    found = np.zeros((len(thresholds), len(boxes)), bool)
    ignored = np.zeros_like(found)
    iou = box_iou_forward(boxes, objects, plus_one, crowd)
    ignored |= (iou[:, crowd].max(1, initial=0) >= thresholds[:, None]) if crowd.any() else False
    iou, levels = iou[:, ~crowd], np.arange(len(thresholds))
    free = np.ones((len(thresholds), iou.shape[1]), bool)
    for d in np.flatnonzero(iou.max(1, initial=0) >= thresholds.min()):
        # From the last one, as COCO's own loop lets a later object of the same IoU win.
        open_to = np.where(free, iou[d], -1)[:, ::-1]
        which = iou.shape[1] - 1 - open_to.argmax(1)
        takes = open_to.max(1) >= thresholds
        free[levels[takes], which[takes]] = False
        found[:, d] = takes
    return found, ignored & ~found


def interpolated_average_precision(found: Any, ignored: Any, count: int, protocol: str) -> float:
    """Return the average precision of detections, the best score first; NaN where there are no objects.

    voc07: the mean, at the recalls 0, 0.1 .. 1, of the largest precision at that recall or more.
    voc10: the area under that precision, a step function of recall. integral: under the precision itself.
    coco: as voc07, at the recalls 0, 0.01 .. 1.

    found, ignored: booleans (D,); ignored ones count neither way.
    count: of objects that are to be found.
    """
    if not count:
        return np.nan
    hits = np.cumsum(found[~ignored])
    precision = hits / np.arange(1, len(hits) + 1)
    envelope = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    recall = hits / count
    if protocol in ("voc10", "integral"):
        return float((np.diff(recall, prepend=0.0) * (envelope[:-1] if protocol == "voc10" else precision)).sum())
    levels = np.arange(11) / 10 if protocol == "voc07" else np.linspace(0, 1, 101)
    return float(envelope[np.searchsorted(recall, levels, "left")].mean())


def evaluated_precisions(rows: Any, ap_version: str = "Integral") -> dict[int, float]:
    """Return the average precision of each class from DetectionEvaluate's rows (R, 5) of any number of batches.

    Their mean is the mAP that SSD's Caffe prints: a class without objects has 0.

    ap_version: one of AP_VERSIONS.
    """
    rows = np.asarray(rows, np.float64)
    counts, found = rows[rows[:, 0] == -1], rows[rows[:, 0] != -1]
    result = {}
    for label in np.unique(counts[:, 1]):
        mine = found[found[:, 1] == label]
        mine = mine[np.argsort(-mine[:, 2], kind="stable")]
        objects = int(counts[counts[:, 1] == label, 2].sum())
        right, ignored = mine[:, 3] == 1, ~mine[:, 3:].any(1)
        precision = interpolated_average_precision(right, ignored, objects, AP_VERSIONS[ap_version])
        result[int(label)] = precision if objects else 0.0
    return result
