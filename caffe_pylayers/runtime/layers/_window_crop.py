"""The geometry of WindowData: a window of an image, its surroundings, and its place in the crop."""

from __future__ import annotations

import math
from typing import NamedTuple


class Box(NamedTuple):
    """A box in an image: its left, top, right and bottom pixels, from 0, all included."""

    x1: int
    y1: int
    x2: int
    y2: int


class Crop(NamedTuple):
    """A box inside the image, the height and width to warp it to, and its top left place in the crop."""

    box: Box
    height: int
    width: int
    top: int = 0
    left: int = 0


def crop(image: tuple[int, int], box: Box, size: int, context_pad: int, square: bool, mirror: bool) -> Crop:
    """Return the Crop of a box of an image (height, width), for size x size, as Caffe's WindowDataLayer has it.

    context_pad: pixels around the window, counted in the crop. square: the smallest square around the box.
    ValueError for a box that does not lie in the image.
    """
    if not (context_pad or square):
        _check(box, box, image)
        return Crop(box, size, size)
    scale = size / (size - 2 * context_pad)
    half_height, half_width = (box.y2 - box.y1 + 1) / 2, (box.x2 - box.x1 + 1) / 2
    center_x, center_y = box.x1 + half_width, box.y1 + half_height
    if square:
        half_height = half_width = max(half_height, half_width)
    whole = Box(
        _round(center_x - half_width * scale),
        _round(center_y - half_height * scale),
        _round(center_x + half_width * scale),
        _round(center_y + half_height * scale),
    )
    before_x, before_y = max(0, -whole.x1), max(0, -whole.y1)
    after_x, after_y = max(0, whole.x2 - image[1] + 1), max(0, whole.y2 - image[0] + 1)
    inside = Box(whole.x1 + before_x, whole.y1 + before_y, whole.x2 - after_x, whole.y2 - after_y)
    _check(inside, box, image)
    scale_x, scale_y = size / (whole.x2 - whole.x1 + 1), size / (whole.y2 - whole.y1 + 1)
    top, left = _round(before_y * scale_y), _round((after_x if mirror else before_x) * scale_x)
    height = min(_round((inside.y2 - inside.y1 + 1) * scale_y), size - top)
    width = min(_round((inside.x2 - inside.x1 + 1) * scale_x), size - left)
    if min(height, width) < 1:
        raise ValueError(f"the window {tuple(box)} leaves nothing of the image of (height, width) {image}")
    return Crop(inside, height, width, top, left)


def _check(inside: Box, box: Box, image: tuple[int, int]) -> None:
    if not (0 <= inside.x1 <= inside.x2 < image[1] and 0 <= inside.y1 <= inside.y2 < image[0]):
        raise ValueError(f"the window {tuple(box)} does not lie in an image of (height, width) {image}")


def _round(x: float) -> int:
    """Round to the nearest integer, halves away from zero, as C's round."""
    return int(math.copysign(math.floor(abs(x) + 0.5), x))
