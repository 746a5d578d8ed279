"""What layers share that compare scores and deltas at a map's cells with labels there, as MS-CNN trains."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.detection.anchor_codes import CodedBoxes


class Cells(NamedTuple):
    """Maps of N images and G anchors: scores (N, G, C, H, W), deltas (N, G, 4, H, W), labels (N, G, 6, H, W)."""

    scores: Any
    deltas: Any
    labels: Any


class AtCells(CodedBoxes):
    """A layer of scores and deltas at cells, and labels there: class, x and y of a centre, w, h, IoU.

    They are in two bottoms, scores and deltas in one; or, of a subclass with ``groups``, in three.
    """

    num_classes = Parameter(int, low=2, doc="C, the background, 0, among them")
    field_w = Parameter([float], above=0, length=(1, None), doc="widths of the anchors, in pixels")
    field_h = Parameter([float], above=0, length=(1, None), doc="heights of the anchors")
    stride = Parameter(float, above=0, doc="of the map, in pixels")
    bg_threshold = Parameter(float, 0.5, doc="cells of class 0 and an IoU of this or more count for nothing")
    objectness = Parameter(bool, False, doc="all classes but the background count as one, 1")
    ignore_label = Parameter(int, None, doc="cells of this class count for nothing")

    groups = False

    def plan_cells(self, *maps: Any) -> None:
        """Check the bottoms' number and shapes."""
        checks.bottoms(self, maps, *(("scores", "deltas", "labels") if self.groups else ("maps", "labels")))
        anchors, shapes = len(self.field_w), [tuple(each.shape) for each in maps]
        if len(self.field_h) != anchors or (anchors > 1 and not self.groups):
            number = "as many widths as heights" if self.groups else "one anchor"
            raise checks.error(
                self,
                f"parameters field_w and field_h must have {number}, got {anchors} and {len(self.field_h)}",
            )
        channels = (self.num_classes, 4, 6) if self.groups else (self.num_classes + 4, 6)
        first = shapes[0]
        wanted = [(*first[:1], count, *first[2:]) for count in channels]
        if len(first) != 4 or first[0] % anchors or shapes != wanted:
            names = ("N G", *("C", "4", "6")) if self.groups else ("N", "C + 4", "6")
            listed = ", ".join(f"({names[0]}, {name}, H, W)" for name in names[1:])
            raise checks.error(
                self,
                f"bottoms must have shapes {listed} for C = {self.num_classes} classes"
                f"{f' and G = {anchors} anchors' if self.groups else ''}, got {', '.join(map(str, shapes))}",
            )

    def cells(self, bottom: Any, name: str = "data") -> Cells:
        """Return views of the bottoms' data, or diff."""
        arrays = [getattr(bottom[i], name) for i in range(len(bottom))]
        if not self.groups:
            maps, labels = (array[:, None] for array in arrays)
            return Cells(maps[:, :, : self.num_classes], maps[:, :, self.num_classes :], labels)
        anchors = len(self.field_w)
        return Cells(*(array.reshape(len(array) // anchors, anchors, *array.shape[1:]) for array in arrays))

    def read(self, labels: Any) -> Any:
        """Return (classes, positive, negative), (N, G, H, W): an int64 index, and booleans of cells that count."""
        given = labels[:, :, 0]
        valid = np.ones(given.shape, bool) if self.ignore_label is None else given != self.ignore_label
        given = np.where(valid, given, 0)
        if self.objectness:
            given = np.minimum(given, 1)
        classes = checks.class_labels(self, given, self.num_classes)[0].reshape(given.shape)
        background, iou = valid & (classes == 0), labels[:, :, 5]
        name = f"the IoU of bottom[{2 if self.groups else 1}] (labels)"
        checks.numbers(self, name, iou, background, -np.inf, np.inf)
        return classes, classes > 0, background & (iou < self.bg_threshold)
