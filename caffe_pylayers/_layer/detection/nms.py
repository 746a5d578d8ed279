"""Non-maximum suppression: of boxes that overlap, the ones with the best scores.

Boxes are (R, 4), scores (R,). Scores that are equal keep their order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from caffe_pylayers._layer.detection.boxes import areas
from caffe_pylayers._layer.detection.overlaps import box_iou_forward

METHODS = ("greedy", "linear", "gaussian")

_HEAD, _PART = 64, 512  # boxes decided at a time, and others compared with them: what fits a core's cache
_ZEROS = np.zeros(_PART, np.float32)
_AFTER = np.triu(np.ones((_HEAD, _HEAD), bool), 1)


def by_score(scores: Any, most: Any = None) -> Any:
    """Return the index that sorts scores from the best down, cut to the best ``most`` where that is given."""
    if most is not None and 0 < most < len(scores) // 4:
        # A partition is linear. All that equal the last one stay, for the sort to keep their order.
        last = np.partition(scores, len(scores) - most)[len(scores) - most]
        among = np.flatnonzero(scores >= last)
        return among[np.argsort(-scores[among], kind="stable")][:most]
    order = np.argsort(-scores, kind="stable")
    return order if most is None else order[:most]


def best_in_order(scores: Any, most: Any) -> Any:
    """Return an index that takes the best ``most`` scores and leaves them in their order; all of them for None."""
    if most is None or len(scores) <= most:
        return slice(None)
    return np.sort(by_score(scores, most))


def greedy_nms(boxes: Any, scores: Any, threshold: float, plus_one: bool, most: Any = None, eta: float = 1.0) -> Any:
    """Return the indices of the boxes kept, the best score first.

    A box stays unless its intersection over union with one that is kept is above the threshold.

    most: keep no more than these; None: no bound.
    eta: SSD's: after each box kept, a threshold above 0.5 is multiplied by it.
    """
    order = by_score(scores)
    most = len(order) if most is None else most
    if eta < 1:
        return _adaptive(boxes, order, threshold, plus_one, most, eta)
    left = _columns(boxes[order], plus_one)
    work = np.empty((3, _HEAD, _PART), boxes.dtype)
    kept: list[Any] = []
    count = 0
    while len(order) and count < most:
        head, better = order[:_HEAD], left[:, :_HEAD]
        stay = _first_ones(_suppressed(better, better, threshold, work))[: most - count]
        kept.append(head[stay])
        count += len(stay)
        order, left = order[_HEAD:], left[:, _HEAD:]
        if len(order) and count < most:
            free = np.flatnonzero(~_any_suppressed(better.take(stay, 1), left, threshold, work))
            order, left = order[free], left.take(free, 1)
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


def _columns(boxes: Any, plus_one: bool) -> Any:
    """Return x1, y1, the ends behind x2 and y2, and the areas of boxes, (5, R)."""
    columns = np.empty((5, len(boxes)), boxes.dtype)
    columns[:4] = boxes.T
    columns[2:4] += plus_one
    columns[4] = areas(boxes, plus_one)
    return columns


def _suppressed(better: Any, others: Any, threshold: float, work: Any) -> Any:
    """Return where the better of boxes suppress others, (better, others); no quotient, which takes longest.

    better, others: of _columns. work: memory, as to take new one takes as long as the arithmetic.
    """
    wide, shared, other = work[:, : better.shape[1], : others.shape[1]]
    x1, y1, x2, y2, area = better[:, :, None]
    # numpy's minimum and maximum are vectorized only over arrays, neither over one column nor over a number.
    wide[...], other[...] = x2, x1
    np.minimum(wide, others[2], out=wide)
    wide -= np.maximum(other, others[0], out=other)
    np.maximum(wide, _ZEROS[: others.shape[1]], out=wide)
    shared[...], other[...] = y2, y1
    np.minimum(shared, others[3], out=shared)
    shared -= np.maximum(other, others[1], out=other)
    shared *= wide  # below 0 where one is above the other, which suppresses no more than 0 does
    union = np.add(area, others[4], out=other)
    union -= shared
    union *= threshold
    return shared > union


def _any_suppressed(better: Any, others: Any, threshold: float, work: Any) -> Any:
    """Return which of the others any of the better boxes suppresses."""
    starts = range(0, others.shape[1], _PART)
    return np.concatenate([_suppressed(better, others[:, i : i + _PART], threshold, work).any(0) for i in starts])


def _first_ones(suppresses: Any) -> Any:
    """Return the indices that stay when each in turn suppresses those after it, suppresses (B, B)."""
    suppresses = suppresses & _AFTER[: len(suppresses), : len(suppresses)]
    gone = np.zeros(len(suppresses), bool)
    for i in np.flatnonzero(suppresses.any(1)).tolist():
        if not gone[i]:
            gone |= suppresses[i]
    return np.flatnonzero(~gone)


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
