"""Scores of positives and negatives in order, of batches as they come."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from caffe_pylayers._layer import arrays

__all__ = ["Ranking", "merged", "no_ranking", "sums_below"]


class Ranking(NamedTuple):
    """Scores (n, C) in ascending order by column, with the weights of positives and of negatives."""

    scores: Any
    positives: Any
    negatives: Any


def no_ranking(columns: int) -> Ranking:
    """Return the ranking of no scores; they are kept as float32, as blobs have them."""
    return Ranking(np.empty((0, columns), np.float32), *np.empty((2, 0, columns)))


def merged(ranking: Ranking, scores: Any, positive: Any, weights: Any) -> Ranking:
    """Return the ranking with a batch more; scores, booleans and weights of one shape (n, C).

    Two runs in order make a longer one in linear time.
    """
    batch = Ranking(scores, weights * positive, weights * ~positive)
    order = arrays.argsort(scores, 0)
    both = [np.concatenate([old, np.take_along_axis(new, order, 0)]) for old, new in zip(ranking, batch)]
    order = np.argsort(both[0], 0, "stable")  # merges two runs, being timsort
    return Ranking(*(np.take_along_axis(values, order, 0) for values in both))


def sums_below(weights: Any, scores: Any) -> Any:
    """Return, by column, the sum of the weights of lower scores; scores ascend, and equal ones have one sum."""
    sums = weights.cumsum(0)
    ends = scores[1:] != scores[:-1]
    below = np.zeros_like(sums)
    below[1:] = np.maximum.accumulate(np.where(ends, sums[:-1], 0), 0)
    return below
