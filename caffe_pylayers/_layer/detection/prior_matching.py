"""Which priors are examples of which objects, and which of the others are the hardest, as SSD trains."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffe_pylayers._layer.detection.boxes import areas
from caffe_pylayers._layer.detection.nms import by_score, greedy_nms
from caffe_pylayers._layer.detection.overlaps import intersections, over_union

# In place of the index of an object.
NONE, OUTSIDE = -1, -2

# As in SSD's Caffe: an IoU that is not above it is none; boxes below it take no part in the suppression of hard ones.
_LEAST_OVERLAP, _LEAST_AREA = 1e-6, 1e-5


def match_priors(priors: Any, objects: Any, overlap_threshold: Any = None, ignore_outside: bool = False) -> Any:
    """Return (matched, overlaps), (P,) each: the index of the object of each prior, and its IoU with that.

    The prior and the object of the largest IoU belong together, then those of the largest among the others, and so on;
    of equals the first prior, then the first object. Then, with overlap_threshold, each prior that is left belongs to
    the object that it overlaps most, if the IoU is the threshold or more. The others have the index NONE, and their
    largest IoU with any object.

    priors, objects: (P, 4), (G, 4).
    ignore_outside: priors with a corner outside [0, 1] have the index OUTSIDE, and belong to none.
    """
    matched, overlaps = np.full(len(priors), NONE), np.zeros(len(priors), priors.dtype)
    if not len(priors) or not len(objects):
        return matched, overlaps
    iou = _iou(objects, priors)
    if ignore_outside:
        outside = ((priors < 0) | (priors > 1)).any(1)
        matched[outside], iou[:, outside] = OUTSIDE, 0
    overlaps = iou.max(0)
    if overlap_threshold is not None:
        near = np.flatnonzero((overlaps >= overlap_threshold) & (overlaps > 0))
        matched[near] = iou[:, near].argmax(0)
    best = iou.argmax(1)  # each object's
    largest = iou[np.arange(len(objects)), best]
    while largest.max() > 0:
        first = np.lexsort((best, -largest))[0]
        prior = best[first]
        matched[prior], overlaps[prior] = first, largest[first]
        iou[:, prior] = largest[first] = 0
        for other in np.flatnonzero((best == prior) & (largest > 0)):
            best[other] = iou[other].argmax()
            largest[other] = iou[other, best[other]]
    return matched, overlaps


def _iou(boxes: Any, others: Any) -> Any:
    """Return the IoU of each with each, in their own precision, whose rounding decides; 0 where there is none."""
    iou = over_union(intersections(boxes, others, False), areas(boxes, False), areas(others, False))
    iou[~(iou > _LEAST_OVERLAP)] = 0
    return iou


def hardest_priors(
    losses: Any, candidates: Any, count: int, boxes: Any = None, nms_threshold: Any = None, top_k: Any = None
) -> Any:
    """Return the indices of the candidates of the largest losses, at most count, the largest first.

    losses, candidates: (P,), numbers and booleans. A loss that is NaN counts as the largest.
    boxes, nms_threshold: (P, 4); of those with a larger IoU the one of the largest loss stays. top_k: of so many.
    """
    index = np.flatnonzero(candidates)
    losses = losses[index]
    losses[np.isnan(losses)] = np.inf
    if nms_threshold is None:
        return index[by_score(losses, count)]
    among = by_score(losses, top_k)
    among = among[areas(boxes[index[among]], False) >= _LEAST_AREA]
    index, losses = index[among], losses[among]
    return index[greedy_nms(boxes[index], losses, nms_threshold, plus_one=False, most=count)]
