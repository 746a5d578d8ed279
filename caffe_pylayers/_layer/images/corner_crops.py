"""TSN's crops: of several sizes, at fixed places. Sizes are (height, width)."""

from __future__ import annotations

from typing import Any, Sequence

SCALES = (1.0, 0.875, 0.75, 0.66)
_CLOSE = 3  # pixels: a side that is closer to the crop's is the crop's


def crop_sizes(
    size: tuple[int, int], crop: tuple[int, int], scales: Sequence[float] = SCALES, max_distort: int = 1
) -> list[tuple[int, int]]:
    """Return the sizes that are cut out of an image of a size, to be resized to the crop.

    (a b_i, a b_j),   a the image's shorter side,   b the scales,   |i - j| <= max_distort
    """
    sides = [[_snapped(int(min(size) * scale), wanted) for scale in scales] for wanted in crop]
    places = range(len(scales))
    return [(sides[0][i], sides[1][j]) for i in places for j in places if abs(i - j) <= max_distort]


def _snapped(side: int, wanted: int) -> int:
    return wanted if abs(side - wanted) < _CLOSE else side


def fixed_places(size: tuple[int, int], part: tuple[int, int], more: bool = False) -> list[tuple[int, int]]:
    """Return (top, left) of a part of an image in its four corners and its middle.

    more: and in the middle of its edges, and half way between the corners and the middle.
    """
    down, right = (size[0] - part[0]) // 4, (size[1] - part[1]) // 4
    steps = [(0, 0), (0, 4), (4, 0), (4, 4), (2, 2)]
    if more:
        steps += [(0, 2), (4, 2), (2, 0), (2, 4), (1, 1), (1, 3), (3, 1), (3, 3)]
    return [(i * down, j * right) for i, j in steps]


def drawn(rng: Any, choices: Sequence[Any]) -> Any:
    """Return one of the choices."""
    return choices[int(rng.random() * len(choices))]
