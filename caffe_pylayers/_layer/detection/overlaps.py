"""How much boxes overlap, with gradients; boxes as boxes.py has them."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffe_pylayers._layer.detection.boxes import areas, sizes

_BLOCK = 1 << 15  # values of a temporary: what fits a core's cache


def box_iou_forward(boxes: Any, others: Any, plus_one: bool, of_boxes: Any = None) -> Any:
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
        result[part] = over_union(shared, area[part], other_area, of_boxes)
    return result


def box_iou_backward(
    boxes: Any, others: Any, d_iou: Any, plus_one: bool, d_boxes: Any = None, d_others: Any = None
) -> None:
    """Write the gradients asked for, of the intersection over union I / (A + B - I) of each with each."""
    shared = intersections(boxes, others, plus_one)
    both = areas(boxes, plus_one)[:, None] + areas(others, plus_one)
    union = both - shared
    scale = d_iou / np.where(union > 0, union * union, 1)
    d_shared, d_area = scale * both, -scale * shared
    if d_boxes is not None:
        d_boxes[...] = _of_first(boxes, others, d_shared, d_area, plus_one)
    if d_others is not None:
        d_others[...] = _of_first(others, boxes, d_shared.T, d_area.T, plus_one)


def _of_first(boxes: Any, others: Any, d_shared: Any, d_area: Any, plus_one: bool) -> Any:
    """Return the gradient of R boxes, from those (R, G) of what they share with G others, and of their areas."""
    size = sizes(boxes, plus_one).clip(0, None)
    d_size = d_area.sum(1)[:, None] * size[:, ::-1] * (size > 0)
    found = np.concatenate([-d_size, d_size], -1)
    spans = [_span(boxes, others, i, plus_one) for i in range(2)]
    for i in range(2):
        d_span = d_shared * spans[1 - i] * (spans[i] > 0)
        # An end that both have is no kink to either: each takes half.
        found[:, i] -= (d_span * (0.5 + 0.5 * np.sign(boxes[:, None, i] - others[:, i]))).sum(1)
        found[:, 2 + i] += (d_span * (0.5 + 0.5 * np.sign(others[:, 2 + i] - boxes[:, None, 2 + i]))).sum(1)
    return found


def over_union(shared: Any, area: Any, other_area: Any, of_first: Any = None) -> Any:
    """Return shared / (area + other_area - shared), of areas (R,) and (G,), in their precision; 0 for 0 / 0.

    of_first: booleans (G,): with these others it is shared / area.
    """
    union = area[:, None] + other_area
    union -= shared
    if of_first is not None:
        union = np.where(of_first, area[:, None], union)
    union[~(union > 0)] = 1
    return np.divide(shared, union, out=union)


def intersections(boxes: Any, others: Any, plus_one: bool) -> Any:
    """Return the areas that each of R boxes shares with each of G others, (R, G)."""
    shared = _span(boxes, others, 0, plus_one)
    return np.multiply(shared, _span(boxes, others, 1, plus_one), out=shared)


def _span(boxes: Any, others: Any, axis: int, plus_one: bool) -> Any:
    """Return the lengths that boxes share with others along an axis, (R, G)."""
    low, high = np.ascontiguousarray(others[:, axis]), np.ascontiguousarray(others[:, 2 + axis])
    span = np.minimum(boxes[:, 2 + axis, None], high)
    span -= np.maximum(boxes[:, axis, None], low)
    span += plus_one
    return np.maximum(span, 0, out=span)
