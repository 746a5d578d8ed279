"""WindowData: batches of windows of images, for R-CNN."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from caffe_pylayers.runtime import device, image, rng
from caffe_pylayers.runtime.data_transformer import DataTransformer
from caffe_pylayers.runtime.layer import register
from caffe_pylayers.runtime.layers._prefetching import Batch, Prefetching

Box = tuple[int, int, int, int]  # x1, y1, x2, y2, the last ones within


@dataclass(frozen=True)
class Window:
    """A part of an image, and its class: 0 for the background."""

    path: str
    label: int
    box: Box


@dataclass(frozen=True)
class Windows:
    """Those of a window file by kind, and the channels of its images."""

    background: list[Window]
    foreground: list[Window]
    channels: int


class Cuts:
    """An endless iterator over batches of windows drawn at random, the last ``fg_fraction`` of each foreground."""

    def __init__(self, windows: Windows, param: Any, transform: Any, mean: Any) -> None:
        self._windows, self._param, self._transform, self._mean = windows, param, transform, mean
        self._random = np.random.default_rng(int(torch.randint(2**31, (), generator=rng.generator(device.HOST))))
        self._readers = image.Readers()
        self._files: dict[str, Any] = {}  # with cache_images

    def __iter__(self) -> Cuts:
        return self

    def __next__(self) -> Batch:
        size, crop = self._param.batch_size, self._transform.crop_size
        foreground = int(np.float32(size) * np.float32(self._param.fg_fraction))
        chosen = []
        for kind, count in ((self._windows.background, size - foreground), (self._windows.foreground, foreground)):
            for _ in range(count):
                mirror = bool(self._transform.mirror and self._random.integers(2))
                chosen.append((kind[self._random.integers(len(kind))], mirror))
        data = np.zeros((size, self._windows.channels, crop, crop), np.float32)
        self._readers.map(lambda job: self._cut(*job), zip(chosen, data))
        return data, np.array([window.label for window, _ in chosen], np.float32)

    def _cut(self, chosen: tuple[Window, bool], out: Any) -> None:
        window, mirror = chosen
        values = self._read(window.path)
        height, width = values.shape[:2]
        place = warp(window.box, (height, width), out.shape[1], self._param.context_pad, self._param.crop_mode)
        (x1, y1, x2, y2), (top, *left_or_right), (rows, columns) = place
        left = left_or_right[mirror]
        columns = min(columns, out.shape[2] - left)
        if x1 < 0 or y1 < 0 or x2 >= width or y2 >= height or x2 < x1 or y2 < y1:
            raise ValueError(f"{window.path}: window {window.box} is not inside the image of {width} x {height}")
        if min(rows, columns) < 1:
            raise ValueError(f"{window.path}: window {window.box} has nothing left to be cut")
        part = image.resize(values[y1 : y2 + 1, x1 : x2 + 1], rows, columns)
        if mirror:
            part = part[:, ::-1]
        inside = slice(None), slice(top, top + rows), slice(left, left + columns)
        out[inside] = image.planes(part)
        out[inside] -= self._mean[inside]
        out[inside] *= np.float32(self._param.scale)

    def _read(self, path: str) -> Any:
        if not self._param.cache_images:
            return image.read(path, color=True)
        if path not in self._files:
            self._files[path] = Path(path).read_bytes()
        return np.moveaxis(image.decode(self._files[path], color=True), 0, 2)


def warp(
    box: Box, sizes: tuple[int, int], crop: int, context_pad: int, mode: str
) -> tuple[Box, tuple[int, int, int], tuple[int, int]]:
    """Where a box with its context is cut from an image, and where it goes in a crop.

    Returns the part of the image that it is, the rows above and the columns left and right of it in the crop,
    and the height and width that the part is resized to.
    """
    x1, y1, x2, y2 = box
    if not context_pad and mode != "square":
        return box, (0, 0, 0), (crop, crop)
    f = np.float32  # Caffe's precision, in which it rounds
    context = f(crop) / f(crop - 2 * context_pad)
    half_height, half_width = f((y2 - y1 + 1) / 2), f((x2 - x1 + 1) / 2)
    x, y = f(x1) + half_width, f(y1) + half_height
    if mode == "square":
        half_height = half_width = max(half_height, half_width)
    x1, x2 = _round(x - half_width * context), _round(x + half_width * context)
    y1, y2 = _round(y - half_height * context), _round(y + half_height * context)
    scale_x, scale_y = f(crop) / f(x2 - x1 + 1), f(crop) / f(y2 - y1 + 1)
    outside = max(0, -x1), max(0, -y1), max(0, x2 - sizes[1] + 1), max(0, y2 - sizes[0] + 1)
    x1, y1, x2, y2 = x1 + outside[0], y1 + outside[1], x2 - outside[2], y2 - outside[3]
    width, height = _round(f(x2 - x1 + 1) * scale_x), _round(f(y2 - y1 + 1) * scale_y)
    left, top, right = _round(f(outside[0]) * scale_x), _round(f(outside[1]) * scale_y), _round(f(outside[2]) * scale_x)
    return (x1, y1, x2, y2), (top, left, right), (min(height, crop - top), width)


def _round(value: Any) -> int:
    """To the nearest integer, halves away from zero, as in C."""
    return int(math.copysign(math.floor(abs(float(value)) + 0.5), float(value)))


@register("WindowData")
class WindowData(Prefetching):
    """Batches of ``batch_size`` windows of images, each warped to crop_size, as Caffe's WindowData.

    ``source`` lists, for each image, ``# index``, its path, channels, height, width and number of windows, then
    a line for each: class, overlap, x1, y1, x2, y2. A window is foreground from fg_threshold of overlap on,
    background below bg_threshold, and drawn at random. ``context_pad`` rows and columns of what is around it
    come with it; ``crop_mode`` "square" cuts a square.

    Top: [0] data (batch_size, channels, crop_size, crop_size), less the mean and times window_data_param's
    scale; crop_size, mirror, mean_file and mean_value are transform_param's; [1] labels (batch_size). An
    image that cannot be read is refused; Caffe gives zeros for the rest of the batch.
    """

    def batches(self, transformer: DataTransformer) -> tuple[Cuts, tuple[int, ...]]:
        param, transform = self.layer_param.window_data_param, self.layer_param.transform_param
        crop = transform.crop_size
        self.check(crop > 0, "transform_param.crop_size must be positive, got 0")
        self.check(param.batch_size > 0, "window_data_param.batch_size must be positive, got 0")
        if 2 * param.context_pad >= crop:
            raise self.error(f"context_pad {param.context_pad} leaves nothing of crop_size {crop}")
        windows = read_windows(param)
        for kind in ("background", "foreground"):
            self.check(bool(getattr(windows, kind)), f"window_data_param.source {param.source} has no {kind} windows")
        mean = transformer.mean((windows.channels, crop, crop))
        return Cuts(windows, param, transform, mean), (param.batch_size, windows.channels, crop, crop)


def read_windows(param: Any) -> Windows:
    """The windows of a WindowDataParameter's source; ValueError where it is not such a file."""
    words = iter(Path(param.source).read_text(encoding="utf-8").split())
    background: list[Window] = []
    foreground: list[Window] = []
    images = channels = 0

    def take(count: int) -> list[str]:
        found = list(itertools.islice(words, count))
        if len(found) < count:
            raise ValueError(f"{param.source} ends in the middle of image {images}")
        return found

    for mark in words:
        index, path = take(2)
        if mark != "#" or index != str(images):
            raise ValueError(f"{param.source}: image {images} must begin with # {images}, got {mark} {index}")
        channels, _, _, count = map(int, take(4))
        for _ in range(count):
            label, overlap, *corners = take(6)
            x1, y1, x2, y2 = map(int, corners)
            if float(overlap) >= param.fg_threshold:
                if int(label) < 1:
                    raise ValueError(
                        f"{param.source}: image {images}: a foreground window's class is from 1, got {label}"
                    )
                foreground.append(Window(param.root_folder + path, int(label), (x1, y1, x2, y2)))
            elif float(overlap) < param.bg_threshold:
                background.append(Window(param.root_folder + path, 0, (x1, y1, x2, y2)))
        images += 1
    if not images:
        raise ValueError(f"{param.source} lists no images")
    return Windows(background, foreground, channels)
