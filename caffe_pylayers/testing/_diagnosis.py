"""The most likely causes of a wrong gradient, or of an exception, in a layer."""

from __future__ import annotations

import math
import re
from typing import Any, Sequence

import numpy as np

from caffe_pylayers._layer.quote import one_line

_FLOAT_AS_INDEX = re.compile(
    r"only integers, slices|used as indices must be|indices must be integers|only integer scalar arrays"
    r"|numpy\.float|'float' object cannot be interpreted as an integer"
)


def explain_exception(error: Exception) -> str:
    """Return ``METHOD fails with KIND: TEXT``, and what is behind it where that is known."""
    method = getattr(error, "_raised_in", "the layer")
    text = one_line(f"{method} fails with {type(error).__name__}: {error}", 300)
    if isinstance(error, (IndexError, TypeError)) and _FLOAT_AS_INDEX.search(str(error)):
        text += "; blobs hold floats, labels too: convert with astype(int) before using them as an index or a size"
    elif method == "__init__" and isinstance(error, TypeError):
        text += "; Caffe calls the class with one argument, its LayerParameter"
    return text


def explain_ratio(ratio: float, sizes: Sequence[tuple[str, int]]) -> str:
    """Return what it means that backward is so many times forward's gradient everywhere.

    sizes: numbers that a gradient is often off by, and their names, the likeliest first.
    """
    sign, size = ("has the wrong sign", abs(ratio)) if ratio < 0 else ("", ratio)
    if _close(size, 1):
        return sign
    for name, number in sizes:
        if number > 1 and _close(size, number):
            factor = f"is {number} times too large: divide by {name}"
            break
        if number > 1 and _close(size, 1 / number):
            factor = f"is {number} times too small: {name} is divided by once too often"
            break
    else:
        factor = f"is {size:.6g} times forward's gradient everywhere"
    return f"{sign} and {factor}" if sign else factor


def constant_ratio(analytic: Sequence[float], numeric: Sequence[float]) -> float | None:
    """Return the one number that all analytic / numeric are, None where they are not one."""
    largest = max((abs(x) for x in numeric), default=0.0)
    ratios = [a / n for a, n in zip(analytic, numeric) if abs(n) > 1e-3 * largest]
    if len(ratios) < 2 or ratios[0] == 0 or not all(map(math.isfinite, ratios)):
        return None
    return float(np.mean(ratios)) if all(_close(ratio, ratios[0]) for ratio in ratios) else None


def places(mask: Any) -> str:
    """Return where a mask holds: ``everywhere``, or ``at (0, 1) and 3 more places``."""
    if mask.all():
        return "everywhere"
    where = np.argwhere(mask)
    first = tuple(map(int, where[0]))
    return f"at {first}" + (f" and {len(where) - 1} more places" if len(where) > 1 else "")


def _close(a: float, b: float) -> bool:
    return abs(a - b) <= 1e-2 * abs(b)
