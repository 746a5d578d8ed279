"""ImageData: batches of image files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import torch

from caffe_pylayers.runtime import device, image, rng
from caffe_pylayers.runtime.data_transformer import DataTransformer
from caffe_pylayers.runtime.layer import register
from caffe_pylayers.runtime.layers._prefetching import Batch, Prefetching
from caffe_pylayers.runtime.process import LOGGER, solver_rank
from caffe_pylayers.runtime.proto.caffe_pb2 import TRAIN


class Images:
    """An endless iterator over batches of the images of a list: (path, label) pairs.

    shuffle: they come in a new order each time, drawn from a generator of their own, which a thread may use.
    """

    def __init__(self, images: list[tuple[str, int]], start: int, param: Any, transformer: DataTransformer) -> None:
        self._images, self._next, self._param, self._transformer = images, start, param, transformer
        self._readers = image.Readers()
        self._random: Any = None
        if param.shuffle:
            seed = torch.randint(2**31, (), generator=rng.generator(device.HOST))
            self._random = np.random.default_rng(int(seed))
            self._random.shuffle(self._images)

    def __iter__(self) -> Images:
        return self

    def __next__(self) -> Batch:
        chosen = []
        for _ in range(self._param.batch_size):
            chosen.append(self._images[self._next])
            self._next += 1
            if self._next == len(self._images):
                self._next = 0
                if self._random is not None:
                    self._random.shuffle(self._images)
        items = self._readers.map(self.read, [path for path, _ in chosen])
        data = np.empty((len(items), *self._transformer.shape(items[0])), np.float32)
        self._transformer.transform(items, data)
        return data, np.array([label for _, label in chosen], np.float32)

    def shape(self) -> tuple[int, ...]:
        """The shape of the first batch's data."""
        first = self.read(self._images[self._next][0])
        return (self._param.batch_size, *self._transformer.shape(first))

    def read(self, path: str) -> Any:
        """An image (channels, height, width)."""
        param = self._param
        values = image.read(param.root_folder + path, param.is_color, param.new_height, param.new_width)
        return image.planes(values)


@register("ImageData")
class ImageData(Prefetching):
    """Batches of ``batch_size`` images of the list ``source``, over and over: a line has a path, a blank and a label.

    Paths are put after ``root_folder``; images are resized to new_height and new_width, if given, and are BGR, or
    gray without is_color. ``shuffle``: in a new order each time. ``rand_skip``: starts at one of the first.

    Top: [0] data (batch_size, C, H, W), transformed by transform_param and of the size of the batch's first
    image; [1] labels (batch_size). Caffe's ImageDataLayer. An image that cannot be read is refused.
    """

    def batches(self, transformer: DataTransformer) -> tuple[Images, tuple[int, ...]]:
        param = self.layer_param.image_data_param
        self.check(param.batch_size > 0, f"image_data_param.batch_size must be positive, got {param.batch_size}")
        sizes = param.new_height, param.new_width
        self.check(all(sizes) or not any(sizes), f"takes new_height and new_width together, got {sizes}")
        images = read_list(param.source)
        self.check(bool(images), f"image_data_param.source {param.source} lists no images")
        start = 0
        if param.rand_skip:
            start = int(torch.randint(param.rand_skip, (), generator=rng.generator(device.HOST)))
            self.check(start < len(images), f"cannot skip {start} of {len(images)} images")
        elif self.phase == TRAIN and solver_rank() and not param.shuffle:
            LOGGER.warning('layer "%s": without shuffle or rand_skip all solvers read the same images', self.name)
        made = Images(images, start, param, transformer)
        return made, made.shape()


def read_list(path: str) -> list[tuple[str, int]]:
    """The (path, label) pairs of a list of images; a line without a label has 0.

    ValueError for a label that is no integer.
    """
    pairs = []
    for number, line in enumerate(Path(path).read_text(encoding="utf-8", errors="surrogateescape").splitlines(), 1):
        name, blank, label = line.rpartition(" ")
        if not blank:
            name, label = line, "0"
        if not re.fullmatch(r"[+-]?\d+", label.strip()):
            raise ValueError(f'{path}:{number}: the label must be an integer, got "{label}"')
        pairs.append((name, int(label)))
    return pairs
