"""Boxes (x1, y1, x2, y2), arrays (..., 4): their sizes, overlaps, and the code of one relative to another.

``plus_one`` is True where x2 and y2 are the last pixel inside, so that a width is x2 - x1 + 1, as R-CNN and VOC count;
False where they are the edge itself, as in boxes normalized to [0, 1] and in COCO.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.parameter import Parameter

# The largest log of a size's ratio that decode applies, as in Detectron: no exp overflows.
MAX_LOG_SCALE = math.log(1000 / 16)

_BLOCK = 1 << 15  # values of a temporary: what fits a core's cache


def plus_one_parameter() -> Parameter:
    """Return the declaration of legacy_plus_one, the same in every layer of boxes in pixels."""
    return Parameter(
        bool,
        True,
        doc="a width is x2 - x1 + 1, as in R-CNN; false: x2 - x1, as for boxes normalized to [0, 1] and in COCO",
    )


def sizes(boxes: Any, plus_one: bool) -> Any:
    """Return widths and heights, (..., 2)."""
    return boxes[..., 2:] - boxes[..., :2] + plus_one


def areas(boxes: Any, plus_one: bool) -> Any:
    """Return the areas, (...); 0 where a box has its corners the wrong way round."""
    return sizes(boxes, plus_one).clip(0, None).prod(-1)


def clip(boxes: Any, height: Any, width: Any, plus_one: bool) -> Any:
    """Return the boxes with their corners moved into images of these sizes, numbers or arrays (...)."""
    ends = np.stack(np.broadcast_arrays(width, height), -1) - plus_one
    return np.minimum(boxes, np.concatenate([ends, ends], -1)).clip(0, None)


def encode(boxes: Any, targets: Any, plus_one: bool, means: Any = 0.0, stds: Any = 1.0) -> Any:
    """Return the deltas (t_x, t_y, t_w, t_h) from boxes to targets, both (..., 4) of positive sizes.

    t_x = (x_t - x) / w, t_w = log(w_t / w), with centres x; then (t - means) / stds.
    """
    size, target_size = sizes(boxes, plus_one), sizes(targets, plus_one)
    shift = (targets[..., :2] + target_size / 2 - boxes[..., :2] - size / 2) / size
    return (np.concatenate([shift, np.log(target_size / size)], -1) - means) / stds


def decode(
    boxes: Any, deltas: Any, plus_one: bool, means: Any = 0.0, stds: Any = 1.0, exact_inverse: bool = True
) -> Any:
    """Return the boxes that the deltas, t * stds + means, lead to from boxes.

    A t_w or t_h above MAX_LOG_SCALE counts as that.

    exact_inverse: decode what encode gave to the same box; False: with plus_one, x2 and y2 are
        one pixel further, as in py-faster-rcnn, whose models are trained and tested so.
    """
    deltas = deltas * np.asarray(stds, deltas.dtype) + np.asarray(means, deltas.dtype)
    size = sizes(boxes, plus_one)
    centre = boxes[..., :2] + size / 2 + deltas[..., :2] * size
    half = np.exp(np.minimum(deltas[..., 2:], MAX_LOG_SCALE)) * size / 2
    return np.concatenate([centre - half, centre + half - (plus_one and exact_inverse)], -1)


def overlaps(boxes: Any, others: Any, plus_one: bool, of_boxes: Any = None) -> Any:
    """Return the intersection over union of each of R boxes with each of G others, float64 (R, G).

    It is 0 where both are empty. What it takes beside the result does not grow with R G.

    of_boxes: booleans (G,): with these others it is the share of the box itself, as COCO's with crowds.
    """
    boxes, others = np.asarray(boxes, np.float64), np.asarray(others, np.float64)
    result = np.empty((len(boxes), len(others)))
    rows = max(_BLOCK // max(len(others), 1), 1)
    area, other_area = areas(boxes, plus_one), areas(others, plus_one)
    for start in range(0, len(boxes), rows):
        part = slice(start, start + rows)
        shared = intersections(boxes[part], others, plus_one)
        union = area[part, None] + other_area - shared
        if of_boxes is not None:
            union = np.where(of_boxes, area[part, None], union)
        result[part] = shared / np.where(union > 0, union, 1)
    return result


def intersections(boxes: Any, others: Any, plus_one: bool) -> Any:
    """Return the areas that each of R boxes shares with each of G others, (R, G)."""
    columns = np.ascontiguousarray(others.T)  # along which the loops below go
    shared = None
    for low, high in ((0, 2), (1, 3)):
        span = np.minimum(boxes[:, high, None], columns[high])
        span -= np.maximum(boxes[:, low, None], columns[low])
        span += plus_one
        np.maximum(span, 0, out=span)
        shared = span if shared is None else np.multiply(shared, span, out=shared)
    return shared


def check_sizes(layer: Any, what: str, boxes: Any, plus_one: bool) -> None:
    """Raise unless every one of the boxes (R, 4) has a width and a height above 0.

    what: how to name them: "bottom[1] (gt_boxes)".
    """
    good = (sizes(boxes, plus_one) > 0).all(-1)
    if not good.all():
        row = int(good.argmin())
        box = ", ".join(f"{x:g}" for x in boxes[row])
        raise checks.error(
            layer, f"{what} must be boxes x1, y1, x2, y2 with a width and a height above 0, got ({box}) in row {row}"
        )
