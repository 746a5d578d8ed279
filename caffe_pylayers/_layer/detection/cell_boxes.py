"""YOLO's boxes: anchors at every cell of a map, moved and scaled by codes t; a box is x, y, w, h, centre and size."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.detection.prior_boxes import MAX_LOG_SCALE
from caffe_pylayers._layer.functions.sigmoid import sigmoid


def decode_cells(codes: Any, cells: Any, anchors: Any, grid: Any, image: Any) -> Any:
    """Return boxes (..., 4), shares of the image: x = (column + sigma(t_x)) / W, w = anchor_w exp(t_w) / image_w.

    codes: (..., 4), t_x, t_y, t_w, t_h; where t_w or t_h is more than MAX_LOG_SCALE it counts as that.
    cells: (..., 2), column and row. anchors: (..., 2), width and height. grid: W, H, the cells of the map.
    image: width and height, in the unit of the anchors.
    """
    centres = (cells + sigmoid(np, codes[..., :2])) / np.asarray(grid, codes.dtype)
    sizes = np.exp(np.minimum(codes[..., 2:], MAX_LOG_SCALE)) * (anchors / np.asarray(image, codes.dtype))
    return np.concatenate([centres, sizes], -1)


def encode_cells(boxes: Any, cells: Any, anchors: Any, grid: Any, image: Any) -> Any:
    """Return what decode_cells has to find for boxes (..., 4): sigma(t_x), sigma(t_y), t_w, t_h."""
    places = boxes[..., :2] * np.asarray(grid, boxes.dtype) - cells
    return np.concatenate([places, np.log(boxes[..., 2:] * np.asarray(image, boxes.dtype) / anchors)], -1)


def corners(boxes: Any) -> Any:
    """Return boxes x, y, w, h as x1, y1, x2, y2."""
    half = boxes[..., 2:] / 2
    return np.concatenate([boxes[..., :2] - half, boxes[..., :2] + half], -1)


def pairs(layer: Any, name: str) -> Any:
    """Return the layer's parameter of this name, width and height of each anchor in turn, as (A, 2)."""
    values = getattr(layer, name)
    if len(values) % 2:
        raise checks.error(layer, f"parameter {name} must hold a width and a height for each anchor, got {len(values)}")
    return np.reshape(values, (-1, 2))


def check_map(layer: Any, what: str, shape: Any, anchors: int, each: int) -> tuple[int, ...]:
    """Return (N, A, each, H, W); raise unless the shape is (N, A each, H, W) with cells."""
    shape = tuple(shape)
    if len(shape) != 4 or shape[1] != anchors * each or 0 in shape[2:]:
        raise checks.error(
            layer,
            f"{what} must have shape (N, {anchors * each}, H, W): {anchors} anchors of {each} values, got {shape}",
        )
    return shape[0], anchors, each, *shape[2:]
