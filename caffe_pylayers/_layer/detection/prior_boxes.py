"""SSD's boxes: priors at every cell of a map, and the codes of boxes relative to them."""

from __future__ import annotations

import math
from typing import Any, Sequence

import numpy as np

from caffe_pylayers._layer import checks

CODES = ("corner", "center_size", "corner_size")

# The largest log of a size's ratio that decode_priors applies: areas of such boxes fit float32.
MAX_LOG_SCALE = 30.0


def prior_boxes(
    cells: Any,
    image: Any,
    min_size: Sequence[float],
    max_size: Sequence[float] = (),
    aspect_ratio: Sequence[float] = (),
    flip: bool = True,
    clip: bool = False,
    variance: Sequence[float] = (0.1,),
    step: Any = None,
    offset: float = 0.5,
    denser: bool = False,
) -> Any:
    """Return (1, 2, 4 H W P): the boxes of H rows and W columns of cells, as shares of the image; their variances.

    cells, image, step: (height, width). Of a cell, for each min_size: a square of it; one of sqrt(min_size max_size);
    and min_size sqrt(r) by min_size / sqrt(r) for each aspect ratio r but 1, with flip 1 / r behind it.
    denser: behind each box one whose centre is on the lower edge of the cell.
    """
    shapes = []
    for i, size in enumerate(min_size):
        shapes.append((size, size))
        if max_size:
            shapes.append((np.sqrt(np.float32(size * max_size[i])),) * 2)
        shapes += [(size * np.sqrt(r), size / np.sqrt(r)) for r in all_ratios(aspect_ratio, flip)[1:]]
    # In float32 as SSD's Caffe, whose rounding decides in later comparisons.
    half = np.array(shapes, np.float32)[:, None] / 2
    image_size = np.array(image[::-1], np.float32)
    steps = np.array((step or (image[0] / cells[0], image[1] / cells[1]))[::-1], np.float32)
    at = np.stack(np.meshgrid(np.arange(cells[1]), np.arange(cells[0])), -1).astype(np.float32)
    places = np.array([(offset, offset), (offset, 1)][: 1 + denser], np.float32)  # in a cell
    centres = (at[:, :, None, None] + places) * steps
    boxes = np.concatenate([(centres - half) / image_size, (centres + half) / image_size], -1)
    if clip:
        boxes = boxes.clip(0, 1)
    variances = np.broadcast_to(np.array(variance, np.float32), boxes.shape)
    return np.stack([boxes.reshape(-1), variances.reshape(-1)])[None]


def all_ratios(aspect_ratio: Sequence[float], flip: bool) -> list[Any]:
    """Return 1 and the ratios that differ from those before by 1e-6 or more, each with its inverse."""
    found = [np.float32(1)]
    for ratio in map(np.float32, aspect_ratio):
        if all(abs(ratio - other) >= 1e-6 for other in found):
            found += [ratio, 1 / ratio] if flip else [ratio]
    return found


def encode_priors(priors: Any, boxes: Any, code_type: str, variances: Any) -> Any:
    """Return the codes (..., 4) that decode_priors leads from priors to boxes (..., 4) with, both of positive sizes."""
    if code_type == "corner":
        return (boxes - priors) / variances
    size = priors[..., 2:] - priors[..., :2]
    if code_type == "corner_size":
        return (boxes - priors) / np.concatenate([size, size], -1) / variances
    shift = (boxes[..., :2] + boxes[..., 2:] - priors[..., :2] - priors[..., 2:]) / 2 / size
    return np.concatenate([shift, np.log((boxes[..., 2:] - boxes[..., :2]) / size)], -1) / variances


def decode_priors(priors: Any, codes: Any, code_type: str, variances: Any) -> Any:
    """Return the boxes (..., 4) that codes (..., 4) lead to from priors.

    center_size: the centre moves by variance t times the size, which is multiplied by exp(variance t), where more than
    MAX_LOG_SCALE counts as that.
    corner: the corners move by variance t. corner_size: by variance t times the size.
    """
    steps = codes * variances
    if code_type == "corner":
        return priors + steps
    size = priors[..., 2:] - priors[..., :2]
    if code_type == "corner_size":
        return priors + steps * np.concatenate([size, size], -1)
    centre = (priors[..., :2] + priors[..., 2:]) / 2 + steps[..., :2] * size
    half = np.exp(np.minimum(steps[..., 2:], MAX_LOG_SCALE)) * size / 2
    return np.concatenate([centre - half, centre + half], -1)


# What is decoded beside a box: how many values.
OUTLINES = {"none": 0, "polygon": 8, "rotated": 5}


def decode_outlines(priors: Any, codes: Any, outline: str, variances: Any) -> Any:
    """Return the outlines that codes (..., 8) or (..., 5) lead to from priors (..., 4), of TextBoxes++.

    polygon: the corners from the upper left one on, clockwise, which move from the prior's by variance t times its
    size. rotated: the first two corners, which move so from the prior's centre; and its height, which is multiplied by
    exp(variance t). variances: (..., 4), or 1.
    """
    variances = np.broadcast_to(np.asarray(variances, priors.dtype), priors.shape)
    size, step = priors[..., 2:] - priors[..., :2], variances[..., :2]
    if outline == "polygon":
        corners = priors[..., [0, 1, 2, 1, 2, 3, 0, 3]]
        return corners + codes * np.concatenate([step * size] * 4, -1)
    centre = (priors[..., :2] + priors[..., 2:]) / 2
    corners = np.concatenate([centre, centre], -1) + codes[..., :4] * np.concatenate([step * size] * 2, -1)
    height = np.exp(np.minimum(codes[..., 4:] * variances[..., 3:], MAX_LOG_SCALE)) * size[..., 1:]
    return np.concatenate([corners, height], -1)


def check_prior_blobs(layer: Any, blobs: Sequence[Any], values: Sequence[int], images: int, boxes: int) -> None:
    """Raise unless the bottoms have so many values.

    blobs: optional ones are None. values: of each blob, in all; None for one that is not checked.
    images, boxes: what a message says they are of.
    """
    for i, (blob, count) in enumerate(zip(blobs, values)):
        if blob is not None and count is not None and math.prod(blob.shape) != count:
            raise checks.error(
                layer,
                f"bottom[{i}] of shape {tuple(blob.shape)} has not the {count} values for {images} images of "
                f"{boxes} boxes and {layer.num_classes} classes",
            )
