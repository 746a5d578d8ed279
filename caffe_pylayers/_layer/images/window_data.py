"""The base classes of data layers of window files: images with boxes, and labels of the cells of maps."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.data.prefetched_data import PrefetchedData
from caffe_pylayers._layer.detection.boxes import centre_sizes
from caffe_pylayers._layer.detection.map_labels import Rules, Scene, map_labels, round_half_up
from caffe_pylayers._layer.images.augment import mirror, mirror_boxes, resize, scale_boxes
from caffe_pylayers._layer.images.image_files import opencv, read_image
from caffe_pylayers._layer.images.mean import MeanSubtracted
from caffe_pylayers._layer.images.views import planes
from caffe_pylayers._layer.images.window_lists import Windows, read_windows

_SHAKE = 10  # pixels that an image is moved at most, besides
_LARGE = 1.5  # an image that becomes so many times as large is cut before, to save time
_AROUND = 1.2  # to so many times what is seen of it
GRID = 32  # pixels that sizes are multiples of


def placed(size: int, canvas: int, centre: float, shake: int) -> tuple[int, int, int]:
    """Return (on_canvas, in_image, length): where what is seen of an image lies on an axis.

    An image that is larger is cut so that ``centre`` is in the middle of the canvas, a smaller one lies in its middle;
    both moved by ``shake``, and no farther than they fit.
    """
    if size <= canvas:
        return min(max(round_half_up((canvas - size) / 2) + shake, 0), canvas - size), 0, size
    start = round_half_up(centre) + shake - round_half_up(canvas / 2)
    return 0, min(max(start, 0), size - canvas), canvas


class WindowData(MeanSubtracted, PrefetchedData):
    """Images with boxes of a window file."""

    source = Parameter(str, doc="the window file")
    root = Parameter(str, "", doc="the images' folder; default: their paths are whole")
    resize = Parameter((int, int), None, low=1, doc="height and width, in pixels")
    shorter = Parameter(int, None, low=1, doc="in place of resize: the shorter side, in pixels")
    longer = Parameter(int, None, low=1, doc="with shorter: the longer side of what is seen, in pixels")
    scale = Parameter(float, 1.0, doc="multiplies in the end")

    mean_file: Any = None
    boxes_at = 1  # their top
    flags = 1  # of an object in the file
    no_box: tuple[float, ...] = (0, 1, 1, 2, 2, 1, 1)  # what stands for the boxes of a batch that has none

    def prepare(self) -> None:
        opencv()
        if (self.shorter is None) != (self.longer is None) or (self.shorter and self.resize):
            raise checks.error(
                self,
                "takes the parameters shorter and longer together, or resize, got "
                f"{self.shorter}, {self.longer} and {self.resize}",
            )
        if len(self.mean) not in (0, 1, 3):
            raise checks.error(self, f"parameter mean must have 1 value or 3, got {len(self.mean)}")
        self._mean = np.array(self.mean, np.float32)[:, None, None] if self.mean else None
        try:
            self._listed = read_windows(self.source, self.root, self.flags)
        except ValueError as error:
            raise checks.error(self, str(error)) from error.__cause__

    def item_count(self) -> int:
        return len(self._listed)

    def name_of(self, index: int) -> str:
        return self._listed[index].where

    def as_tops(self, arrays: list[Any]) -> list[Any]:
        if len(arrays) <= self.boxes_at:
            return arrays
        rows = arrays[self.boxes_at]
        rows = rows if len(rows) else np.array([self.no_box], np.float32)
        return [*arrays[: self.boxes_at], rows[:, :, None, None], *arrays[self.boxes_at + 1 :]]

    def pixels(self, listed: Windows) -> Any:
        """Return an image's pixels; ValueError unless it is as large as the window file says."""
        pixels = read_image(listed.path)
        if pixels.shape[:2] != listed.size:
            (height, width), (wanted, wide) = pixels.shape[:2], listed.size
            raise ValueError(f"{listed.path} is {height} x {width}, and {wanted} x {wide} in the window file")
        return pixels

    def planes(self, pixels: Any) -> Any:
        """Return pixels as (3, height, width), without the mean and scaled."""
        return planes(pixels, self._mean, None if self.scale == 1 else np.float32(self.scale)).astype(np.float32)


class LabelledWindows(WindowData):
    """Images on a canvas, mirrored, scaled and moved at random, and the labels of anchors."""

    crop = Parameter((int, int), None, low=1, doc="height and width of what is seen; default: the resized image's")
    mirror = Parameter(bool, False, doc="half of the images left to right")
    stride = Parameter([float], (), above=0, doc="of the maps, in pixels, one for each of the labels")
    field_w = Parameter([float], (), above=0, doc="widths of the anchors, in pixels")
    field_h = Parameter([float], (), above=0, doc="heights of the anchors")
    fg_threshold = Parameter(float, 0.5, above=0, doc="IoU with an object above which a cell is to find it")
    min_gt_width = Parameter(float, 0.0, doc="objects that are less wide are ignored, in pixels of the net's input")
    min_gt_height = Parameter(float, 0.0, doc="objects that are less high are ignored")

    optional_tops = 1
    row_tops = ("gt_boxes",)

    def prepare(self) -> None:
        super().prepare()
        count = len(self.stride)
        if not count == len(self.field_w) == len(self.field_h):
            raise checks.error(
                self,
                f"parameters stride, field_w and field_h must have as many values, got {count}, {len(self.field_w)} "
                f"and {len(self.field_h)}",
            )
        self.tops = ("data", *(f"label_{i}" for i in range(count)), "gt_boxes")
        self.boxes_at = 1 + count

    def item_at(self, position: int, index: int, rng: Any) -> Any:
        (first,) = self._order.indices(position - position % self.batch_size, 1)
        return self.item(index, rng, self._canvas(self._listed[first].size))

    def item(self, index: int, rng: Any, canvas: Any = None) -> Any:
        listed = self._listed[index]
        canvas = canvas or self._canvas(listed.size)
        pixels, boxes = self.colours(rng, self.pixels(listed)), [listed.rows, listed.regions]
        if self.mirror and rng.random() < 0.5:
            pixels, boxes = mirror(pixels), [mirror_boxes(each, pixels.shape[1]) for each in boxes]
        pixels, boxes = self._resized(pixels, boxes, self._size(pixels.shape[:2]))
        pixels, boxes, centre = self._rescaled(rng, pixels, boxes, canvas)
        height, width = pixels.shape[:2]
        shake_x, shake_y = (int(rng.random() * 2 * _SHAKE) - _SHAKE for _ in range(2))
        x, left, seen_w = placed(width, canvas[1], centre[0], shake_x)
        y, top, seen_h = placed(height, canvas[0], centre[1], shake_y)
        data = np.zeros((3, *canvas), np.float32)
        data[:, y : y + seen_h, x : x + seen_w] = self.planes(pixels[top : top + seen_h, left : left + seen_w])
        rows, regions = (_moved(each, x - left, y - top) for each in boxes)
        rows[:, 5] = (rows[:, 5] != 0) | self._too_small(rows, canvas)
        window = np.array([x, y, x + seen_w, y + seen_h], np.float64)
        scene = Scene(rows[:, :4], rows[:, 4], rows[:, 5] != 0, regions, canvas, window)
        anchors = np.stack([self.field_w, self.field_h], 1) if self.stride else ()
        return (data, *map_labels(scene, anchors, self.stride, self.rules()), rows)

    # --- what the two kinds of it differ in --------------------------------------------------------

    def rules(self) -> Rules:
        """Return when an anchor belongs to an object."""
        return Rules(fg_threshold=self.fg_threshold)

    def colours(self, rng: Any, pixels: Any) -> Any:
        """Return the pixels with other colours."""
        return pixels

    def factor(self, rng: Any, box: Any) -> float:
        """Return how many times as large an image becomes; box: x1, y1, x2, y2 of the object in its middle."""
        return 1.0

    # --- an item's parts ---------------------------------------------------------------------------

    def _canvas(self, size: Any) -> Any:
        """Return the (height, width) of a batch whose first image is of a size."""
        if self.shorter and not self.crop:
            sides = [round_half_up(side / GRID) * GRID for side in (self.shorter, self.longer)]
            return tuple(sides[::-1] if size[0] >= size[1] else sides)
        return self.crop or self.resize or size

    def _size(self, size: Any) -> Any:
        if self.shorter:
            by = round_half_up(self.shorter / GRID) * GRID / min(size)
            return round_half_up(size[0] * by), round_half_up(size[1] * by)
        return self.resize or size

    def _resized(self, pixels: Any, boxes: Any, size: Any) -> Any:
        by = [new / old for new, old in zip(size, pixels.shape)]
        return resize(pixels, size), [scale_boxes(each, by) for each in boxes]

    def _rescaled(self, rng: Any, pixels: Any, boxes: Any, canvas: Any) -> Any:
        """Return pixels and boxes scaled at random, and x and y of what is to be in the middle."""
        size = pixels.shape[1::-1]
        if not len(boxes[0]):
            room = [max(n - seen, 0) for n, seen in zip(size, canvas[::-1])]
            return pixels, boxes, [int(rng.random() * (r + 1)) + (n - r) / 2 for n, r in zip(size, room)]
        box = boxes[0][int(rng.random() * len(boxes[0])), :4]
        by, centre = self.factor(rng, box), (box[:2] + box[2:]) / 2
        if by > _LARGE:
            cut = [min(round_half_up(_AROUND * n / by), n) for n in size]
            x, y = (min(max(round_half_up(c - n / 2), 0), whole - n) for c, n, whole in zip(centre, cut, size))
            pixels, boxes = pixels[y : y + cut[1], x : x + cut[0]], [_moved(each, -x, -y) for each in boxes]
            centre = centre - [x, y]
        if by != 1:
            height, width = (max(round_half_up(n * by), 1) for n in pixels.shape[:2])
            pixels = resize(pixels, (height, width))
            boxes = [scale_boxes(each, (by, by)) for each in boxes]
        return pixels, boxes, centre * by

    def _too_small(self, rows: Any, canvas: Any) -> Any:
        """Return which objects are to be ignored: too small, or with their middle outside."""
        middle, size = np.split(centre_sizes(rows[:, :4], plus_one=True), 2, 1)
        outside = ((middle < 0) | (middle >= canvas[::-1])).any(1)
        return outside | (size < [self.min_gt_width, self.min_gt_height]).any(1)


def _moved(boxes: Any, x: int, y: int) -> Any:
    boxes = np.array(boxes, np.float64)
    boxes[:, :4] += [x, y, x, y]
    return boxes
