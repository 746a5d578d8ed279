"""Boxes coded relative to anchors, boxes of fixed sizes at the middles of a map's cells, as MS-CNN has them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from caffe_pylayers._layer.base import Layer, Parameter

_LEAST = 2  # pixels: a width or a height below counts as that


class CodedBoxes(Layer):
    """A layer that decodes boxes from deltas, or codes them."""

    bbox_mean = Parameter((float,) * 4, (0.0,) * 4, doc="added to the deltas")
    bbox_std = Parameter((float,) * 4, (1.0,) * 4, above=0, doc="the deltas are multiplied by these before")


def field_xyr_parameter(default: float | None) -> Any:
    """Return the declaration of field_xyr."""
    doc = "a centre moves by the anchor's width and height over it at most"
    return Parameter(float, default, above=0, doc=doc if default else f"{doc}; default: any way")


def field_whr_parameter(default: float | None) -> Any:
    """Return the declaration of field_whr."""
    doc = "a size is no larger than the anchor's times it, nor smaller than over it"
    return Parameter(float, default, low=1, doc=doc if default else f"{doc}; default: any")


def bounds(field_xyr: Any, field_whr: Any, dtype: Any) -> Any:
    """Return how far a delta (4,) may be from 0: a centre's, 1 / field_xyr, and a size's, log field_whr; None: any."""
    centre = math.inf if field_xyr is None else 1 / field_xyr
    size = math.inf if field_whr is None else math.log(field_whr)
    return np.array([centre, centre, size, size], dtype)


def decode_anchors(
    deltas: Any,
    anchors: Any,
    stride: float,
    field_xyr: Any = 2.0,
    field_whr: Any = 2.0,
    means: Any = 0.0,
    stds: Any = 1.0,
) -> Any:
    """Return x, y, w, h, each (G, H, W), of boxes coded relative to an anchor at the middle of each cell.

    A centre is moved by a share of the anchor's size, 1 / field_xyr at most; a size is the anchor's times exp of a
    delta, field_whr or one over it at most.

    deltas: (G, 4, H, W), times stds plus means. anchors: (widths, heights) of the G anchors, in pixels.
    """
    shape = (1, 4, 1, 1)
    deltas = deltas * np.broadcast_to(stds, 4).reshape(shape) + np.broadcast_to(means, 4).reshape(shape)
    bound = bounds(field_xyr, field_whr, deltas.dtype).reshape(shape)
    deltas = deltas.clip(-bound, bound)
    found = []
    for axis in range(2):
        anchor = np.asarray(anchors[axis], deltas.dtype)[:, None, None]
        cells = (np.arange(deltas.shape[3 - axis]) + 0.5) * stride
        middle = cells if axis == 0 else cells[:, None]
        length = anchor * np.exp(deltas[:, 2 + axis])
        found.append((deltas[:, axis] * anchor + middle - length / 2, length))
    (x, w), (y, h) = found
    return x, y, w, h


def encode_anchors(boxes: Any, places: Any, anchors: Any, stride: float) -> Any:
    """Return the deltas (P, 4) of boxes relative to an anchor at the middle of a cell each.

    boxes: (P, 4), the x and y of a centre, width and height. places: (P, 2), the cells' columns and rows. anchors:
    (P, 2), widths and heights.
    """
    shift = (boxes[:, :2] - (places + 0.5) * stride) / anchors
    return np.concatenate([shift, np.log(np.maximum(boxes[:, 2:], _LEAST) / anchors)], 1)
