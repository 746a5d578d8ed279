"""Online hard example mining: only the positions with the largest losses count."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.losses.weighted_loss import WeightedLoss, counting, weighted_normalization

__all__ = ["MinedLoss", "hardest"]


def hardest(xp: Any, losses: Any, candidates: Any, counts: Any) -> Any:
    """Return booleans (G, M): the counts[g] largest losses of each row among its candidates, the first of equals.

    losses, candidates: (G, M), numbers >= 0 and booleans. counts: G integers.
    """
    if len(counts) == 1:
        return _hardest_of_one(xp, losses, candidates, counts[0])
    order = arrays.argsort(xp.where(candidates, -losses, xp.ones_like(losses)), 1)
    ranks, counts = arrays.arange_like(order, losses.shape[1]), arrays.from_numpy(counts, order)
    chosen = xp.zeros_like(candidates)
    arrays.put_along(chosen, order, ranks[None] < counts[:, None], 1)
    return chosen & candidates


def _hardest_of_one(xp: Any, losses: Any, candidates: Any, count: int) -> Any:
    """Return hardest for one row, by its count-th largest loss: in a tenth of the time that sorting takes."""
    size = losses.shape[1]
    if count >= size:
        return candidates
    if count == 0:
        return xp.zeros_like(candidates)
    losses = xp.where(candidates, losses, -xp.ones_like(losses))
    if xp is np:
        least = np.partition(losses, size - count, 1)[:, size - count]
    else:
        least = xp.kthvalue(losses, size - count + 1, 1)[0]
    above, equal = losses > least, losses == least
    first = xp.cumsum(equal, 1) <= count - above.sum()
    return (above | (equal & first)) & candidates


class MinedLoss(WeightedLoss):
    """A loss of which only hard positions count; which ones are, a parameter says: exactly one of four.

    A subclass has ``negatives``.
    """

    normalization = weighted_normalization("valid")
    ratio = Parameter(float, None, above=0, high=1, doc="keep this share of the positions, one at least")
    top_k = Parameter(int, None, low=1, doc="keep so many positions")
    threshold = Parameter(float, None, above=0, high=1, doc="keep positions whose target has a probability below this")
    negative_ratio = Parameter(float, None, low=0, doc="keep all positives, and so many times as many negatives")
    min_kept = Parameter(int, 0, low=0, doc="at least so many positions; with negative_ratio, so many negatives")
    per_image = Parameter(bool, False, doc="true: numbers are for each sample of the batch; false: for the batch")

    def setup(self, bottom: Any, top: Any) -> None:
        checks.tops(self, top, "loss", "kept", optional=1)
        rules = ("ratio", "top_k", "threshold", "negative_ratio")
        given = [name for name in rules if getattr(self, name) is not None]
        if len(given) != 1:
            raise checks.error(
                self,
                f"needs one of the parameters {', '.join(rules)}, got {' and '.join(given) or 'none of them'}",
            )

    def plan(self, scores: Any, labels: Any, weights: Any = None) -> Any:
        shapes = super().plan(scores, labels, weights)
        return [*shapes, labels.shape if math.prod(labels.shape) == self._size else self._positions]

    def forward(self, bottom: Any, top: Any) -> None:
        super().forward(bottom, top)
        if len(top) == 2:
            top[1].data[...] = self._kept.reshape(top[1].data.shape)

    def negatives(self, target: Any) -> Any:
        """Return booleans: which positions are of the background."""
        raise NotImplementedError

    def select(self, losses: Any, target: Any, valid: Any, weights: Any) -> Any:
        """Return where the losses count: at the hard ones of the positions that are valid and have a weight."""
        candidates = self.xp.ones_like(losses)
        for factor in (valid, weights):
            if factor is not None:
                candidates *= factor
        groups = self._batch_of(losses), -1
        kept = self._choose(losses.reshape(groups), candidates.reshape(groups) != 0, target)
        self._kept = counting(kept, losses).reshape(losses.shape)
        return self._kept

    def _batch_of(self, losses: Any) -> int:
        return max(losses.shape[0], 1) if self.per_image else 1

    def _choose(self, losses: Any, candidates: Any, target: Any) -> Any:
        if self.negative_ratio is not None:
            negative = self.negatives(target).reshape(losses.shape)
            positive = candidates & ~negative
            wanted = [math.floor(self.negative_ratio * n + 1e-6) for n in positive.sum(1).tolist()]
            return positive | self._at_least(losses, candidates & negative, wanted)
        if self.threshold is not None:
            hard = candidates & (losses > -math.log(self.threshold))
            wanted = hard.sum(1).tolist()
            if all(n >= self.min_kept for n in wanted):
                return hard
        elif self.top_k is not None:
            wanted = [self.top_k] * len(losses)
        else:
            wanted = [max(math.floor(self.ratio * n + 1e-6), 1) for n in candidates.sum(1).tolist()]
        return self._at_least(losses, candidates, wanted)

    def _at_least(self, losses: Any, candidates: Any, wanted: Any) -> Any:
        return hardest(self.xp, losses, candidates, [max(n, self.min_kept) for n in wanted])
