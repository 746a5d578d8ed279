"""``transform_param``: what data layers do to each item, subtract a mean, scale, crop and mirror."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from caffe_pylayers.runtime import rng
from caffe_pylayers.runtime.data.image import decode, opencv, planes
from caffe_pylayers.runtime.data.shard import Shard
from caffe_pylayers.runtime.files.binaryproto import read_array
from caffe_pylayers.runtime.proto.caffe_pb2 import TRAIN

Shape = tuple[int, ...]


class DataTransformer:
    """One layer's transformation of arrays (channels, height, width), uint8 or float32.

    out = (item - mean) * scale, of ``crop_size`` square: from a random place in TRAIN and from the middle
    in TEST; mirrored left to right at random with ``mirror``. The mean is ``mean_file``, of the items'
    shape, or a ``mean_value`` for all channels or for each. Caffe's DataTransformer.

    It draws from a generator of its own, seeded from the process's, so that a thread may run it; with draws
    made before, several threads may. Of several solvers that train together each takes its share of what one
    would draw. ValueError for what Caffe refuses.
    """

    def __init__(self, param: Any, phase: int) -> None:
        self._param = param
        self._train = phase == TRAIN
        self._shard = Shard(phase)
        self._mean: Any = None
        self._mean_values = np.array(param.mean_value, np.float32)
        if param.HasField("mean_file"):
            if param.mean_value:
                raise ValueError("transform_param takes mean_file or mean_value, not both")
            self._mean = read_array(param.mean_file)
            self._mean = self._mean.reshape((1,) * (4 - self._mean.ndim) + self._mean.shape)[0]
        self._draws = param.mirror or (param.crop_size and self._train)
        if self._draws:
            self._seed = rng.draw_seed()
            self._random = np.random.default_rng(self._seed)

    def read(self, datum: Any) -> Any:
        """Return a Datum's values (channels, height, width): uint8 of its data, or float32 of its float_data."""
        if datum.encoded:
            if self._param.force_color and self._param.force_gray:
                raise ValueError("transform_param takes force_color or force_gray, not both")
            return decode(datum.data, color=self._param.force_color, gray=self._param.force_gray)
        shape = (datum.channels, datum.height, datum.width)
        values = np.frombuffer(datum.data, np.uint8) if datum.data else np.array(datum.float_data, np.float32)
        if values.size != math.prod(shape):
            raise ValueError(f"a Datum of shape {shape} must not have {values.size} values")
        return values.reshape(shape)

    def shape(self, item: Any) -> Shape:
        """Return the shape of an item once transformed."""
        crop = self._param.crop_size
        channels, height, width = item.shape
        if not channels * height * width:
            raise ValueError(f"an item of shape {item.shape} has no values")
        if min(height, width) < crop:
            raise ValueError(f"an item of shape {item.shape} cannot be cropped to {crop} x {crop}")
        return (channels, crop or height, crop or width)

    def draw(self, count: int) -> list[list[int]]:
        """Return the random numbers for ``count`` items: mirror, row and column, each below 2^31."""
        if self._draws:
            drawn = self._random.integers(2**31, size=(count * self._shard.count, 3))
            draws: list[list[int]] = self._shard.of(drawn).tolist()
            return draws
        return [[0, 0, 0]] * count

    def start_at(self, number: int) -> None:
        """Let the next random numbers be those after so many items."""
        if self._draws:
            self._random = np.random.default_rng(self._seed)
            pairs, left = divmod(3 * self._shard.start_at(number), 2)  # which the generator makes at a time
            self._random.bit_generator.advance(pairs)  # type: ignore[attr-defined]
            self._random.integers(2**31, size=left)

    def transform(self, items: Sequence[Any], out: Any, draws: Sequence[list[int]] | None = None) -> None:
        """Transform the items into out (items, channels, height, width), float32."""
        alike = isinstance(items, np.ndarray)
        for item in items[:1] if alike else {item.shape: item for item in items}.values():  # one of each shape
            if self.shape(item) != out.shape[1:]:
                raise ValueError(f"an item becomes of shape {self.shape(item)}, its batch has {out.shape[1:]}")
        cuts = self._cuts(items, self.draw(len(items)) if draws is None else draws, *out.shape[2:])
        parts = [item[cut] for item, cut in zip(items, cuts)] if cuts else items
        values = _in_pieces(parts[0]) if len(parts) == 1 else parts if parts is items and alike else np.stack(parts)
        if self._mean is not None:
            self._check_mean(items)
            np.subtract(values, np.stack([self._mean[cut] for cut in cuts]) if cuts else self._mean, out=out)
        elif self._mean_values.size:
            if self._mean_values.size not in (1, out.shape[1]):
                given = self._mean_values.size
                raise ValueError(f"takes 1 mean_value or {out.shape[1]}, as many as channels, got {given}")
            np.subtract(values, self._mean_values[:, None, None], out=out)
        else:
            out[...] = values
        if self._param.scale != 1:
            out *= np.float32(self._param.scale)

    def _cuts(self, items: Sequence[Any], draws: Sequence[list[int]], height: int, width: int) -> list[Any]:
        """Return the part to take of each item, right to left where it is mirrored; [] for all of each."""
        crop, mirror = self._param.crop_size, self._param.mirror
        if not (crop or mirror):
            return []
        cuts = []
        for item, (turn, row, column) in zip(items, draws):
            rows, columns = item.shape[1] - height, item.shape[2] - width
            top, left = rows // 2, columns // 2
            if crop and self._train:
                top, left = row % (rows + 1), column % (columns + 1)
            across = slice(left, left + width)
            if mirror and turn % 2:
                across = slice(left + width - 1, left - 1 if left else None, -1)
            cuts.append((slice(None), slice(top, top + height), across))
        return cuts

    def _check_mean(self, items: Sequence[Any]) -> None:
        for item in items:
            if self._mean.shape != item.shape:
                name, shape = self._param.mean_file, self._mean.shape
                raise ValueError(f"mean_file {name} has shape {shape}, an item has {item.shape}")


def _in_pieces(item: Any) -> Any:
    """Return an item with each channel in one piece of memory, also if it is OpenCV's: all else is then faster."""
    if item.strides[0] != 1:
        return item
    pixels = item.transpose(1, 2, 0)
    return planes(opencv().flip(pixels[:, ::-1], 1) if pixels.strides[1] < 0 else pixels)
