"""WindowData: batches of windows of images, for training R-CNN."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from caffe_pylayers._layer.quote import quoted
from caffe_pylayers._nets.sources import integer, window_words
from caffe_pylayers.runtime import rng
from caffe_pylayers.runtime.data.image import decode_pixels, planes, resize
from caffe_pylayers.runtime.data.prefetch import Batch
from caffe_pylayers.runtime.data.shard import Shard
from caffe_pylayers.runtime.files.binaryproto import read_array
from caffe_pylayers.runtime.layers._prefetched import PrefetchedLayer, Workers, check_batch_size, naming
from caffe_pylayers.runtime.layers._window_crop import Box, crop
from caffe_pylayers.runtime.layers.layer import register

CHANNELS = 3


@dataclass(frozen=True)
class _Window:
    image: int
    label: int
    box: Box


@register("WindowData")
class WindowData(PrefetchedLayer):
    """Windows drawn at random from those that ``source`` lists, warped to crop_size of transform_param.

    source holds for each image "# index path channels height width count" and count times
    "label overlap x1 y1 x2 y2", pixels from 0, both corners included. A window is foreground from an overlap of
    fg_threshold on, and background, with label 0, below bg_threshold. The last fg_fraction of a batch is foreground.

    Each crop has context_pad pixels of the window's surroundings on each side, 0 beyond the image; with crop_mode
    "square" the smallest square around the window is taken. mirror, mean_value and mean_file, of which the middle
    counts, are transform_param's; scale is window_data_param's.

    Top: [0] data (batch_size, 3, crop_size, crop_size); [1] labels (batch_size). Several solvers that train together
    share the windows that one would draw. As Caffe's WindowData.
    """

    tops = 2

    def source(self) -> _Windows:
        return _Windows(self.layer_param, self.phase)


class _Windows:
    def __init__(self, layer_param: Any, phase: int) -> None:
        self._param, self._transform = layer_param.window_data_param, layer_param.transform_param
        check_batch_size("window_data_param", self._param.batch_size)
        self._crop = self._transform.crop_size
        if not self._crop > 2 * self._param.context_pad:
            sizes = f"{self._crop} and {self._param.context_pad}"
            raise ValueError(f"takes a transform_param.crop_size above twice context_pad, got {sizes}")
        self._images: list[str] = []
        self._foreground: list[_Window] = []
        self._background: list[_Window] = []
        self._read_source()
        with naming(self._param.source):
            self._cache = [_content(path) for path in self._images] if self._param.cache_images else []
        self._mean = self._read_mean()
        self._workers = Workers()
        self._seed = rng.draw_seed()
        self._random = np.random.default_rng(self._seed)
        self._shard = Shard(phase)

    def shapes(self) -> list[tuple[int, ...]]:
        size = self._param.batch_size
        return [(size, CHANNELS, self._crop, self._crop), (size,)]

    def fill(self, batch: Batch) -> None:
        data, labels = batch.reshape(*self.shapes())
        background, foreground, mirrored = map(self._shard.of, self._draw())
        chosen = [self._background[i] for i in background] + [self._foreground[i] for i in foreground]
        labels[:] = [window.label for window in chosen]
        self._workers.each(lambda i: self._fill_one(chosen[i], bool(mirrored[i]), data[i]), len(chosen))

    def start_at(self, number: int) -> None:
        self._random = np.random.default_rng(self._seed)
        for _ in range(number):
            self._draw()

    def _draw(self) -> list[Any]:
        """Draw for the batches of all solvers: background windows, foreground windows, and which are mirrored."""
        size, solvers = self._param.batch_size, self._shard.count
        foreground = int(np.float32(size) * np.float32(self._param.fg_fraction))
        counts = (len(self._background), size - foreground), (len(self._foreground), foreground)
        windows = [self._random.integers(among, size=count * solvers) for among, count in counts]
        turns = (size * solvers,)
        return [*windows, self._random.integers(2, size=turns) if self._transform.mirror else np.zeros(turns)]

    def _fill_one(self, window: _Window, mirror: bool, out: Any) -> None:
        path = self._images[window.image]
        with naming(self._param.source):
            content = self._cache[window.image] if self._cache else _content(path)
            with naming(path):
                pixels = decode_pixels(content, color=True)
                found = crop(pixels.shape[:2], window.box, self._crop, self._param.context_pad, self._square(), mirror)
        x1, y1, x2, y2 = found.box
        warped = planes(resize(pixels[y1 : y2 + 1, x1 : x2 + 1], found.height, found.width))
        rows = slice(found.top, found.top + found.height)
        columns = slice(found.left, found.left + found.width)
        out[...] = 0
        target = out[:, rows, columns]
        target[...] = warped[:, :, ::-1] if mirror else warped
        if self._mean is not None:
            target -= self._mean[:, rows, columns] if self._mean.shape[1] > 1 else self._mean
        target *= np.float32(self._param.scale)

    def _square(self) -> bool:
        return bool(self._param.crop_mode == "square")

    def _read_source(self) -> None:
        path = self._param.source
        words = iter(window_words(path))
        at = ""
        try:
            for mark in words:
                if mark != "#":
                    raise ValueError(f'takes "#" before each image, got {quoted(mark)}')
                index, name, channels, _, _, count = _take(words, 6)
                at = f" at image {index}"
                if integer(channels, "channels") != CHANNELS:
                    raise ValueError(f"takes images of {CHANNELS} channels, got {channels}")
                self._images.append(self._param.root_folder + name)
                for _ in range(integer(count, "number of windows")):
                    label, overlap, *corners = _take(words, 6)
                    box = Box(*(integer(corner, "corner") for corner in corners))
                    self._add(integer(label, "label"), _overlap(overlap), box)
        except ValueError as error:
            raise ValueError(f"{path}{at}: {error}") from error
        for windows, name in ((self._foreground, "foreground"), (self._background, "background")):
            if not windows:
                raise ValueError(f"{path} has no {name} windows")

    def _add(self, label: int, overlap: Any, box: Box) -> None:
        image = len(self._images) - 1
        if overlap >= np.float32(self._param.fg_threshold):
            if label <= 0:
                raise ValueError(f"takes positive labels of foreground windows, got {label}")
            self._foreground.append(_Window(image, label, box))
        elif overlap < np.float32(self._param.bg_threshold):
            self._background.append(_Window(image, 0, box))

    def _read_mean(self) -> Any:
        """Return the mean to subtract, (3, crop_size, crop_size) or (3, 1, 1); None without one."""
        values = np.array(self._transform.mean_value, np.float32)
        if not self._transform.HasField("mean_file"):
            if values.size not in (0, 1, CHANNELS):
                raise ValueError(f"takes 1 mean_value or {CHANNELS}, as many as channels, got {values.size}")
            return np.broadcast_to(values, CHANNELS)[:, None, None] if values.size else None
        if values.size:
            raise ValueError("transform_param takes mean_file or mean_value, not both")
        mean = read_array(self._transform.mean_file)
        mean = mean.reshape((1,) * (4 - mean.ndim) + mean.shape)[0]
        off = (mean.shape[2] - self._crop) // 2  # as Caffe: by the width, for rows too
        if len(mean) != CHANNELS or off < 0 or mean.shape[1] < off + self._crop:
            wanted = f"at least {(CHANNELS, self._crop, self._crop)}"
            raise ValueError(f"mean_file {self._transform.mean_file} has shape {mean.shape}, takes {wanted}")
        return mean[:, off : off + self._crop, off : off + self._crop]


def _take(words: Iterator[str], count: int) -> list[str]:
    taken = list(itertools.islice(words, count))
    if len(taken) < count:
        raise ValueError("ends in the middle of an entry")
    return taken


def _overlap(word: str) -> Any:
    try:
        return np.float32(word)
    except ValueError:
        raise ValueError(f"takes a number for the overlap, got {quoted(word)}") from None


def _content(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
