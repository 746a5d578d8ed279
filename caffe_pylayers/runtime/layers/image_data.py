"""ImageData: batches of images from a list of files."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffe_pylayers._nets.sources import ImageLine, image_lines
from caffe_pylayers.runtime.data.image import channels_first, read_pixels, resize
from caffe_pylayers.runtime.data.prefetch import Batch
from caffe_pylayers.runtime.data.shard import Shard
from caffe_pylayers.runtime.data.transformer import DataTransformer
from caffe_pylayers.runtime.layers._prefetched import (
    PrefetchedLayer,
    Workers,
    check_batch_size,
    fill_from_images,
    naming,
)
from caffe_pylayers.runtime.layers.layer import register
from caffe_pylayers.runtime.memory.limits import check_shape


@register("ImageData")
class ImageData(PrefetchedLayer):
    """Batches of the images that ``source`` lists, a line "path label" for each, in turn and over again.

    root_folder is put before each path as it is. With new_height and new_width each image is resized; with is_color
    false it has one channel. ``shuffle`` draws a new order for each pass; with rand_skip the first pass starts at one
    of the first rand_skip images.

    Top: [0] data (batch_size, C, H, W), transformed by transform_param and of the size of the batch's first
    image; [1] labels (batch_size). Where several solvers train together each takes every solver_count()-th image, in
    Caffe all of them. In all else as Caffe's ImageData.
    """

    tops = 2

    def source(self) -> _Images:
        return _Images(self.layer_param, self.phase)


class _Images:
    def __init__(self, layer_param: Any, phase: int) -> None:
        self._param = param = layer_param.image_data_param
        check_batch_size("image_data_param", param.batch_size)
        if bool(param.new_height) != bool(param.new_width):
            sizes = f"new_height {param.new_height}, new_width {param.new_width}"
            raise ValueError(f"takes new_height and new_width together, got {sizes}")
        if param.new_height:
            check_shape((param.batch_size, 3 if param.is_color else 1, param.new_height, param.new_width))
        self._transformer, self._workers = DataTransformer(layer_param.transform_param, phase), Workers()
        self._lines = image_lines(param.source, param.root_folder)
        self._shard = Shard(phase)
        if param.shuffle or param.rand_skip:
            self._seed = self._shard.draw_seed(layer_param.name)
        self._begin()
        if self._at >= len(self._lines):
            raise ValueError(f"rand_skip skips {self._at} images, source {param.source} lists {len(self._lines)}")

    def _begin(self) -> None:
        param = self._param
        if param.shuffle or param.rand_skip:
            self._random = np.random.default_rng(self._seed)
        self._order = np.arange(len(self._lines))
        if param.shuffle:
            self._random.shuffle(self._order)
        self._at = int(self._random.integers(param.rand_skip)) if param.rand_skip else 0

    def shapes(self) -> list[tuple[int, ...]]:
        size = self._param.batch_size
        line = self._lines[self._order[self._at]]
        with naming(line.where):
            return [(size, *self._transformer.shape(self._read(line))), (size,)]

    def fill(self, batch: Batch) -> None:
        size = self._param.batch_size
        lines = self._shard.of([self._next() for _ in range(size * self._shard.count)])
        fill_from_images(
            batch,
            self._transformer,
            self._workers,
            size,
            read=lambda i: (self._read(lines[i]), lines[i].label),
            where=lambda i: lines[i].where,
        )

    def start_at(self, number: int) -> None:
        self._begin()
        self._pass_over(self._shard.start_at(number * self._param.batch_size))
        self._transformer.start_at(number * self._param.batch_size)

    def _next(self) -> ImageLine:
        line: ImageLine = self._lines[self._order[self._at]]
        self._pass_over(1)
        return line

    def _pass_over(self, count: int) -> None:
        passes, self._at = divmod(self._at + count, len(self._lines))
        if self._param.shuffle:
            for _ in range(passes):
                self._random.shuffle(self._order)

    def _read(self, line: ImageLine) -> Any:
        param = self._param
        pixels = read_pixels(param.root_folder + line.name, param.is_color)
        if param.new_height:
            pixels = resize(pixels, param.new_height, param.new_width)
        return channels_first(pixels)
