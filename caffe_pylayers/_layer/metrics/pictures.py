"""What a metric shows in a picture: plain data, drawn by the training driver where matplotlib is installed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Sequence, Union


@dataclass(frozen=True)
class Matrix:
    """A table of numbers, drawn in shades with the numbers in it.

    values: (rows, columns).
    rows, columns: what is counted along them.
    names: of the rows and columns; none: their numbers.
    """

    title: str
    values: Any
    rows: str
    columns: str
    names: Sequence[str] = ()


@dataclass(frozen=True)
class Lines:
    """Curves in the unit square.

    curves: (label, x, y) of each.
    x, y: what is on the axes.
    diagonal: True where a line from (0, 0) to (1, 1) is worth a comparison.
    """

    title: str
    curves: Sequence[tuple[str, Any, Any]]
    x: str
    y: str
    diagonal: bool = False


Picture = Union[Matrix, Lines]
