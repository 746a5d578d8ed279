"""Scores of positives and negatives in order, and the areas under the curves that a threshold draws through them."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffe_pylayers._layer.metrics.class_metric import ratio

__all__ = ["Ranking", "average_precision", "roc_area"]


class Ranking:
    """Scores (n, C) in ascending order by column, with the weights of positives and negatives.

    Batches are merged as they come: two runs in order make a longer one in linear time.
    """

    def __init__(self, columns: int, dtype: Any = np.float64) -> None:
        self.scores = np.empty((0, columns), dtype)
        self.positives = np.empty((0, columns))
        self.negatives = np.empty((0, columns))

    def add(self, scores: Any, positive: Any, weights: Any) -> None:
        """Merge a batch; scores, booleans and weights of one shape (n, C)."""
        new = np.argsort(scores, 0, "stable")
        scores, positive, weights = (np.take_along_axis(x, new, 0) for x in (scores, positive, weights))
        both = np.concatenate([self.scores, scores])
        order = np.argsort(both, 0, "stable")  # merges two runs, being timsort
        parts = ((self.positives, weights * positive), (self.negatives, weights * ~positive))
        self.scores = np.take_along_axis(both, order, 0)
        self.positives, self.negatives = (np.take_along_axis(np.concatenate(part), order, 0) for part in parts)


def _below(weights: Any, scores: Any) -> Any:
    """Return, by column, the sum of the weights of lower scores; scores ascend, and equal ones have one sum."""
    sums = weights.cumsum(0)
    ends = scores[1:] != scores[:-1]
    below = np.zeros_like(sums)
    below[1:] = np.maximum.accumulate(np.where(ends, sums[:-1], 0), 0)
    return below


def roc_area(ranking: Ranking) -> Any:
    """Return the area under the ROC curve by column, NaN without a positive or a negative.

    It is the share of pairs of a positive and a negative in which the positive scores higher; a tie is a half.
    """
    positives, negatives = ranking.positives, ranking.negatives
    won = (positives * _below(negatives, ranking.scores)).sum(0)
    lost = (negatives * _below(positives, ranking.scores)).sum(0)
    pairs = positives.sum(0) * negatives.sum(0)
    return ratio(won + pairs - lost, 2 * pairs)


def average_precision(ranking: Ranking) -> Any:
    """Return the mean, over the positives, of the precision at their scores, by column; NaN without a positive."""
    positives, weights = ranking.positives, ranking.positives + ranking.negatives
    found = positives.sum(0) - _below(positives, ranking.scores)
    taken = weights.sum(0) - _below(weights, ranking.scores)
    precision = np.divide(found, taken, out=np.zeros_like(found), where=positives > 0)
    return ratio((positives * precision).sum(0), positives.sum(0))


def above_thresholds(ranking: Ranking, column: int, most: int = 1000) -> tuple[Any, Any]:
    """Return the weights of a column's positives and of its negatives at or above each score, from the highest down.

    most: of so many scores at most, evenly chosen.
    """
    scores = ranking.scores[::-1, column]
    ends = np.flatnonzero(np.append(scores[1:] != scores[:-1], True)[: len(scores)])
    if len(ends) > most:
        ends = ends[np.linspace(0, len(ends) - 1, most).round().astype(np.int64)]
    positives, negatives = (x[::-1, column].cumsum()[ends] for x in (ranking.positives, ranking.negatives))
    return positives, negatives


def roc_curve(ranking: Ranking, column: int, most: int = 1000) -> tuple[Any, Any]:
    """Return the false and the true positive rates of a column's thresholds, from 0 to 1."""
    true, false = (np.append(0.0, x) for x in above_thresholds(ranking, column, most))
    return ratio(false, false[-1]), ratio(true, true[-1])


def precision_recall_curve(ranking: Ranking, column: int, most: int = 1000) -> tuple[Any, Any]:
    """Return the recalls and the precisions of a column's thresholds, from the highest down."""
    true, false = above_thresholds(ranking, column, most)
    return ratio(true, true[-1] if len(true) else 0.0), ratio(true, true + false)
