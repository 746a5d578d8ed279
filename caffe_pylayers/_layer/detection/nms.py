"""Non-maximum suppression: of boxes that overlap, the ones with the best scores.

Boxes are (R, 4), scores (R,). Scores that are equal keep their order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from caffe_pylayers._layer.detection.boxes import areas
from caffe_pylayers._layer.detection.overlaps import box_iou_forward, intersections

METHODS = ("greedy", "linear", "gaussian")

_HEAD = 64  # boxes decided at a time
_BLOCK = 1 << 15  # pairs compared at a time: what fits a core's cache


def by_score(scores: Any, most: Any = None) -> Any:
    """Return the index that sorts scores from the best down, cut to the best ``most`` where that is given."""
    if most is not None and 0 < most < len(scores) // 4:
        # A partition is linear. All that equal the last one stay, for the sort to keep their order.
        last = np.partition(scores, len(scores) - most)[len(scores) - most]
        among = np.flatnonzero(scores >= last)
        return among[np.argsort(-scores[among], kind="stable")][:most]
    order = np.argsort(-scores, kind="stable")
    return order if most is None else order[:most]


def greedy_nms(boxes: Any, scores: Any, threshold: float, plus_one: bool, most: Any = None, eta: float = 1.0) -> Any:
    """Return the indices of the boxes kept, the best score first.

    A box stays unless its intersection over union with one that is kept is above the threshold.

    most: keep no more than these; None: no bound.
    eta: SSD's: after each box kept, a threshold above 0.5 is multiplied by it.
    """
    order = by_score(scores)
    if eta < 1:
        return _adaptive(boxes, order, threshold, plus_one, len(order) if most is None else most, eta)
    area = areas(boxes, plus_one)
    most = len(order) if most is None else most
    kept: list[Any] = []
    count = 0
    while len(order) and count < most:
        head, order = order[:_HEAD], order[_HEAD:]
        head = head[_first_ones(_suppressed(boxes, area, head, head, threshold, plus_one))][: most - count]
        kept.append(head)
        count += len(head)
        if len(order) and count < most:
            order = order[~_any_suppressed(boxes, area, head, order, threshold, plus_one)]
    return np.concatenate(kept) if kept else order


def soft_nms(
    boxes: Any,
    scores: Any,
    plus_one: bool,
    method: str = "linear",
    threshold: float = 0.3,
    sigma: float = 0.5,
    score_threshold: float = 0.001,
    most: Any = None,
) -> Any:
    """Return (indices, scores) of the boxes kept, as Soft-NMS lowers the scores of those that overlap better ones.

    method: "linear" multiplies by 1 - IoU where IoU is above the threshold, "gaussian" by exp(-IoU**2 / sigma).
    score_threshold: boxes whose score is not above it, or falls so low, go.
    """
    order = by_score(scores)
    order = order[scores[order] > score_threshold]
    boxes, left = boxes[order], scores[order].astype(np.float64)
    most = len(order) if most is None else most
    kept: list[int] = []
    weights: list[float] = []
    while len(left) and len(kept) < most:
        best = int(left.argmax())
        kept.append(int(order[best]))
        weights.append(float(left[best]))
        overlap = box_iou_forward(boxes[best : best + 1], boxes, plus_one)[0]
        if method == "linear":
            left = left * np.where(overlap > threshold, 1 - overlap, 1)
        else:
            left = left * np.exp(-(overlap**2) / sigma)
        stay = left > score_threshold
        stay[best] = False
        boxes, left, order = boxes[stay], left[stay], order[stay]
    return np.array(kept, np.int64), np.array(weights, scores.dtype)


def _suppressed(boxes: Any, area: Any, better: Any, others: Any, threshold: float, plus_one: bool) -> Any:
    """Return where the better of the boxes suppress others, (better, others); no quotient, which takes longest."""
    shared = intersections(boxes[better], boxes[others], plus_one)
    return shared > threshold * (area[better, None] + area[others] - shared)


def _any_suppressed(boxes: Any, area: Any, better: Any, others: Any, threshold: float, plus_one: bool) -> Any:
    found = np.empty(len(others), bool)
    step = max(_BLOCK // max(len(better), 1), 1)
    for start in range(0, len(others), step):
        part = slice(start, start + step)
        found[part] = _suppressed(boxes, area, better, others[part], threshold, plus_one).any(0)
    return found


def _first_ones(suppresses: Any) -> Any:
    """Return the indices that stay when each in turn suppresses those after it, suppresses (B, B)."""
    gone = np.zeros(len(suppresses), bool)
    stay = []
    for i, row in enumerate(suppresses):
        if not gone[i]:
            stay.append(i)
            gone |= row
    return np.array(stay, np.int64)


def _adaptive(boxes: Any, order: Any, threshold: float, plus_one: bool, most: int, eta: float) -> Any:
    kept: list[int] = []
    for i in order.tolist():
        if len(kept) == most:
            break
        if kept and box_iou_forward(boxes[i : i + 1], boxes[kept], plus_one).max() > threshold:
            continue
        kept.append(i)
        if threshold > 0.5:
            threshold *= eta
    return np.array(kept, np.int64)
