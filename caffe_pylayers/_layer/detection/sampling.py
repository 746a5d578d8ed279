"""Choices at random."""

from __future__ import annotations

from typing import Any

import numpy as np


def at_most(rng: Any, index: Any, most: int) -> Any:
    """Return the index, or as many of it as most, each equally likely, in their order.

    Nothing is drawn where all stay.

    rng: numpy's generator, that of Draws.
    """
    if len(index) <= most:
        return index
    return np.sort(rng.choice(index, max(most, 0), replace=False))


def balanced(rng: Any, positive: Any, negative: Any, size: int, most_positive: int) -> Any:
    """Return (positives, negatives), ``size`` of them together, and no more than so many positive.

    Where there are fewer positives, negatives take their places, not the other way round.
    """
    positive = at_most(rng, positive, most_positive)
    return positive, at_most(rng, negative, size - len(positive))
