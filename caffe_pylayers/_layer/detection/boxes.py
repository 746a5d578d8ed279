"""Boxes (x1, y1, x2, y2), arrays (..., 4): their sizes, and what they may be.

``plus_one`` is True where x2 and y2 are the last pixel inside, so that a width is x2 - x1 + 1, as R-CNN and VOC count;
False where they are the edge itself, as in boxes normalized to [0, 1] and in COCO.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.parameter import Parameter


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


def centre_sizes(boxes: Any, plus_one: bool) -> Any:
    """Return x and y of the centres, widths and heights, (..., 4)."""
    return np.concatenate([(boxes[..., :2] + boxes[..., 2:]) / 2, sizes(boxes, plus_one)], -1)


def areas(boxes: Any, plus_one: bool) -> Any:
    """Return the areas, (...); 0 where a box has its corners the wrong way round."""
    return sizes(boxes, plus_one).clip(0, None).prod(-1)


def clip(boxes: Any, height: Any, width: Any, plus_one: bool) -> Any:
    """Return the boxes with their corners moved into images of these sizes, numbers or arrays (...)."""
    ends = np.stack(np.broadcast_arrays(width, height), -1) - plus_one
    return np.minimum(boxes, np.concatenate([ends, ends], -1)).clip(0, None)


def check_sizes(layer: Any, what: str, boxes: Any, plus_one: bool) -> None:
    """Raise unless every one of the boxes (R, 4) has a width and a height above 0, and finite.

    what: how to name them: "bottom[1] (gt_boxes)".
    """
    with np.errstate(invalid="ignore"):  # infinity less infinity
        size = sizes(boxes, plus_one)
    good = ((size > 0) & (size < np.inf)).all(-1)
    if not good.all():
        row = int(good.argmin())
        box = ", ".join(f"{x:g}" for x in boxes[row])
        raise checks.error(
            layer,
            f"{what} must be boxes x1, y1, x2, y2 with a width and a height above 0, and finite, "
            f"got ({box}) in row {row}",
        )
