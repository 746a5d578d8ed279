"""The number that a loss is divided by, as Caffe's losses choose it: its parameter and its value."""

from __future__ import annotations

from typing import Any, Mapping

from caffe_pylayers._layer import arrays
from caffe_pylayers._layer.parameter import Parameter

__all__ = ["normalization", "normalizer"]


def normalization(
    default: str,
    *,
    batch: str = "N",
    full: str = "N",
    valid: str | None = "the terms that count",
    more: Mapping[str, str] | None = None,
    least: str = "at least 1",
) -> Parameter:
    """Return the declaration of a loss's normalization; for each choice the words that say what Z is.

    valid: None where there is no such choice. more: further choices.
    """
    words = {"batch": batch, "full": full, "valid": valid, **(more or {}), "none": "1"}
    meanings = {choice: meaning for choice, meaning in words.items() if meaning is not None}
    listed = "; ".join(f"{choice}: {meaning}" for choice, meaning in meanings.items())
    return Parameter(str, default, choices=tuple(meanings), doc=f"Z; {listed}; {least}")


def normalizer(how: str, batch: int, full: int, valid: Any = 1, **more: Any) -> Any:
    """Return the loss's divisor, never below 1.

    how: the choice: the number of samples, of all terms, of the terms that count, one of more, or 1; a number of values
        on a device may be a scalar there.
    """
    return arrays.at_least_one({"batch": batch, "full": full, "valid": valid, "none": 1, **more}[how])
