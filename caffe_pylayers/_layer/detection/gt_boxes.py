"""Ground truth in the forms that R-CNN's and SSD's data layers give it, told apart by the last axis.

(G, 5): x1, y1, x2, y2, class, of one image. (N, G, 5): the same of N images. (G, 6): the image's index in the batch,
then these. (G, 7): these, then difficult or crowd. (1, 1, G, 8): SSD's, index, class, instance, x1, y1, x2, y2,
difficult.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.detection import box_blobs


class GroundTruth(NamedTuple):
    """Ground truth of a batch, a row for each object.

    image: index in the batch, int64 (G,).
    boxes: (G, 4).
    classes: int64 (G,).
    flagged: booleans (G,), True for difficult ones or crowds.
    images: N; None where the form does not say, and any index is one.
    """

    image: Any
    boxes: Any
    classes: Any
    flagged: Any
    images: int | None = None

    def of(self, image: int) -> GroundTruth:
        """Return the rows of one image."""
        return self.only(self.image == image)

    def only(self, rows: Any) -> GroundTruth:
        """Return some of the rows, by index or booleans."""
        return GroundTruth(self.image[rows], self.boxes[rows], self.classes[rows], self.flagged[rows], self.images)


def read(
    layer: Any,
    what: str,
    blob: Any,
    images: int | None = None,
    num_classes: int | None = None,
    background: int = 0,
) -> GroundTruth:
    """Return the objects of a blob, without the rows that pad it: of the background, of class -1, or of index -1.

    what: how to name it: "bottom[1] (gt_boxes)".
    images: N, where it is known: an index outside [0, N) is refused, and (G, 5) where N is not 1.
    num_classes: classes from that on are refused.

    Raises for a class or an index, of any row, that is no integer, and for other values of an object that are not
    finite.
    """
    shape = tuple(blob.shape)
    held = None
    if len(shape) >= 3 and shape[-1] == 5:
        found, held = blob.reshape(int(np.prod(shape[:-1])), 5), shape[0]
        index = np.arange(held).repeat(int(np.prod(shape[1:-1])))
    else:
        found = box_blobs.rows(layer, what, blob, 5, 6, 7, 8)
        index = found[:, 0]
        if found.shape[1] == 5:
            index, held = np.zeros(len(found)), 1
    if None not in (held, images) and held != images:
        raise checks.error(layer, f"{what} of shape {shape} are of {held} image(s), got a batch of {images}")
    boxes, classes, flagged = _columns(found)
    box_blobs.whole(layer, what, index, "batch index")
    box_blobs.whole(layer, what, classes, "class")
    real = (index >= 0) & (classes >= 0) & (classes != background)
    checks.numbers(layer, what, found, real[:, None])
    images = held if images is None else images
    index = box_blobs.image_index(layer, what, index[real], images)
    classes = classes[real].astype(np.int64)
    if num_classes is not None and classes.max(initial=0) >= num_classes:
        raise checks.error(layer, f"{what} has the class {classes.max()}, outside [0, {num_classes})")
    return GroundTruth(index, boxes[real], classes, flagged[real], images)


def _columns(rows: Any) -> Any:
    """Return boxes (G, 4), classes (G,) and flags (G,) of rows of any form."""
    count = rows.shape[1]
    if count == 8:
        return rows[:, 3:7], rows[:, 1], rows[:, 7] != 0
    first = 0 if count == 5 else 1
    flagged = rows[:, 6] != 0 if count == 7 else np.zeros(len(rows), bool)
    return rows[:, first : first + 4], rows[:, first + 4], flagged
