"""What is detected in one image: of the boxes of each class the best, and of those that overlap the best one."""

from __future__ import annotations

from typing import Any, Iterator

import numpy as np

from caffe_pylayers._layer.detection.nms import best_in_order, by_score, greedy_nms


def candidates(scores: Any, threshold: float, top_k: int | None = None, background: int = 0) -> dict[int, Any]:
    """Return {label: index} of the scores of each class above a threshold, from the best down, the best top_k.

    scores: (P, L). background: the class that is not looked at.
    """
    found = {}
    for label, of_class in enumerate(np.ascontiguousarray(scores.T)):
        if label != background:
            among = np.flatnonzero(of_class > threshold)
            found[label] = among[by_score(of_class[among], top_k)]
    return found


def detections(
    boxes: Any,
    scores: Any,
    among: dict[int, Any],
    nms_threshold: float,
    keep_top_k: int | None = None,
    eta: float = 1.0,
) -> Any:
    """Return (labels, scores, boxes) of what is detected in one image, by label, then by score from the best down.

    boxes: (P, 4), or (P, L, 4) with a box for each class; values behind the four come along. scores: (P, L).
    among: of candidates. keep_top_k: the best so many of all classes stay. eta: see greedy_nms.
    """
    of_candidates = [scores[index, label] for label, index in among.items()]
    for counts in _first_candidates(of_candidates, keep_top_k):
        found = []
        for (label, index), of_class, count in zip(among.items(), of_candidates, counts):
            of_boxes = boxes[index[:count]] if boxes.ndim == 2 else boxes[index[:count], label]
            kept = greedy_nms(of_boxes[:, :4], of_class[:count], nms_threshold, plus_one=False, eta=eta)
            found.append((np.full(len(kept), label), of_class[kept], of_boxes[kept]))
        if sum(len(part[0]) for part in found) >= (keep_top_k or 0):
            break
    if not found:
        return np.zeros(0, int), scores[:0, 0], boxes.reshape(-1, 4)[:0]
    found_labels, kept_scores, kept_boxes = (np.concatenate(parts) for parts in zip(*found))
    best = best_in_order(kept_scores, keep_top_k)
    return found_labels[best], kept_scores[best], kept_boxes[best]


def _first_candidates(scores: Any, most: int | None) -> Iterator[list[int]]:
    """Yield how many of each class's candidates to look at, of the best ones of all first: 4 most, then 16, then all.

    No candidate drops a better one, so if ``most`` of the best stay, no other can be among the best ``most``.
    scores: of the candidates of each class, from the best down.
    """
    every = np.concatenate(scores) if scores else np.zeros(0)
    for number in () if most is None else (4 * most, 16 * most):
        if 0 < number < len(every):
            lowest = np.partition(every, len(every) - number)[len(every) - number]
            yield [int((of_class >= lowest).sum()) for of_class in scores]
    yield [len(of_class) for of_class in scores]
