"""HDF5Data and HDF5Output."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from caffe_pylayers.runtime import device, hdf5, rng
from caffe_pylayers.runtime.blob import Blob
from caffe_pylayers.runtime.layer import Layer, register
from caffe_pylayers.runtime.process import solver_count, solver_rank
from caffe_pylayers.runtime.proto.caffe_pb2 import TEST


@register("HDF5Data")
class HDF5Data(Layer):
    """Batches of ``batch_size`` rows of HDF5 files, one file after the other and over again, as Caffe's HDF5Data.

    ``source`` lists the files. With ``shuffle`` the files, and the rows of each, come in a new order each time.
    Where several solvers train together each takes every solver_count()-th row; in TEST every one. Files are
    read whole.

    Top: [0], [1], ... (batch_size, ...), each the dataset of its name; all have as many rows.
    """

    bottoms = 0
    tops = (1, None)

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param = self.layer_param.hdf5_data_param
        self.check(not self.layer_param.HasField("transform_param"), "does not transform: drop transform_param")
        self._size, self._shuffle = param.batch_size, param.shuffle
        self.check(self._size > 0, f"hdf5_data_param.batch_size must be positive, got {self._size}")
        try:
            self._files = Path(param.source).read_text(encoding="utf-8").split()
        except OSError as error:
            raise self.error(f"hdf5_data_param.source: {error}") from error
        self.check(bool(self._files), f"hdf5_data_param.source {param.source} lists no files")
        self._row_shapes: list[tuple[int, ...]] = []
        self._rows = self._endless()
        first = next(self._rows)  # reads the first file
        self._rows = itertools.chain([first], self._rows)
        self._read = 0
        for blob, shape in zip(top, self._row_shapes):
            blob.reshape(self._size, *shape)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Nothing: setup has given the tops their shapes."""

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        rows = [self._next() for _ in range(self._size)]
        start = 0
        while start < self._size:  # as many as come from one file at once
            end, arrays = start, rows[start][0]
            while end < self._size and rows[end][0] is arrays:
                end += 1
            found = [row for _, row in rows[start:end]]
            for blob, values in zip(top, arrays):
                blob.data[start:end] = values[found]
            start = end

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        """Nothing."""

    def _next(self) -> tuple[list[Any], int]:
        """The next row that is this solver's, as (the arrays of its file, its index)."""
        count, rank = (1, 0) if self.phase == TEST else (solver_count(), solver_rank())
        while True:
            row, number = next(self._rows), self._read
            self._read += 1
            if number % count == rank:
                return row

    def _endless(self) -> Iterator[tuple[list[Any], int]]:
        arrays: list[Any] = []
        while True:
            for number in self._order(len(self._files)):
                if len(self._files) > 1 or not arrays:
                    arrays = self._load(self._files[number])
                for row in self._order(len(arrays[0])):
                    yield arrays, row

    def _order(self, count: int) -> list[int]:
        if not self._shuffle:
            return list(range(count))
        order: list[int] = torch.randperm(count, generator=rng.generator(device.HOST)).tolist()
        return order

    def _load(self, path: str) -> list[Any]:
        """The dataset of each top, float32."""
        arrays = []
        try:
            with hdf5.reading(path) as file:
                for name in self.layer_param.top:
                    dataset = file[name]
                    hdf5.check_numbers(dataset, f'{path}: dataset "{name}"')
                    arrays.append(np.asarray(dataset[()], np.float32))
        except (OSError, ValueError) as error:
            raise self.error(str(error)) from error
        shapes = [values.shape for values in arrays]
        if not all(shapes) or {shape[0] for shape in shapes} != {shapes[0][0]} or not shapes[0][0]:
            raise self.error(f"{path}: datasets {list(self.layer_param.top)} must have as many rows, got {shapes}")
        row_shapes = [shape[1:] for shape in shapes]
        self._row_shapes = self._row_shapes or row_shapes
        if row_shapes != self._row_shapes:
            raise self.error(f"{path}: rows have shapes {row_shapes}, those of the first file {self._row_shapes}")
        return arrays


@register("HDF5Output")
class HDF5Output(Layer):
    """Writes its bottoms to the HDF5 file ``file_name``, as Caffe's HDF5Output: datasets data and label, of 4 axes.

    Bottom: [0] data and [1] labels, up to 4 axes each, one first size. One batch: a second forward is refused,
    in Caffe it ends the process. The file is there, whole, once the forward has returned.
    """

    bottoms = 2
    tops = 0

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self._path = self.layer_param.hdf5_output_param.file_name
        self.check(bool(self._path), "hdf5_output_param.file_name is missing")
        folder = Path(self._path).parent
        self.check(folder.is_dir(), f"hdf5_output_param.file_name {self._path}: there is no folder {folder}")
        self._written = False

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        shapes = [blob.shape for blob in bottom]
        if max(map(len, shapes)) > 4 or not all(shapes) or shapes[0][0] != shapes[1][0]:
            raise self.error(f"takes two bottoms of up to 4 axes and of one first size, got shapes {shapes}")

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.check(not self._written, f"{self._path} has been written: HDF5Output takes one batch")
        try:
            with hdf5.writing(self._path) as file:
                for name, blob in zip(("data", "label"), bottom):
                    legacy = blob.num, blob.channels, blob.height, blob.width
                    file.create_dataset(name, data=blob.read().cpu().numpy().reshape(legacy))
        except OSError as error:
            raise self.error(f"{self._path} cannot be written: {error}") from error
        self._written = True

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        """Nothing."""
