"""The number that a loss is divided by, as Caffe's losses choose it."""

from __future__ import annotations

NORMALIZATIONS = ("batch", "full", "valid", "none")


def normalizer(how: str, batch: int, full: int, valid: int) -> int:
    """Return the loss's divisor, never below 1.

    how: one of NORMALIZATIONS: the number of samples, of all terms, of the terms that count, or 1.
    """
    return max({"batch": batch, "full": full, "valid": valid, "none": 1}[how], 1)
