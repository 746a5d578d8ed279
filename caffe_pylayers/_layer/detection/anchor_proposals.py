"""What layers share that propose the best of the boxes at a map's cells."""

from __future__ import annotations

from typing import Any, Iterator

import numpy as np

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.bases.no_gradient import NoGradient
from caffe_pylayers._layer.detection.anchor_codes import (
    CodedBoxes,
    decode_anchors,
    field_whr_parameter,
    field_xyr_parameter,
)
from caffe_pylayers._layer.detection.boxes import sizes
from caffe_pylayers._layer.detection.nms import by_score, greedy_nms

_NO_BOX = (0, 1, 1, 10, 10)  # what stands for the proposals of a batch that has none


def proposals(
    boxes: Any,
    scores: Any,
    threshold: float,
    min_size: float,
    iou_thr: float,
    plus_one: bool,
    before: int | None = None,
    after: int | None = None,
) -> tuple[Any, Any]:
    """Return (boxes, scores), the best first: what greedy suppression keeps of the good and large ones.

    boxes, scores: (R, 4) and (R,). threshold: the least score. min_size: the least width and height. before, after: how
    many boxes go into suppression, and come out; None: all.
    """
    good = (scores >= threshold) & (sizes(boxes, plus_one) >= min_size).all(1)
    boxes, scores = boxes[good], scores[good]
    order = by_score(scores, before)
    boxes, scores = boxes[order], scores[order]
    kept = greedy_nms(boxes, scores, iou_thr, plus_one, after)
    return boxes[kept], scores[kept]


class AnchorProposals(CodedBoxes, NoGradient):
    """A layer of maps with boxes at their cells, of which the best are proposed.

    A subclass sets the number of ``_images`` in plan.
    """

    conf_thr = Parameter(float, 0.0, doc="least score of an object")
    iou_thr = Parameter(float, 0.5, low=0, high=1, doc="the largest IoU of two boxes that both stay")
    field_xyr = field_xyr_parameter(2.0)
    field_whr = field_whr_parameter(2.0)
    max_nms_num = Parameter(int, 0, low=0, doc="boxes of an image that go into suppression, 0: all")
    max_post_nms_num = Parameter(int, 0, low=0, doc="boxes of an image that come out, 0: all")
    min_size = Parameter(float, 15.0, low=0, doc="least width and height, in pixels")

    plus_one = False
    _images: int

    def setup(self, bottom: Any, top: Any) -> None:
        checks.tops(self, top, "proposals", "scored", optional=1)

    def decode(self, deltas: Any, anchors: Any, stride: float) -> Any:
        """Return x, y, w, h of the boxes of maps of deltas (G, 4, H, W)."""
        return decode_anchors(deltas, anchors, stride, self.field_xyr, self.field_whr, self.bbox_mean, self.bbox_std)

    def candidates(self, bottom: Any, image: int) -> Iterator[tuple[Any, Any]]:
        """Yield (boxes x1 y1 x2 y2 (R, 4), scores (R,)) of each map."""
        raise NotImplementedError

    def name(self, i: int) -> str:
        """Return what messages call a bottom."""
        return f"bottom[{i}]"

    def forward(self, bottom: Any, top: Any) -> None:
        for i in range(len(bottom)):
            checks.numbers(self, self.name(i), bottom[i].data)
        found = []
        for image in range(self._images):
            boxes, scores = (np.concatenate(each) for each in zip(*self.candidates(bottom, image)))
            limits = self.max_nms_num or None, self.max_post_nms_num or None
            boxes, scores = proposals(boxes, scores, self.conf_thr, self.min_size, self.iou_thr, self.plus_one, *limits)
            found.append(np.column_stack([np.full(len(scores), image), boxes, scores]))
        rows = scored = np.concatenate([np.zeros((0, 6)), *found])
        if not len(rows):
            rows, scored = np.array([[*_NO_BOX, 0]]), np.zeros((1, 6))
        top[0].reshape(len(rows), 5, 1, 1)
        top[0].data[...] = rows[:, :5, None, None]
        if len(top) > 1:
            top[1].reshape(len(rows), 6, 1, 1)
            top[1].data[...] = scored[:, :, None, None]
