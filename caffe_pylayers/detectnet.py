"""DetectNet's training: images changed at random, and for each cell of a grid the box of the object in it.

    layer {
      name: "transform"  type: "Python"
      bottom: "data"  bottom: "label"  top: "transformed_data"  top: "transformed_label"
      python_param {
        module: "caffe_pylayers.detectnet"  layer: "DetectNetTransformation"
        param_str: '{"size": [384, 1248], "stride": 16, "scale_cvg": 0.4, "gridbox_type": "min", "min_cvg_len": 20, '
                   '"obj_norm": true, "classes": {"1": 0}, "mean": [127], "shift_x": 32, "shift_y": 32}'
      }
    }

It needs OpenCV: pip install 'caffe-pylayers[images]'.
"""

from __future__ import annotations

import math

import numpy as np

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.bases.no_gradient import NoGradient
from caffe_pylayers._layer.functions.draws import Draws, seed_parameter
from caffe_pylayers._layer.images.detectnet_images import Change, changed_boxes, changed_image, turned_size
from caffe_pylayers._layer.images.image_files import opencv
from caffe_pylayers._layer.images.mean import MeanSubtracted
from caffe_pylayers._layer.phases import TRAIN

__all__ = ["DetectNetTransformation", "box_grid", "changed_boxes", "changed_image", "coverage_boxes"]

_COLUMNS = 16  # of a label's rows: x, y, width, height, angle, class and others of KITTI
_CLASS = 5
_EPSILON = np.finfo(np.float32).eps


def coverage_boxes(boxes, scale_cvg=0.5, gridbox_type="max", max_cvg_len=50, min_cvg_len=50):
    """Return the region of each box that cells count in: scale_cvg of its sides, about its centre.

    boxes: (R, 4) of x1, y1, x2, y2. gridbox_type: max: no side longer than max_cvg_len; min: none shorter than
    min_cvg_len, but for boxes that are.
    """
    size = boxes[:, 2:] - boxes[:, :2]
    sides = size * scale_cvg
    least = np.minimum(size, np.maximum(sides, min_cvg_len))
    sides = least if gridbox_type == "min" else np.minimum(sides, max_cvg_len)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    return np.concatenate([centres - sides / 2, centres + sides / 2], 1)


def box_grid(boxes, labels, regions, size, stride, classes, obj_norm=False):
    """Return for each cell of a grid the box of the last region that it shares an area with.

    (8 + classes, rows, columns), of

        0: 1 where there is one.  1 .. 4: x1, y1, x2, y2 from the cell's corner.  5, 6: 1 / width, 1 / height.
        7: with obj_norm the area of a cell to that of the region, else no less than 1.  8 + c: 1 for class c.

    boxes, regions: (R, 4). labels: (R,), from 0. size: (height, width) of the image.
    """
    rows, columns = (int(np.rint(side / stride)) for side in size)
    grid = np.zeros((8 + classes, rows, columns))
    for box, label, (x1, y1, x2, y2) in zip(boxes, labels, regions):
        first, last = np.floor(np.array([y1, x1]) / stride), np.ceil(np.array([y2, x2]) / stride)
        (top, left), (bottom, right) = first.clip(0, None).astype(int), last.clip(0, [rows, columns]).astype(int)
        cells_y, cells_x = stride * np.arange(top, bottom), stride * np.arange(left, right)
        high = (np.minimum(cells_y + stride, y2) - np.maximum(cells_y, y1)).clip(0, None)
        wide = (np.minimum(cells_x + stride, x2) - np.maximum(cells_x, x1)).clip(0, None)
        hit = high[:, None] * wide / stride**2 > _EPSILON
        norm = stride**2 / ((x2 - x1) * (y2 - y1))
        corner = np.stack(np.broadcast_arrays(cells_x, cells_y[:, None], cells_x, cells_y[:, None]))
        values = np.zeros((len(grid), *hit.shape))
        values[0], values[8 + label] = 1, 1
        values[1:5] = np.reshape(box, (4, 1, 1)) - corner
        values[5], values[6] = 1 / (box[2] - box[0]), 1 / (box[3] - box[1])
        values[7] = norm if obj_norm else max(norm, 1)
        grid[:, top:bottom, left:right] = np.where(hit, values, grid[:, top:bottom, left:right])
    return grid


def _round(value):
    return int(math.copysign(math.floor(abs(value) + 0.5), value))


class DetectNetTransformation(MeanSubtracted, NoGradient):
    """Images changed at random, and the grid of their boxes.

    In the TRAIN phase colours are changed, the mean is subtracted, the image is mirrored, resized by a factor, turned,
    and cut to the size from a random place; in the TEST phase it is resized to the size. Boxes follow.

    Bottom:
        [0] data (N, 3, H, W), in 0 .. 255
        [1] label (N, 1, R, 16): in the first row the number of boxes and 16, below it a row for each: x, y, width,
            height, angle, class, and others that are not read
    Top:
        [0] transformed_data (N, 3, height, width) of size
        [1] transformed_label (N, 8 + classes, height / stride, width / stride), see box_grid
    Backward:
        zeros
    Raises:
        ValueError for more boxes than the label has rows for, and rows of other than 16 numbers.
    References:
        Tao, Barker and Sarathy, "DetectNet: Deep Neural Network for Object Detection in DIGITS", 2016. The
        DetectNetTransformation of NVIDIA/caffe, of which it has the parameters: of detectnet_groundtruth_param (size is
        image_size_y and image_size_x, classes its object_class) and of detectnet_augmentation_param.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> label = np.zeros((1, 1, 2, 16))
        >>> label[0, 0, 0, :2], label[0, 0, 1, :6] = (1, 16), (2, 2, 4, 4, 0, 1)
        >>> param_str = '{"size": [8, 8], "stride": 4, "scale_cvg": 1}'
        >>> bottoms = [np.zeros((1, 3, 8, 8)), label]
        >>> layer = LayerRun(DetectNetTransformation, bottoms, param_str=param_str, tops=2, phase=1)
        >>> grid = layer.forward()[1][0]
        >>> grid[0]
        array([[1., 1.],
               [1., 1.]])
        >>> grid[1]
        array([[ 2., -2.],
               [ 2., -2.]])
        >>> grid[5:, 0, 0]
        array([0.25, 0.25, 1.  , 1.  ])
    """

    size = Parameter((int, int), (384, 1248), low=1, doc="height and width of the images that come out")
    stride = Parameter(int, 4, low=1, doc="of the grid, in pixels")
    scale_cvg = Parameter(float, 0.5, above=0, doc="how much of a box's sides its region has")
    gridbox_type = Parameter(str, "max", choices=("max", "min"), doc="whether regions have a most or a least size")
    max_cvg_len = Parameter(float, 50.0, above=0, doc="of gridbox_type max, in pixels")
    min_cvg_len = Parameter(float, 50.0, low=0, doc="of gridbox_type min, in pixels")
    obj_norm = Parameter(bool, False, doc="channel 7 is the area of a cell to that of the region")
    crop_bboxes = Parameter(bool, True, doc="boxes end with the image")
    classes = Parameter({int: int}, {1: 0}, low=0, doc="by a label's class its channel, from 0; others are left out")
    mean_file = Parameter(str, None, doc="in place of mean: .npy or .binaryproto (3, H, W), resized to the images")
    crop_prob = Parameter(float, 1.0, low=0, high=1, doc="TRAIN: of a random place, else the middle")
    shift_x = Parameter(int, 0, low=0, doc="TRAIN: how many pixels beyond the image a random place may begin, in all")
    shift_y = Parameter(int, 0, low=0, doc="TRAIN: the same down")
    scale_prob = Parameter(float, 0.33, low=0, high=1, doc="TRAIN: of a random factor of the size")
    scale_min = Parameter(float, 0.7, above=0, doc="TRAIN: the least of it")
    scale_max = Parameter(float, 1.0, above=0, doc="TRAIN: the most of it")
    flip_prob = Parameter(float, 0.33, low=0, high=1, doc="TRAIN: of left to right")
    rotation_prob = Parameter(float, 0.33, low=0, high=1, doc="TRAIN: of turning")
    max_rotate_degree = Parameter(float, 1.0, low=0, high=180, doc="TRAIN: by up to so many degrees, either way")
    hue_rotation_prob = Parameter(float, 0.33, low=0, high=1, doc="TRAIN: of other hues")
    hue_rotation = Parameter(float, 15.0, low=0, high=180, doc="TRAIN: by up to so many degrees, either way")
    desaturation_prob = Parameter(float, 0.33, low=0, high=1, doc="TRAIN: of less saturation")
    desaturation_max = Parameter(float, 0.5, low=0, high=1, doc="TRAIN: by up to this part")
    seed = seed_parameter()

    def setup(self, bottom, top):
        checks.bottoms(self, bottom, "data", "label")
        checks.tops(self, top, "transformed_data", "transformed_label")
        opencv()
        if len(self.mean) not in (0, 1, 3):
            raise checks.error(self, f"parameter mean must have 1 value or 3, got {len(self.mean)}")
        if not self.classes:
            raise checks.error(self, "parameter classes must name a class")
        if self.scale_min > self.scale_max:
            raise checks.error(self, f"scale_min must be <= scale_max, got {self.scale_min:g} and {self.scale_max:g}")
        self._draws = Draws(self.seed)
        self._channels = max(self.classes.values()) + 1
        values = self.read_mean_file()
        self._mean = None if values is None else np.asarray(values, np.float32)

    def plan(self, data, label):
        if len(data.shape) != 4 or data.shape[1] != 3:
            raise checks.error(self, f"bottom[0] (data) must have shape (N, 3, H, W), got {tuple(data.shape)}")
        if label.shape[:1] != data.shape[:1] or label.shape[-1] != _COLUMNS or len(label.shape) < 3:
            raise checks.error(
                self, f"bottom[1] (label) must have shape ({data.shape[0]}, 1, R, {_COLUMNS}), got {tuple(label.shape)}"
            )
        rows, columns = (int(np.rint(side / self.stride)) for side in self.size)
        return [(data.shape[0], 3, *self.size), (data.shape[0], 8 + self._channels, rows, columns)]

    def forward(self, bottom, top):
        images = np.asarray(bottom[0].data, np.float32)
        labels = np.asarray(bottom[1].data).reshape(len(images), -1, _COLUMNS)
        old = images.shape[2:]
        mean = self._mean_of(old)
        for n, image in enumerate(images):
            change = self._change(old)
            pixels = np.ascontiguousarray(image.transpose(1, 2, 0))
            top[0].data[n] = changed_image(pixels, change, self.size, mean).transpose(2, 0, 1)
            top[1].data[n] = self._grid(self._rows(n, labels[n]), change, old)

    # --- an image's parts --------------------------------------------------------------------------

    def _rows(self, n, label):
        count = label[0, 0]
        if not 0 <= count < len(label) or label[0, 1] != _COLUMNS:
            said = f"label {n} says {count:g} boxes of {label[0, 1]:g} numbers"
            raise checks.error(self, f"{said}, but has {len(label) - 1} of {_COLUMNS}")
        return label[1 : 1 + int(count)].astype(np.float64)

    def _grid(self, rows, change, old):
        rows = rows[np.isin(rows[:, _CLASS], list(self.classes))]
        boxes = changed_boxes(np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:4]], 1), change, old)
        if self.crop_bboxes:
            boxes = boxes.clip(0, np.tile(self.size[::-1], 2))
        size = (boxes[:, 2:] - boxes[:, :2]).clip(0, None)
        kept = size.prod(1) >= _EPSILON
        labels = [self.classes[int(each)] for each in rows[kept, _CLASS]]
        regions = coverage_boxes(boxes[kept], self.scale_cvg, self.gridbox_type, self.max_cvg_len, self.min_cvg_len)
        return box_grid(boxes[kept], labels, regions, self.size, self.stride, self._channels, self.obj_norm)

    def _mean_of(self, size):
        if self._mean is None:
            return self.mean or (0,)
        pixels = np.ascontiguousarray(self._mean.transpose(1, 2, 0))
        return opencv().resize(pixels, (size[1], size[0]), interpolation=opencv().INTER_CUBIC)

    def _change(self, old):
        if self.phase != TRAIN:
            return Change(0.0, 1.0, False, tuple(self.size), 0.0, (0, 0))
        draw = self._draws.host.random

        def both_ways(probability, most):
            return (2 * draw() - 1) * most if draw() <= probability else 0.0

        hue = both_ways(self.hue_rotation_prob, self.hue_rotation)
        saturation = 1 - draw() * self.desaturation_max if draw() <= self.desaturation_prob else 1.0
        flip = bool(draw() <= self.flip_prob)
        size = tuple(old)
        if draw() <= self.scale_prob:
            by = self.scale_min + (self.scale_max - self.scale_min) * draw()
            size = tuple(max(_round(side * by), 1) for side in old)
        degrees = both_ways(self.rotation_prob, self.max_rotate_degree)
        places, shifts = (0.5, 0.5), (0, 0)
        if draw() <= self.crop_prob:
            places, shifts = (draw(), draw()), (self.shift_y, self.shift_x)
        before = turned_size(size, degrees) if degrees else size
        offset = tuple(
            _round(place * (side - wanted + shift) - shift // 2)
            for place, side, wanted, shift in zip(places, before, self.size, shifts)
        )
        return Change(hue, saturation, flip, size, degrees, offset)
