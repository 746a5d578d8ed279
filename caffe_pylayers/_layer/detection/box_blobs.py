"""Blobs of boxes: rows of 4 or more numbers, whatever axes of size 1 stand around them."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffe_pylayers._layer import arrays, checks


def rows(layer: Any, what: str, blob: Any, *columns: int) -> Any:
    """Return the values as (R, K), K one of columns, for a blob (R, K), (R, K, 1, 1) or (1, 1, R, K).

    It is the blob's memory where it is numpy's. what: how to name it: "bottom[0] (rois)".
    """
    array = arrays.to_numpy(blob)
    shape = tuple(array.shape)
    trimmed = len(shape)
    while trimmed > 1 and shape[trimmed - 1] == 1:
        trimmed -= 1
    *outer, last = shape[:trimmed] or (0,)
    if not outer or last not in columns or sum(n != 1 for n in outer) > 1:
        words = " or ".join(f"(R, {k})" for k in columns)
        raise checks.error(layer, f"{what} must have shape {words}, got {shape}")
    return array.reshape(int(np.prod(outer)), last)


def image_index(layer: Any, what: str, index: Any, images: int | None = None) -> Any:
    """Return batch indices as int64; raise for one that is no integer in [0, images), or below 0 without images."""
    found = arrays.to_int64(index)
    bad = (found != index) | (found < 0) | (images is not None and found >= images)
    if bad.any():
        row = int(bad.argmax())
        wanted = "an integer of 0 or more" if images is None else f"one of the {images} images"
        raise checks.error(layer, f"{what} has the batch index {float(index[row]):g} in row {row}; it must be {wanted}")
    return found


def whole(layer: Any, what: str, values: Any, noun: str) -> None:
    """Raise where one of the values, a column of rows, is NaN, infinite or no integer; noun: what it is."""
    bad = ~np.isfinite(values) | (np.floor(values) != values)
    if bad.any():
        row = int(bad.argmax())
        raise checks.error(layer, f"{what} has the {noun} {float(values[row]):g} in row {row}, which is no integer")


def check_info(layer: Any, what: str, im_info: Any, images: int) -> Any:
    """Return im_info as rows (height, width, scale) or (height, width); raise unless one serves all, or each image."""
    found = rows(layer, what, im_info, 3, 2)
    if len(found) not in (1, images):
        raise checks.error(layer, f"{what} must have 1 row, or one for each of {images} images, got {len(found)}")
    return found


def image_info(layer: Any, what: str, im_info: Any, images: int) -> Any:
    """Return (N, 3): height, width and scale of each image; scale 1 where only the sizes are given.

    One row serves all images. Raises for a value that is not finite.
    """
    found = check_info(layer, what, im_info, images)
    checks.numbers(layer, what, found)
    if found.shape[1] == 2:
        found = np.concatenate([found, np.ones_like(found[:, :1])], 1)
    return np.broadcast_to(found, (images, 3))
