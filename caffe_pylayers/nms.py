"""Non-maximum suppression: detections from ROIs and their scores.

layer {
  name: "detections"  type: "Python"
  bottom: "rois"  bottom: "cls_prob"  bottom: "boxes"  top: "detections"
  python_param {
    module: "caffe_pylayers.nms"  layer: "NMS"
    param_str: "{nms_threshold: 0.3, score_threshold: 0.05, keep_top_k: 100}"
  }
}
"""

from __future__ import annotations

import numpy as np

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.bases.no_gradient import NoGradient
from caffe_pylayers._layer.detection import box_blobs
from caffe_pylayers._layer.detection.boxes import plus_one_parameter
from caffe_pylayers._layer.detection.nms import METHODS, best_in_order, by_score, greedy_nms, soft_nms

__all__ = ["NMS", "greedy_nms", "soft_nms"]


class NMS(NoGradient):
    """Of overlapping boxes the ones with the best scores, by image and class.

    greedy: from the best score down, a box goes if its IoU with one that stays is above nms_threshold.
    linear, gaussian (Soft-NMS): it stays, and its score is multiplied by 1 - IoU where IoU is above
    nms_threshold, or by exp(-IoU**2 / sigma).

    Bottom:
        [0] ROIs (R, 5), or boxes (R, 4) of one image
        [1] scores (R, C), (R,) or (R, C, 1, 1): of C classes, the background among them where C > 1
        [2] boxes by class, optional: (R, 4 C); (R, 4) or (R, 8), whose last four are used for every
            class. Default: those of bottom[0]
    Top:
        [0] detections (K, 7): image, class, score, x1, y1, x2, y2, as SSD's DetectionOutput has
            them: sorted by image, then class, then score from the best down. K may be 0.
        [1] index (K,), optional: each detection's row in bottom[0], a second bottom for BatchReindex
    Backward:
        Zeros. A BatchReindex by ``index`` in training needs ``propagate_down: true  propagate_down: false``.
    Raises:
        ValueError for shapes that do not fit, for a batch index that is no integer, for a score that is NaN, and for a
        box that is not finite and whose score counts.
    References:
        Bodla et al., "Soft-NMS: Improving Object Detection With One Line of Code", 2017,
        arXiv:1704.04503. Greedy it is py-faster-rcnn's nms with the loop over classes of its test_net
        (score_threshold 0.05, keep_top_k 100), and fast_rcnn's apply_nms.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> boxes, scores = [[0, 0, 9, 9], [1, 0, 10, 9], [20, 0, 29, 9]], [0.8, 0.9, 0.7]
        >>> LayerRun(NMS, [boxes, scores]).forward()[0]
        array([[ 0. ,  0. ,  0.9,  1. ,  0. , 10. ,  9. ],
               [ 0. ,  0. ,  0.7, 20. ,  0. , 29. ,  9. ]])
    """

    nms_threshold = Parameter(float, 0.3, low=0, high=1, doc="the largest IoU of two boxes that both stay")
    method = Parameter(str, "greedy", choices=METHODS, doc="how boxes that overlap are suppressed")
    sigma = Parameter(float, 0.5, above=0, doc="of the gaussian method")
    score_threshold = Parameter(
        float, None, doc="only boxes with a score above it go in, and come out; default: all, with Soft-NMS 0.001"
    )
    top_k = Parameter(int, None, low=1, doc="of each class the best so many go in; default: all")
    keep_top_k = Parameter(int, None, low=1, doc="of each image the best so many come out; default: all")
    background_label = Parameter(int, None, low=-1, doc="a class left out, -1: none; default: 0, none where C is 1")
    legacy_plus_one = plus_one_parameter()

    def setup(self, bottom, top):
        checks.tops(self, top, "detections", "index", optional=1)

    def plan(self, rois, scores, boxes=None):
        rows = box_blobs.rows(self, "bottom[0] (rois)", rois, 4, 5)
        shape = tuple(scores.shape)
        self._classes = int(np.prod(shape[1:]))
        if shape[:1] != (len(rows),):
            raise checks.error(self, f"bottom[1] (scores) must have shape ({len(rows)}, C), got {shape}")
        if boxes is not None:
            columns = int(np.prod(boxes.shape[1:]))
            if boxes.shape[:1] != (len(rows),) or columns not in (4, 8, 4 * self._classes):
                raise checks.error(
                    self,
                    f"bottom[2] (boxes) must have shape ({len(rows)}, {4 * self._classes}), or 4 or 8 columns for "
                    f"all classes, got {tuple(boxes.shape)}",
                )
        return [(1, 7), (1,)]

    def forward(self, bottom, top):
        rois = box_blobs.rows(self, "bottom[0] (rois)", bottom[0].data, 4, 5)
        scores = bottom[1].data.reshape(len(rois), self._classes)
        boxes = rois[:, -4:]
        if len(bottom) == 3:
            boxes = bottom[2].data.reshape(len(rois), int(np.prod(bottom[2].data.shape[1:])))
        images = np.zeros(len(rois), np.int64)
        if rois.shape[1] == 5:
            images = box_blobs.image_index(self, "bottom[0] (rois)", rois[:, 0])
        self._check(scores, boxes, len(bottom) == 3)
        found = [self._of_image(i, np.flatnonzero(images == i), boxes, scores) for i in np.unique(images)]
        detections = np.concatenate([x for x, _ in found]) if found else np.zeros((0, 7))
        top[0].reshape(*detections.shape)
        top[0].data[...] = detections
        if len(top) == 2:
            index = np.concatenate([x for _, x in found]) if found else np.zeros(0)
            top[1].reshape(len(index))
            top[1].data[...] = index

    def _check(self, scores, boxes, given):
        """Raise for a score that has no rank, and for a box of one that counts that is not finite."""
        classes = np.arange(self._classes) != self._background()
        checks.numbers(self, "bottom[1] (scores)", scores, classes, -np.inf, np.inf)
        counts = (scores > self._lowest()) & classes
        counts = counts.repeat(4, 1) if self._per_class(boxes) else counts.any(1)[:, None]
        checks.numbers(self, "bottom[2] (boxes)" if given else "bottom[0] (rois)", boxes, counts)

    def _of_image(self, image, rows, boxes, scores):
        """Return detections (K, 7) and their rows, of one image whose ROIs are these rows."""
        detections, index = [np.zeros((0, 7), scores.dtype)], [rows[:0]]
        for c in range(self._classes):
            if c == self._background():
                continue
            mine = rows[scores[rows, c] > self._lowest()]
            mine = mine[by_score(scores[mine, c], self.top_k)]
            of_class = boxes[mine, 4 * c : 4 * c + 4] if self._per_class(boxes) else boxes[mine, -4:]
            kept, weights = self._suppress(of_class, scores[mine, c])
            columns = np.full(len(kept), image), np.full(len(kept), c), weights
            detections.append(np.column_stack([*columns, of_class[kept]]))
            index.append(mine[kept])
        found, where = np.concatenate(detections), np.concatenate(index)
        best = best_in_order(found[:, 2], self.keep_top_k)
        return found[best], where[best]

    def _per_class(self, boxes):
        """Return True where each class has boxes of its own."""
        return boxes.shape[1] == 4 * self._classes

    def _background(self):
        if self.background_label is not None:
            return self.background_label
        return 0 if self._classes > 1 else -1

    def _suppress(self, boxes, scores):
        """Return the indices of the boxes kept, and their scores."""
        if self.method == "greedy":
            kept = greedy_nms(boxes, scores, self.nms_threshold, self.legacy_plus_one)
            return kept, scores[kept]
        return soft_nms(
            boxes, scores, self.legacy_plus_one, self.method, self.nms_threshold, self.sigma, self._lowest()
        )

    def _lowest(self):
        if self.score_threshold is not None:
            return self.score_threshold
        return -np.inf if self.method == "greedy" else 0.001
