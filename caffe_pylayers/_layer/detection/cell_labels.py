"""Ground truth of nets that predict at cells: classes and boxes x, y, w, h, shares of the image."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.detection import gt_boxes


class CellLabels(NamedTuple):
    """Ground truth of a batch, a row for each object.

    image: index in the batch, int64 (T,). classes: int64 (T,), from 0. boxes: (T, 4).
    """

    image: Any
    classes: Any
    boxes: Any

    def at(self, width: int, height: int) -> tuple[Any, Any]:
        """Return row and column of the cell that has each centre; a centre outside counts for the nearest cell."""
        column, row = (self.boxes[:, :2] * [width, height]).astype(np.int64).T
        return row.clip(0, height - 1), column.clip(0, width - 1)


def written(rows: Any, images: int, most: int = 300) -> Any:
    """Return SSD's rows (R, 8) of a batch as YOLO's labels (images, 1, most, 5), with zeros behind them.

    Of more boxes in an image than most, the first ones.
    """
    found = np.zeros((images, 1, most, 5), np.float32)
    for image in range(images):
        mine = rows[rows[:, 0] == image][:most]
        x1, y1, x2, y2 = mine[:, 3:7].T
        found[image, 0, : len(mine)] = np.stack([mine[:, 1] - 1, (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1], 1)
    return found


def read(layer: Any, what: str, blob: Any, images: int, num_classes: int) -> CellLabels:
    """Return the objects of a blob: class, x, y, w, h, until the first w of 0; or SSD's rows, whose classes begin at 1.

    blob: (N, 1, G, 5), (N, G, 5) or (N, 5 G); or (1, 1, G, 8), as gt_boxes has it.
    """
    if blob.shape[-1] == 8 and blob.ndim == 4 and blob.shape[:2] == (1, 1):
        found = gt_boxes.read(layer, what, blob, images, num_classes + 1)
        image, classes = found.image, found.classes - 1
        boxes = np.concatenate([found.boxes[:, :2] + found.boxes[:, 2:], found.boxes[:, 2:] - found.boxes[:, :2]], 1)
        boxes[:, :2] /= 2
    else:
        if blob.ndim < 2 or blob.shape[0] != images or (blob.size and blob.size // images % 5):
            raise checks.error(layer, f"{what} must have shape ({images}, 1, G, 5) or (1, 1, G, 8), got {blob.shape}")
        rows = blob.reshape(images, blob.size // max(images, 1) // 5, 5)
        real = np.logical_and.accumulate(rows[:, :, 3] != 0, 1)
        image, which = np.nonzero(real)
        boxes = rows[image, which, 1:]
        classes, _ = checks.class_labels(layer, rows[image, which, 0], num_classes, noun="class")
    checks.numbers(layer, f"{what} (boxes)", boxes)
    if boxes[:, 2:].min(initial=1) <= 0:
        raise checks.error(layer, f"{what} must be boxes of a width and a height above 0")
    return CellLabels(image, classes, boxes)
