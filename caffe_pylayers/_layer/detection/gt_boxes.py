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
    """

    image: Any
    boxes: Any
    classes: Any
    flagged: Any

    def of(self, image: int) -> GroundTruth:
        """Return the rows of one image."""
        mine = self.image == image
        return GroundTruth(*(column[mine] for column in self))


def read(layer: Any, what: str, blob: Any, images: int | None = None) -> GroundTruth:
    """Return the objects of a blob, without the rows that pad it: those of class 0 or less, or of index -1.

    what: how to name it: "bottom[1] (gt_boxes)".
    images: N, where it is known: an index outside [0, N) is refused, and (G, 5) where N is not 1.

    Raises for a class or an index, of any row, that is no integer.
    """
    shape = tuple(blob.shape)
    if len(shape) >= 3 and shape[-1] == 5:
        index = np.arange(shape[0]).repeat(int(np.prod(shape[1:-1])))
        found, held = blob.reshape(-1, 5), shape[0]
    else:
        found, held = box_blobs.rows(layer, what, blob, 5, 6, 7, 8), 1
        index = np.zeros(len(found)) if found.shape[1] == 5 else found[:, 0]
    if found.shape[1] == 5 and images not in (None, held):
        raise checks.error(layer, f"{what} of shape {shape} are of {held} image(s), got a batch of {images}")
    boxes, classes, flagged = _columns(found)
    box_blobs.whole(layer, what, index, "batch index")
    box_blobs.whole(layer, what, classes, "class")
    real = (index >= 0) & (classes > 0)
    index = box_blobs.image_index(layer, what, index[real], images or int(index.max(initial=0)) + 1)
    return GroundTruth(index, boxes[real], classes[real].astype(np.int64), flagged[real])


def _columns(rows: Any) -> Any:
    count = rows.shape[1]
    if count == 8:
        return rows[:, 3:7], rows[:, 1], rows[:, 7] != 0
    first = 0 if count == 5 else 1
    flagged = rows[:, 6] != 0 if count == 7 else np.zeros(len(rows), bool)
    return rows[:, first : first + 4], rows[:, first + 4], flagged
