"""Triplets (anchor, positive, negative) of a batch: which there are, and their losses' slopes.

distances: (N, N), squared or not. same, different: of pairs_by_label.
"""

from __future__ import annotations

from typing import Any

from caffe_pylayers._layer import arrays

__all__ = ["STRATEGIES", "all_active", "all_active_backward", "hinge", "select_triplets", "soft_hinge"]

STRATEGIES = ("all", "hard", "semi_hard", "batch_hard")


def select_triplets(xp: Any, strategy: str, distances: Any, same: Any, different: Any) -> tuple[Any, Any, Any]:
    """Return int64 indices (T,) of anchors, positives and negatives, by anchor, then positive, then negative.

    all: each positive pair with each negative.
    hard: each positive pair with the nearest negative.
    semi_hard: each positive pair with the nearest negative that is farther than the positive, or, where there is
        none, with the farthest.
    batch_hard: each anchor with its farthest positive and nearest negative.

    Of distances that come out equal the first counts. An anchor without a positive or a negative has no triplet.
    """
    if len(same) == 0:
        none = arrays.new(distances, (0,), int)
        return none, none, none
    if strategy == "all":
        return xp.where(same[:, :, None] & different[:, None, :])  # type: ignore[no-any-return]
    if strategy == "batch_hard":
        (anchors,) = xp.where(same.any(1) & different.any(1))
        positives = xp.where(same, distances, -xp.inf).argmax(1)[anchors]
        return anchors, positives, xp.where(different, distances, xp.inf).argmin(1)[anchors]
    anchors, positives = xp.where(same & different.any(1)[:, None])
    order = arrays.argsort(xp.where(different, distances, xp.inf), 1)
    rank = anchors * 0
    if strategy == "semi_hard":
        nearer = _count_up_to(xp, distances, xp.where(different, distances, xp.inf))[anchors, positives]
        last = different.sum(1)[anchors] - 1
        rank = xp.minimum(nearer, last)
    return anchors, positives, order[anchors, rank]


def hinge(differences: Any, margin: float) -> tuple[Any, Any]:
    """Return max(0, margin + differences), and its slope."""
    terms = (differences + margin).clip(0, None)
    return terms, arrays.astype(terms > 0, terms)


def soft_hinge(xp: Any, differences: Any) -> tuple[Any, Any]:
    """Return log(1 + exp(differences)), and its slope, for differences of any size."""
    small = xp.exp(-abs(differences))
    terms = differences.clip(0, None) + xp.log1p(small)
    return terms, xp.where(differences > 0, 1 / (1 + small), small / (1 + small))


def all_active(xp: Any, distances: Any, same: Any, different: Any, margin: float) -> tuple[Any, Any]:
    """Return the sum of max(0, margin + d(a, p) - d(a, n)) over all triplets, and how many terms are not 0.

    The count is by positive pair, (N, N). Sorted distances and their running sums serve in place of the N**3 triplets.
    """
    negatives = xp.where(different, distances, xp.inf)
    active = _count_below(xp, distances + margin, negatives) * same
    nearest = arrays.take_along(distances * different, arrays.argsort(negatives, 1), 1)
    sums = arrays.new(distances, (len(distances), len(distances) + 1))
    sums[:, :1] = 0
    sums[:, 1:] = nearest.cumsum(1)
    terms = active * (distances + margin) - arrays.take_along(sums, active, 1)
    return terms.sum(), active


def all_active_backward(xp: Any, distances: Any, same: Any, different: Any, margin: float, active: Any) -> Any:
    """Return the gradient of all_active's sum with respect to the distances."""
    positives = xp.where(same, distances + margin, xp.inf)
    as_negative = same.sum(1)[:, None] - _count_up_to(xp, distances, positives)
    return arrays.astype(active - as_negative * different, distances)


def _count_below(xp: Any, values: Any, table: Any) -> Any:
    """Return for each value how many of its row of the table are smaller, int64."""
    return _merged_counts(xp, values, table, values_first=True)


def _count_up_to(xp: Any, values: Any, table: Any) -> Any:
    """Return for each value how many of its row of the table are not greater, int64."""
    return _merged_counts(xp, values, table, values_first=False)


def _merged_counts(xp: Any, values: Any, table: Any, values_first: bool) -> Any:
    size = values.shape[1]
    order = arrays.argsort(xp.concatenate((values, table) if values_first else (table, values), 1), 1)
    counts = order * 0
    in_table = order >= size if values_first else order < table.shape[1]
    arrays.put_along(counts, order, in_table.cumsum(1), 1)
    return counts[:, :size] if values_first else counts[:, table.shape[1] :]
