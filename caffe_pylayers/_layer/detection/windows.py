"""Windows of an image: which boxes they hold, and SSD's random ones.

Boxes are (rows, 4): x1, y1, x2, y2, a window one of them.
"""

from __future__ import annotations

import math
from typing import Any, Mapping

import numpy as np

from caffe_pylayers._layer.detection.boxes import areas
from caffe_pylayers._layer.detection.overlaps import intersections, over_union

EMIT_TYPES = ("center", "min_overlap")

# What a constraint bounds: the part of the union, of the window or of the box that a window and a box share.
MEASURES = ("jaccard_overlap", "sample_coverage", "object_coverage")

# What a sampler has where it does not say.
SAMPLER = {
    "min_scale": 1.0,
    "max_scale": 1.0,
    "min_aspect_ratio": 1.0,
    "max_aspect_ratio": 1.0,
    "max_trials": 100.0,
    "max_sample": math.inf,
}
CONSTRAINTS = tuple(f"{end}_{measure}" for measure in MEASURES for end in ("min", "max"))


def in_window(boxes: Any, window: Any) -> tuple[Any, Any]:
    """Return the boxes as parts of a window, clipped to it, and which of them have an area in it."""
    boxes, window = np.asarray(boxes, np.float64), np.asarray(window, np.float64)
    corner, size = np.tile(window[:2], 2), np.tile(window[2:] - window[:2], 2)
    inside = ((boxes - corner) / size).clip(0, 1)
    return inside, (inside[:, 2] > inside[:, 0]) & (inside[:, 3] > inside[:, 1])


def emitted(boxes: Any, window: Any, emit_type: str, overlap: float) -> Any:
    """Return which boxes count in a window.

    emit_type: center: those whose centre is in it or on its edge; min_overlap: those of whose area more than the part
    ``overlap`` is in it.
    """
    boxes, window = np.asarray(boxes, np.float64), np.asarray(window, np.float64)
    if emit_type == "center":
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2
        return ((centres >= window[:2]) & (centres <= window[2:])).all(1)
    return shared(window[None], boxes)["object_coverage"][0] > overlap


def shared(windows: Any, boxes: Any) -> dict[str, Any]:
    """Return what each of T windows shares with each of R boxes, (T, R), by MEASURES; 0 where that is nothing."""
    both, of_windows, of_boxes = intersections(windows, boxes, False), areas(windows, False), areas(boxes, False)
    parts = (both / np.where(both > 0, whole, 1) for whole in (of_windows[:, None], of_boxes))
    return dict(zip(MEASURES, (over_union(both, of_windows, of_boxes), *parts)))


def satisfying(windows: Any, boxes: Any, bounds: Mapping[str, float]) -> Any:
    """Return which windows have a box that is within all the bounds, by CONSTRAINTS; all of them without bounds."""
    given = [(name[:3], name[4:], bound) for name, bound in bounds.items() if name in CONSTRAINTS]
    if not given:
        return np.ones(len(windows), bool)
    found, good = shared(windows, boxes), np.ones((len(windows), len(boxes)), bool)
    for end, measure, bound in given:
        good &= found[measure] >= bound if end == "min" else found[measure] <= bound
    return good.any(1)


def random_windows(rng: Any, sampler: Mapping[str, float], count: int) -> Any:
    """Return windows in the unit square, (count, 4).

        width = s sqrt(r),   height = s / sqrt(r),   s in [min_scale, max_scale],   r in [min_aspect_ratio, ...],

    with r kept within s^2 .. 1 / s^2, so that neither side is longer than 1.
    """
    given = {**SAMPLER, **sampler}
    scale = rng.uniform(given["min_scale"], given["max_scale"], count)
    ratio = rng.uniform(given["min_aspect_ratio"], given["max_aspect_ratio"], count)
    ratio = np.minimum(np.maximum(ratio, scale**2), scale**-2)
    size = scale[:, None] * np.stack([np.sqrt(ratio), 1 / np.sqrt(ratio)], 1)
    start = rng.random((count, 2)) * (1 - size).clip(0, None)
    return np.concatenate([start, start + size], 1)


def jittered_window(rng: Any, jitter: float, square: bool = False) -> Any:
    """Return a random window, of 1 - jitter to 1 of the image each way, 60 times of 100; 20 times of half the jitter,
    20 times all.

    square: as much of the width as of the height.
    """
    jitter *= (0, 0.5, 1)[int(np.searchsorted([0.2, 0.4], rng.random(), "right"))]
    size = rng.uniform(1 - jitter, 1, 2)
    if square:
        size[1] = size[0]
    low = rng.random(2) * (1 - size)
    return np.concatenate([low, low + size])


def sampled_windows(rng: Any, boxes: Any, sampler: Mapping[str, float]) -> Any:
    """Return random windows within the sampler's bounds, (W, 4): of max_trials, no more than max_sample."""
    given = {**SAMPLER, **sampler}
    windows = random_windows(rng, given, int(given["max_trials"]))
    windows = windows[satisfying(windows, boxes, given)]
    return windows[: int(min(given["max_sample"], len(windows)))]
