"""HDF5Data: batches of the rows of HDF5 files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from caffe_pylayers._disk import hdf5
from caffe_pylayers._nets.sources import hdf5_files
from caffe_pylayers.runtime.data.prefetch import Batch
from caffe_pylayers.runtime.data.shard import Shard
from caffe_pylayers.runtime.layers._prefetched import PrefetchedLayer, check_batch_size
from caffe_pylayers.runtime.layers.layer import register


@register("HDF5Data")
class HDF5Data(PrefetchedLayer):
    """Batches of the rows of the HDF5 files that ``source`` lists, file by file and over again, as Caffe's HDF5Data.

    Top: [i] (batch_size, ...), rows of the dataset of the top's name, of any number of axes and any type of numbers.
    ``shuffle`` draws a new order of the files for each pass, and of the rows of each file. One file is in memory at a
    time. Where several solvers train together each takes every solver_count()-th row. Caffe does not read ahead here.
    """

    tops = (1, None)

    def source(self) -> _Rows:
        if self.layer_param.HasField("transform_param"):
            raise ValueError("does not transform data: remove transform_param")
        return _Rows(self.layer_param, self.phase)


class _Rows:
    def __init__(self, layer_param: Any, phase: int) -> None:
        param = layer_param.hdf5_data_param
        check_batch_size("hdf5_data_param", param.batch_size)
        self._size, self._names = param.batch_size, list(layer_param.top)
        self._source, self._files = param.source, hdf5_files(param.source)
        self._shard, self._shuffle = Shard(phase), param.shuffle
        if self._shuffle:
            self._seed = self._shard.draw_seed(layer_param.name)
        self._shapes: list[tuple[int, ...]] = []
        self._counts: dict[str, int] = {}  # rows of files
        self._loaded = ""
        self._begin()
        self._load()

    def shapes(self) -> list[tuple[int, ...]]:
        return self._shapes

    def fill(self, batch: Batch) -> None:
        tops = batch.reshape(*self._shapes)
        filled = 0
        while filled < self._size:
            self._load()
            rows = self._rows[self._row : self._row + (self._size - filled) * self._shard.count]
            mine = self._shard.of(rows)
            for top, values in zip(tops, self._values):
                top[filled : filled + len(mine)] = values[mine]
            filled += len(mine)
            self._row += len(rows)
            if self._row == len(self._rows):
                self._next_file()

    def start_at(self, number: int) -> None:
        self._begin()
        self._row = self._shard.start_at(number * self._size)
        while self._row >= len(self._rows):
            row = self._row - len(self._rows)
            self._next_file()
            self._row = row

    def _begin(self) -> None:
        if self._shuffle:
            self._random = np.random.default_rng(self._seed)
        self._file = len(self._files)
        self._next_file()

    def _next_file(self) -> None:
        """Go to the first row of the next file, without reading it."""
        self._file += 1
        if self._file >= len(self._files):
            self._file, self._file_order = 0, self._order(len(self._files))
        self._row, self._rows = 0, self._order(self._count(self._path()))

    def _path(self) -> str:
        path: str = self._files[self._file_order[self._file]]
        return path

    def _count(self, path: str) -> int:
        """Return how many rows a file has; it is opened for it once."""
        if path in self._counts:
            return self._counts[path]
        with self._listed(path), hdf5.reading(path) as file:
            shapes = [_shape(file, name, path) for name in self._names]
        self._shapes = self._shapes or [(self._size, *shape[1:]) for shape in shapes]
        for name, shape, before in zip(self._names, shapes, self._shapes):
            if shape[0] != shapes[0][0] or not shape[0]:
                rows = f"{shapes[0][0]} of {self._names[0]}"
                raise hdf5.ContentError(
                    f"{path}: dataset {name} has {shape[0]} rows, beside {rows}: takes as many, from 1"
                )
            if shape[1:] != before[1:]:
                raise ValueError(f"{path}: dataset {name} has rows of {shape[1:]}, before of {before[1:]}")
        self._counts[path] = shapes[0][0]
        return self._counts[path]

    def _load(self) -> None:
        """Have the file's values, which takes a while where it was another's before."""
        path = self._path()
        if path != self._loaded:
            with self._listed(path), hdf5.reading(path) as file:
                self._values = [hdf5.values(file[name], f"{path}: {name}") for name in self._names]
            self._loaded = path
            if any(len(values) != len(self._rows) for values in self._values):
                raise ValueError(f"{path} has changed since it was first read")

    @contextlib.contextmanager
    def _listed(self, path: str) -> Iterator[None]:
        """Have an OSError in the block name the list too; what is wrong in the file itself names the file."""
        try:
            yield
        except OSError as error:
            raise ValueError(f"{self._source} lists {path}: {error.strerror}") from error

    def _order(self, count: int) -> list[int]:
        order: list[int] = (self._random.permutation(count) if self._shuffle else np.arange(count)).tolist()
        return order


def _shape(file: Any, name: str, path: str) -> tuple[int, ...]:
    """Return the shape of the dataset ``name``; raise hdf5.ContentError where there is none of numbers in rows."""
    if name not in file:
        names = ", ".join(file) or "nothing"
        raise hdf5.ContentError(f"{path} has no dataset {name} for the top of this name, only {names}")
    shape = hdf5.shape(file[name], f"{path}: {name}")
    if not shape:
        raise hdf5.ContentError(f"{path}: dataset {name} must have at least 1 axis")
    return shape
