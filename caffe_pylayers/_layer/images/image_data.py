"""The base class of data layers of images: how they are read and changed, at random in the TRAIN phase."""

from __future__ import annotations

import math
from typing import Any, Sequence

import numpy as np

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.data.prefetched_data import PrefetchedData
from caffe_pylayers._layer.images.augment import INTERPOLATIONS
from caffe_pylayers._layer.images.image_files import CHANNELS, opencv
from caffe_pylayers._layer.images.mean import MeanSubtracted
from caffe_pylayers._layer.images.pipelines import Pipeline
from caffe_pylayers._layer.images.views import Views, planes
from caffe_pylayers._layer.phases import TRAIN

__all__ = ["ImageData"]


class ImageData(MeanSubtracted, PrefetchedData):
    """A data layer of images.

    In this order: resized, turned, cropped, mirrored, colours changed, the mean subtracted, scaled. A label
    map takes the nearest pixels, and boxes follow.
    """

    channels = Parameter(str, "BGR", choices=CHANNELS, doc="what images become, in this order; Caffe's models: BGR")
    resize = Parameter((int, int), None, low=1, doc="height and width, in pixels")
    shorter = Parameter(int, None, low=1, doc="in place of resize: the shorter side, in pixels; the ratio stays")
    longer = Parameter(int, None, low=1, doc="the most that shorter makes of the longer side, in pixels")
    interpolation = Parameter(str, "linear", choices=INTERPOLATIONS, doc="OpenCV's, of resize; area: to shrink much")
    random_scale = Parameter((float, float), (1, 1), above=0, doc="TRAIN: resized by a random factor between these")
    scale_factors = Parameter([float], (), above=0, doc="TRAIN: resized by one of these, sizes rounded down")
    random_area = Parameter(
        (float, float),
        None,
        above=0,
        high=1,
        doc="TRAIN: crop is a random part of the image's area between these, of a ratio in [3/4, 4/3], resized",
    )
    rotation = Parameter(float, 0.0, low=0, high=180, doc="TRAIN: turned by up to so many degrees, either way")
    crop = Parameter((int, int), None, low=1, doc="height and width cut out: TRAIN anywhere, TEST in the middle")
    crop_padding = Parameter(
        str,
        "around",
        choices=("around", "end"),
        doc="where crop is larger than the image: anywhere around it, in TEST evenly; or below and on the right",
    )
    mirror = Parameter(bool, False, doc="TRAIN: half of the images left to right")
    brightness = Parameter(float, 0.0, low=0, high=1, doc="TRAIN: b: values times a factor in [1 - b, 1 + b]")
    contrast = Parameter(float, 0.0, low=0, high=1, doc="TRAIN: the same of the distance from the mean gray")
    saturation = Parameter(float, 0.0, low=0, high=1, doc="TRAIN: the same of the distance from the pixel's gray")
    hue = Parameter(float, 0.0, low=0, high=0.5, doc="TRAIN: turned by up to this part of the colour circle")
    mean_file = Parameter(str, None, doc="in place of mean: .npy or .binaryproto (channels, ...), of which its mean")
    std = Parameter([float], (), above=0, doc="divides what is left: one, or one for each channel")
    albumentations = Parameter(
        str, None, doc="TRAIN: a pipeline of that library, JSON or YAML as its save() writes it, before all else"
    )
    scale = Parameter(float, 1.0, doc="multiplies in the end; 0.00390625 brings values to [0, 1)")

    ignore_label = 255  # of label maps, where an image was padded
    least_visible = 0.0  # of a box's area, in a crop
    directions = slice(0)  # which of an item's images have values that are directions along the rows

    def prepare_images(self) -> None:
        """Check the parameters against each other; called by prepare."""
        opencv()
        if self.resize and self.shorter:
            raise checks.error(self, "takes the parameter resize or shorter, not both")
        if self.longer and not self.shorter:
            raise checks.error(self, "takes the parameter longer with shorter only")
        if self.random_area and not self.crop:
            raise checks.error(self, "needs the parameter crop with random_area: what the part is resized to")
        for name in ("random_scale", "random_area"):
            low, high = getattr(self, name) or (1, 1)
            if low > high:
                raise checks.error(self, f"parameter {name} must be the lower and the upper end, got [{low}, {high}]")
        self._channels = 1 if self.channels == "gray" else 3
        mean = self._mean()
        self._fill = np.broadcast_to(0.0 if mean is None else mean, self._channels).tolist()
        std = self._per_channel("std", self.std)
        self._offset = None if mean is None else self._column(mean)
        factor = self.scale / (1.0 if std is None else std)
        self._factor = None if np.all(factor == 1) else self._column(np.atleast_1d(factor))
        self._pipeline = self._read_pipeline()
        self._jitters = any((self.brightness, self.contrast, self.saturation, self.hue))

    def changed(self, rng: Any, images: Sequence[Any], label_map: Any = None, boxes: Any = None) -> Views:
        """Return the images, of one size, as they go into a batch, (channels, height, width) each, and what is theirs.

        images: (height, width, channels) of 8 bits. label_map: (height, width), it becomes (1, height, width).
        boxes: see augment.py.
        """
        train = self.phase == TRAIN
        if train and self._pipeline is not None:
            images, label_map, boxes = self._pipeline(rng, images, label_map, boxes, self.channels == "BGR")
        views = Views(images, label_map, boxes, self._fill, self.ignore_label)
        self._resize(views, rng if train else None)
        if train and self.rotation:
            views.rotate(rng.uniform(-self.rotation, self.rotation))
        if self.crop:
            self.cut_out(views, rng if train else None)
        if train and self.mirror and rng.random() < 0.5:
            views.mirror(self.directions)
        if train and self._jitters:
            b, c, s = (rng.uniform(1 - x, 1 + x) for x in (self.brightness, self.contrast, self.saturation))
            views.jitter(b, c, s, rng.uniform(-self.hue, self.hue), self.channels == "BGR")
        views.images = [planes(image, self._offset, self._factor) for image in views.images]
        if label_map is not None:
            views.label_map = views.label_map[None]
        return views

    def _resize(self, views: Views, rng: Any) -> None:
        height, width = views.size
        if self.resize:
            height, width = self.resize
        elif self.shorter:
            by = self.shorter / min(height, width)
            if self.longer:
                by = min(by, self.longer / max(height, width))
            height, width = round(height * by), round(width * by)
        if rng is not None and self.random_scale != (1, 1):
            by = rng.uniform(*self.random_scale)
            height, width = round(height * by), round(width * by)
        if rng is not None and self.scale_factors:
            by = self.scale_factors[int(rng.random() * len(self.scale_factors))]
            height, width = int(height * by), int(width * by)
        size = max(height, 1), max(width, 1)
        if size != views.size:
            views.resize(size, self.interpolation)

    def cut_out(self, views: Views, rng: Any) -> None:
        """Cut the crop out of all; rng is None in TEST."""
        if rng is not None and self.random_area:
            views.crop(*_part(rng, *views.size, self.random_area), self.least_visible)
            views.resize(self.crop, self.interpolation)
            return
        rooms = [n - wanted for n, wanted in zip(views.size, self.crop)]
        if self.crop_padding == "end":
            rooms = [max(room, 0) for room in rooms]
        top, left = (room // 2 if rng is None else _start(rng, room) for room in rooms)
        views.crop(top, left, self.crop, self.least_visible)

    def _read_pipeline(self) -> Any:
        if self.albumentations is None:
            return None
        try:
            return Pipeline(self.albumentations)
        except OSError as error:
            raise checks.error(self, f"parameter albumentations: {self.albumentations}: {error.strerror}") from error
        except ValueError as error:
            raise checks.error(self, f"parameter albumentations: {error}") from error.__cause__

    def _mean(self) -> Any:
        values = self.read_mean_file()
        if values is None:
            return self._per_channel("mean", self.mean)
        means = values.reshape(values.shape[0], -1).mean(1) if values.ndim else values[None]
        return self._per_channel("mean_file", tuple(means))

    def _per_channel(self, name: str, values: Sequence[float]) -> Any:
        if len(values) not in (0, 1, self._channels):
            raise checks.error(
                self, f"parameter {name} must have 1 value or {self._channels}, as many as channels, got {len(values)}"
            )
        return np.array(values) if len(values) else None

    def _column(self, values: Any) -> Any:
        return values.astype(np.float32)[:, None, None]


def _start(rng: Any, room: int) -> int:
    """Return where a crop begins, anywhere in the room there is, or around an image that is smaller."""
    start = int(rng.random() * (abs(room) + 1))
    return start if room >= 0 else -start


def _part(rng: Any, height: int, width: int, area: tuple[float, float]) -> tuple[int, int, tuple[int, int]]:
    """Return top, left and size of a random part of an image: its middle where ten draws did not fit in it."""
    for _ in range(10):
        wanted = height * width * rng.uniform(*area)
        ratio = math.exp(rng.uniform(math.log(3 / 4), math.log(4 / 3)))
        size = round(math.sqrt(wanted / ratio)), round(math.sqrt(wanted * ratio))
        if 0 < size[0] <= height and 0 < size[1] <= width:
            return _start(rng, height - size[0]), _start(rng, width - size[1]), size
    side = min(height, width)
    return (height - side) // 2, (width - side) // 2, (side, side)
