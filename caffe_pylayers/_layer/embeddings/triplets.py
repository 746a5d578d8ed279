"""Triplets (anchor, positive, negative) of a batch: which there are, and the loss of all of them.

distances: (N, N), squared or not. same, different: of rows.pairs_of.
"""

from __future__ import annotations

from typing import Any

from caffe_pylayers._layer import arrays

__all__ = ["STRATEGIES", "AllTriplets", "select_triplets"]

STRATEGIES = ("all", "hard", "semi_hard", "only_semi_hard", "batch_hard")


def select_triplets(xp: Any, strategy: str, distances: Any, same: Any, different: Any) -> tuple[Any, Any, Any]:
    """Return int64 indices (T,) of anchors, positives and negatives, by anchor, then positive, then negative.

    all: each positive pair with each negative.
    hard: each positive pair with the nearest negative.
    semi_hard: each positive pair with the nearest negative that is farther than the positive, or, where there is
        none, with the farthest.
    only_semi_hard: as semi_hard, without the pairs that have no such negative.
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
    if strategy != "hard":
        nearer = _count_up_to(xp, distances, xp.where(different, distances, xp.inf))[anchors, positives]
        last = different.sum(1)[anchors] - 1
        rank = xp.minimum(nearer, last)
        if strategy == "only_semi_hard":
            kept = nearer <= last
            anchors, positives, rank = anchors[kept], positives[kept], rank[kept]
    return anchors, positives, order[anchors, rank]


class AllTriplets:
    """All triplets of a batch under a hinge, by one sort of each row in place of N**3 terms.

    loss: the sum of max(0, margin + d(a, p) - d(a, n)). count: the number of triplets. active: of those not 0.
    """

    def __init__(self, xp: Any, distances: Any, same: Any, different: Any, margin: float) -> None:
        self._shape, self._different = distances.shape, different
        self._rows, self._columns = xp.where(same)
        positives = same.sum(1)
        width = int(positives.max()) if len(same) else 0
        self._places = (same.cumsum(1) - 1)[self._rows, self._columns]
        reach = arrays.new(distances, (len(same), width))
        arrays.fill(reach, xp.inf)
        reach[self._rows, self._places] = distances[self._rows, self._columns] + margin

        # A negative at the very reach of a positive is sorted after it, and so has no term.
        joined = xp.concatenate((reach, xp.where(different, distances, xp.inf)), 1)
        order = arrays.argsort(joined, 1)
        is_negative = order >= width
        nearer = arrays.take_along(joined, order, 1)
        nearer = xp.where(is_negative & (nearer < xp.inf), nearer, 0 * distances[:1, :1]).cumsum(1)
        negatives = _at(order, is_negative.cumsum(1))[:, :width][self._rows, self._places]
        sums = _at(order, nearer)[:, :width][self._rows, self._places]
        self._per_pair = arrays.astype(negatives, distances)
        self._per_negative = positives[:, None] - _at(order, (~is_negative).cumsum(1))[:, width:]
        self.loss = (self._per_pair * reach[self._rows, self._places] - sums).sum()
        self.count, self.active = int((positives * different.sum(1)).sum()), int(negatives.sum())

    def d_distances(self) -> Any:
        """Return the gradient of the loss with respect to the distances, (N, N)."""
        gradient = arrays.new(self._per_pair, self._shape)
        gradient[...] = self._per_negative * self._different
        gradient *= -1
        gradient[self._rows, self._columns] = self._per_pair
        return gradient


def _at(order: Any, values: Any) -> Any:
    """Return sorted values where they were before the sort."""
    found = values * 0
    arrays.put_along(found, order, values, 1)
    return found


def _count_up_to(xp: Any, values: Any, table: Any) -> Any:
    """Return for each value how many of its row of the table are not greater, int64."""
    size = table.shape[1]
    order = arrays.argsort(xp.concatenate((table, values), 1), 1)
    return _at(order, (order < size).cumsum(1))[:, size:]
