"""The code of a box relative to another, and the way back, with gradients; boxes as boxes.py has them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from caffe_pylayers._layer.detection.boxes import sizes

# The largest log of a size's ratio that decoding applies, as in Detectron: no exp overflows.
MAX_LOG_SCALE = math.log(1000 / 16)


def box_encode_forward(boxes: Any, targets: Any, plus_one: bool, means: Any = 0.0, stds: Any = 1.0) -> Any:
    """Return the deltas (t_x, t_y, t_w, t_h) from boxes to targets, both (..., 4) of positive sizes.

    t_x = (x_t - x) / w, t_w = log(w_t / w), with centres x; then (t - means) / stds.
    """
    size, target_size = sizes(boxes, plus_one), sizes(targets, plus_one)
    shift = (targets[..., :2] + target_size / 2 - boxes[..., :2] - size / 2) / size
    return (np.concatenate([shift, np.log(target_size / size)], -1) - means) / stds


def box_encode_backward(
    boxes: Any,
    targets: Any,
    d_deltas: Any,
    plus_one: bool,
    stds: Any = 1.0,
    d_boxes: Any = None,
    d_targets: Any = None,
) -> None:
    """Write the gradients asked for, of t_x = (x_t - x) / w / std and t_w = log(w_t / w) / std."""
    size, target_size = sizes(boxes, plus_one), sizes(targets, plus_one)
    d_shift, d_log = np.split(d_deltas / np.asarray(stds, d_deltas.dtype), 2, -1)
    d_shift = d_shift / size
    if d_boxes is not None:
        shift = targets[..., :2] + target_size / 2 - boxes[..., :2] - size / 2
        d_boxes[...] = _d_corners(-d_shift, -(d_shift * shift + d_log) / size)
    if d_targets is not None:
        d_targets[...] = _d_corners(d_shift, d_log / target_size)


def box_decode_forward(
    boxes: Any, deltas: Any, plus_one: bool, means: Any = 0.0, stds: Any = 1.0, exact_inverse: bool = True
) -> Any:
    """Return the boxes that the deltas t, given as (t - means) / stds, lead to from boxes.

    x' = x + t_x w, w' = exp(t_w) w, with centres x; a t_w or t_h above MAX_LOG_SCALE counts as that.

    exact_inverse: decode what box_encode_forward gave to the same box; False: with plus_one, x2 and y2 are one pixel
        further, as in py-faster-rcnn, whose models are trained and tested so.
    """
    shift, log = _scaled(deltas, means, stds)
    size = sizes(boxes, plus_one)
    centre = boxes[..., :2] + size / 2 + shift * size
    half = np.exp(np.minimum(log, MAX_LOG_SCALE)) * size / 2
    return np.concatenate([centre - half, centre + half - (plus_one and exact_inverse)], -1)


def box_decode_backward(
    boxes: Any,
    deltas: Any,
    d_decoded: Any,
    plus_one: bool,
    means: Any = 0.0,
    stds: Any = 1.0,
    d_boxes: Any = None,
    d_deltas: Any = None,
) -> None:
    """Write the gradients asked for; none of a t_w or t_h above MAX_LOG_SCALE.

    boxes, d_boxes: (R, 4). deltas, d_decoded, d_deltas: (R, K, 4), for K boxes from each.
    """
    shift, log = _scaled(deltas, means, stds)
    size = sizes(boxes, plus_one)[:, None]
    scale = np.exp(np.minimum(log, MAX_LOG_SCALE))
    d_centre = d_decoded[..., :2] + d_decoded[..., 2:]
    d_scale = (d_decoded[..., 2:] - d_decoded[..., :2]) / 2 * scale
    if d_boxes is not None:
        d_boxes[...] = _d_corners(d_centre, d_centre * shift + d_scale).sum(1)
    if d_deltas is not None:
        d_log = np.where(log < MAX_LOG_SCALE, d_scale * size, 0)
        d_deltas[...] = np.concatenate([d_centre * size, d_log], -1) * np.asarray(stds, deltas.dtype)


def _scaled(deltas: Any, means: Any, stds: Any) -> Any:
    return np.split(deltas * np.asarray(stds, deltas.dtype) + np.asarray(means, deltas.dtype), 2, -1)


def _d_corners(d_centre: Any, d_size: Any) -> Any:
    return np.concatenate([d_centre / 2 - d_size, d_centre / 2 + d_size], -1)
