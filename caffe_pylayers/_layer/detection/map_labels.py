"""What each cell of MS-CNN's maps is to find: the object that its anchor overlaps."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, Sequence

import numpy as np

from caffe_pylayers._layer.detection.boxes import areas, centre_sizes
from caffe_pylayers._layer.detection.overlaps import box_iou_forward, intersections


class Scene(NamedTuple):
    """Objects (G, 4), their classes and which are ignored, (G,), regions of no interest (K, 4), and the canvas.

    size: (height, width) of it. window: x1, y1, x2, y2 of the image on it.
    """

    objects: Any
    classes: Any
    ignored: Any
    regions: Any
    size: tuple[int, int]
    window: Any


class Rules(NamedTuple):
    """When an anchor belongs to an object.

    plus_one: x2 and y2 are the last pixels inside. fg_threshold: IoU above which an anchor does. ignore_threshold: the
    share of an anchor in regions of no interest from which on it counts for nothing. objects_first: an anchor that
    belongs to an object counts all the same. margin: so many halves of an anchor it may be beyond the image; None: any.
    pickup: the least IoU with an anchor of an object that none belongs to, for it to get the cell at its middle.
    """

    plus_one: bool = False
    fg_threshold: float = 0.5
    ignore_threshold: float = 0.4
    objects_first: bool = False
    margin: float | None = None
    pickup: float = 0.2


def round_half_up(value: float) -> int:
    """Return the nearest integer, of two the larger, as C rounds numbers above 0."""
    return math.floor(value + 0.5)


def map_labels(scene: Scene, anchors: Any, strides: Sequence[float], rules: Rules) -> list[Any]:
    """Return for each anchor and stride labels (6, H, W): class, x and y of a centre, width, height, and IoU.

    A cell of an object has its class, 0 where it is ignored, and its box; others have zeros. The IoU is the largest
    with an object, and 1 where a cell is to count for nothing.

    anchors: (F, 2), widths and heights.
    """
    if not len(anchors):
        return []
    count = len(scene.objects)
    best, of_anchor, matched, labels = np.zeros(count), np.zeros(count, np.int64), np.zeros(count, bool), []
    for i, (anchor, stride) in enumerate(zip(anchors, strides)):
        found, iou, own = _of_anchor(scene, np.asarray(anchor, np.float64), stride, rules)
        labels.append(found)
        matched[own] = True
        of_anchor[iou > best] = i
        best = np.maximum(best, iou)
    for which in np.flatnonzero(~matched & ~scene.ignored & (best >= rules.pickup)):
        found, stride = labels[of_anchor[which]], strides[of_anchor[which]]
        box = centre_sizes(scene.objects[[which]], rules.plus_one)[0]
        x, y = (min(max(int(box[k] // stride), 0), found.shape[2 - k] - 1) for k in range(2))
        if found[0, y, x] == 0:
            found[0, y, x], found[1:5, y, x] = scene.classes[which], box
            if rules.objects_first:
                found[5, y, x] = best[which]
    return labels


def _of_anchor(scene: Scene, anchor: Any, stride: float, rules: Rules) -> Any:
    """Return the labels of an anchor, each object's largest IoU with a cell, and the objects that cells belong to."""
    height, width = (round_half_up(n / stride) for n in scene.size)
    y, x = (each.ravel() for each in np.mgrid[:height, :width])
    centre = (np.stack([x, y], 1) + 0.5) * stride
    cells = np.concatenate([centre - anchor / 2, centre + anchor / 2], 1)
    counts = _on_image(scene.window, x, y, stride)
    if rules.margin is not None:
        reach = rules.margin * np.tile(anchor / 2, 2) * [-1, -1, 1, 1]
        low, high = np.split(scene.window + reach, 2)
        counts &= (cells[:, :2] >= low).all(1) & (cells[:, 2:] < high).all(1)
    shared = intersections(cells, scene.regions, rules.plus_one).sum(1) / areas(cells, rules.plus_one)
    ignored = shared >= rules.ignore_threshold
    if not rules.objects_first:
        counts &= ~ignored
    iou = box_iou_forward(cells, scene.objects, rules.plus_one) * counts[:, None]
    largest, own = iou.max(1, initial=0), np.zeros(0, np.int64)
    labels = np.zeros((6, len(cells)))
    labels[5] = np.where(counts, largest, 1)
    of_object = largest > rules.fg_threshold
    labels[5, counts & ignored & ~of_object] = 1
    if of_object.any():
        own = iou[of_object].argmax(1)
        labels[0, of_object] = np.where(scene.ignored[own], 0, scene.classes[own])
        labels[1:5, of_object] = centre_sizes(scene.objects[own], rules.plus_one).T
    return labels.reshape(6, height, width), iou.max(0, initial=0), own


def _on_image(window: Any, x: Any, y: Any, stride: float) -> Any:
    """Return which cells are on the image, by whole cells."""
    first = [round_half_up(n / stride) for n in window[:2]]
    size = [round_half_up((window[2 + k] - window[k]) / stride) for k in range(2)]
    inside = [(cell >= first[k]) & (cell < first[k] + size[k]) for k, cell in enumerate((x, y))]
    return inside[0] & inside[1]
