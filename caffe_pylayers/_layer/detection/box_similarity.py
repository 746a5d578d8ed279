"""How much a box is like another, with gradients: IoU and what is made of it. Boxes are x, y, w, h (..., 4)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from caffe_pylayers._layer.detection.cell_boxes import corners
from caffe_pylayers._layer.detection.overlaps import box_iou_forward

SIMILARITIES = ("iou", "giou", "diou", "ciou")

_EPS = 1e-6  # in CIoU's trade-off


def box_similarity_forward(boxes: Any, others: Any, kind: str, power: float = 1.0) -> Any:
    """Return IoU, or GIoU = IoU - (C - U) / C, DIoU = IoU - (d**2 / c**2)**power, CIoU = IoU - d**2 / c**2 - a v.

    C: the area of the smallest box around both, c its diagonal; U: the union; d: from centre to centre;
    v = (2 / pi (atan(w / h) - atan(w' / h')))**2, a = v / (1 - IoU + v). Boxes and others broadcast.
    """
    shared, union, hull = _measures(boxes, others)
    found = iou = shared / _divisor(union)
    if kind == "giou":
        around = _area(hull)
        found = iou - (around - union) / _divisor(around)
    elif kind == "diou":
        found = iou - _distance(boxes, others, hull)[0] ** power
    elif kind == "ciou":
        v = _shapes(boxes, others)[0]
        found = iou - _distance(boxes, others, hull)[0] - v * v / (1 - iou + v + _EPS)
    return found[..., 0]


def box_similarities(boxes: Any, others: Any, kind: str, power: float = 1.0) -> Any:
    """Return box_similarity_forward of each of boxes (R, 4) with each of others (T, 4), as (R, T)."""
    if kind == "iou":  # in half the time
        return box_iou_forward(corners(boxes), corners(others), plus_one=False)
    return box_similarity_forward(boxes[:, None], others, kind, power)


def box_similarity_backward(boxes: Any, others: Any, kind: str) -> Any:
    """Return d_boxes of box_similarity_forward, with a power of 1."""
    shared, union, hull = _measures(boxes, others)
    squares = _divisor(union * union)
    d_shared, d_area, d_hull = (union + shared) / squares, -shared / squares, 0 * hull
    d_centre, d_size = 0 * hull, 0 * hull
    if kind == "giou":
        around = _divisor(_area(hull))
        d_shared, d_area = d_shared - 1 / around, d_area + 1 / around
        d_hull = -union / around**2 * hull[..., ::-1]
    if kind in ("diou", "ciou"):
        far, shift, diagonal = _distance(boxes, others, hull)
        d_centre, d_hull = -2 * shift / diagonal, 2 * far / diagonal * hull
    if kind == "ciou":
        v, d_v = _shapes(boxes, others)
        a = v / (1 - shared / _divisor(union) + v + _EPS)
        d_shared, d_area = d_shared * (1 - a * a), d_area * (1 - a * a)
        d_size = -(2 * a - a * a) * d_v
    low, high, other_low, other_high = _ends(boxes, others)
    span = np.minimum(high, other_high) - np.maximum(low, other_low)
    d_span = d_shared * np.maximum(span, 0)[..., ::-1] * (span > 0)
    d_low = -d_span * (low > other_low) - d_hull * (low < other_low)
    d_high = d_span * (high < other_high) + d_hull * (high > other_high)
    d_size = d_size + d_area * boxes[..., :1:-1] + (d_high - d_low) / 2
    return np.concatenate([d_centre + d_low + d_high, d_size], -1)


def darknet_similarity_backward(boxes: Any, others: Any, kind: str) -> Any:
    """Return what darknet has in place of box_similarity_backward.

    The gradients of w and h are twice as large; boxes that do not meet have parts of it; the distance's has another
    sign where a centre moves the box around both, and the shape's is multiplied by w**2 + h**2, a counting as constant.
    """
    low, high, other_low, other_high = _ends(boxes, others)
    span = np.minimum(high, other_high) - np.maximum(low, other_low)
    hull = np.maximum(high, other_high) - np.minimum(low, other_low)
    size, across = boxes[..., 2:], span[..., ::-1]
    shared = _area(span)
    union = _area(size) + _area(others[..., 2:]) - shared
    i_low, i_high = np.where(low > other_low, -across, 0), np.where(high < other_high, across, 0)
    u_low, u_high = -size[..., ::-1] - i_low, size[..., ::-1] - i_high
    squares = np.where(union > 0, union * union, np.inf)
    d_low, d_high = (union * i_low - shared * u_low) / squares, (union * i_high - shared * u_high) / squares
    apart = (span <= 0).any(-1)[..., None]
    grows_low, grows_high = low < other_low, high > other_high
    if kind == "giou":
        around = _area(hull)
        more_low = (around * u_low + union * hull[..., ::-1] * grows_low) / around**2
        more_high = (around * u_high - union * hull[..., ::-1] * grows_high) / around**2
        d_low, d_high = np.where(apart, 0, d_low) + more_low, np.where(apart, 0, d_high) + more_high
    d_centre, d_size = d_low + d_high, d_high - d_low
    if kind in ("diou", "ciou"):
        far, shift, diagonal = _distance(boxes, others, hull)
        hull_centre = 2 * hull * (grows_high * 1.0 - grows_low)
        hull_size = hull * (grows_high * 1.0 + grows_low)
        d_centre = np.where(apart, 0, d_centre) - (2 * shift + far * hull_centre) / diagonal
        d_size = np.where(apart, 0, d_size) + far * hull_size / diagonal
    if kind == "ciou":
        v, d_v = _shapes(boxes, others)
        d_size -= v / (1 - shared / union + v + _EPS) * _squares(size) * d_v
    return np.concatenate([d_centre, d_size], -1)


def _ends(boxes: Any, others: Any) -> tuple[Any, Any, Any, Any]:
    """Return the low and the high corners (..., 2) of both."""
    half, other_half = boxes[..., 2:] / 2, others[..., 2:] / 2
    return boxes[..., :2] - half, boxes[..., :2] + half, others[..., :2] - other_half, others[..., :2] + other_half


def _measures(boxes: Any, others: Any) -> tuple[Any, Any, Any]:
    """Return the areas of intersections and unions (..., 1), and the sizes (..., 2) of the boxes around both."""
    low, high, other_low, other_high = _ends(boxes, others)
    shared = _area(np.maximum(np.minimum(high, other_high) - np.maximum(low, other_low), 0))
    union = _area(boxes[..., 2:]) + _area(others[..., 2:]) - shared
    return shared, union, np.maximum(high, other_high) - np.minimum(low, other_low)


def _distance(boxes: Any, others: Any, hull: Any) -> tuple[Any, Any, Any]:
    """Return d**2 / c**2 (..., 1), the way between the centres (..., 2), and c**2 (..., 1), 1 in place of 0."""
    shift, diagonal = boxes[..., :2] - others[..., :2], _divisor(_squares(hull))
    return _squares(shift) / diagonal, shift, diagonal


def _shapes(boxes: Any, others: Any) -> tuple[Any, Any]:
    """Return v (..., 1), and its gradient of w and h (..., 2)."""
    size = boxes[..., 2:]
    turned = np.arctan2(size[..., :1], size[..., 1:]) - np.arctan2(others[..., 2:3], others[..., 3:])
    d_turned = size[..., ::-1] * [1, -1] / _divisor(_squares(size))
    return 4 / math.pi**2 * turned**2, 8 / math.pi**2 * turned * d_turned


def _area(size: Any) -> Any:
    return size[..., :1] * size[..., 1:]


def _squares(pair: Any) -> Any:
    return (pair * pair).sum(-1, keepdims=True)


def _divisor(values: Any) -> Any:
    """Return the values, 1 in place of those that are not above 0."""
    return np.where(values > 0, values, 1)
