"""Anchors: reference boxes of several ratios and scales, at every cell of a feature map."""

from __future__ import annotations

from typing import Any

import numpy as np


def generate_anchors(base_size: float = 16, ratios: Any = (0.5, 1, 2), scales: Any = (8, 16, 32)) -> Any:
    """Return py-faster-rcnn's anchors of the cell at the origin, (ratios x scales, 4), ratios outermost.

    They are centred on the pixels 0 .. base_size - 1, with x2 and y2 the last pixel inside.
    Widths and heights of the base_size's area are rounded, half to even, before they are scaled.

    ratios: height over width.
    scales: widths over those of base_size.
    """
    ratios = np.asarray(ratios, np.float64)
    widths = np.round(np.sqrt(base_size * base_size / ratios))
    heights = np.round(widths * ratios)
    return _centred((base_size - 1) / 2, widths, heights, scales, 1)


def exact_anchors(base_size: float = 16, ratios: Any = (0.5, 1, 2), scales: Any = (8, 16, 32)) -> Any:
    """Return anchors with x2 and y2 the edges, not rounded: of area (base_size scale)**2, centred on base_size / 2."""
    roots = np.sqrt(np.asarray(ratios, np.float64))
    return _centred(base_size / 2, base_size / roots, base_size * roots, scales, 0)


def shifted(anchors: Any, height: int, width: int, stride: Any, offset: float = 0.0) -> Any:
    """Return the A anchors at each cell of a map, (height x width x A, 4): rows, columns, anchors.

    stride: pixels between cells: a number, or (vertical, horizontal).
    offset: added to rows and columns, in cells.
    """
    down, right = np.broadcast_to(stride, 2)
    y, x = (np.arange(height) + offset) * down, (np.arange(width) + offset) * right
    shifts = np.empty((height, width, 1, 4))
    shifts[..., 0::2], shifts[..., 1::2] = x[:, None, None], y[:, None, None, None]
    return (anchors + shifts).reshape(-1, 4)


def inside(anchors: Any, height: float, width: float, border: float = 0.0) -> Any:
    """Return where an anchor reaches no more than the border, in pixels, beyond an image, (R,)."""
    return (anchors[:, :2] >= -border).all(1) & (anchors[:, 2] < width + border) & (anchors[:, 3] < height + border)


def _centred(centre: float, widths: Any, heights: Any, scales: Any, last: int) -> Any:
    half = (np.stack([widths, heights], -1)[:, None] * np.asarray(scales, np.float64)[:, None] - last) / 2
    return np.concatenate([centre - half, centre + half], -1).reshape(-1, 4)
