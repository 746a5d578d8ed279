"""Data: batches of Datum messages from a database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from caffe_pylayers.runtime.blob import Blob
from caffe_pylayers.runtime.data_transformer import DataTransformer
from caffe_pylayers.runtime.database import Records
from caffe_pylayers.runtime.layer import Layer, register
from caffe_pylayers.runtime.process import solver_count, solver_rank
from caffe_pylayers.runtime.proto.caffe_pb2 import TEST, DataParameter, Datum


class Batches:
    """An endless iterator over (data, labels) of a database, as arrays (batch, C, H, W) and (batch,) float32.

    All that the Data layer does before it fills its tops, in one object that a thread may run ahead. Where
    several solvers train together each takes every solver_count()-th record, as in Caffe; in TEST every one.
    """

    def __init__(self, source: str, batch_size: int, transformer: DataTransformer, phase: int) -> None:
        self._source, self._size, self._transformer = source, batch_size, transformer
        self._records, self._read = Records(source), 0
        self._share = phase != TEST

    def shape(self) -> tuple[int, ...]:
        """The shape of a batch of items like the database's first."""
        datum = Datum.FromString(next(Records(self._source)))
        return (self._size, *self._transformer.shape(self._transformer.read(datum)))

    def __iter__(self) -> Batches:
        return self

    def __next__(self) -> tuple[Any, Any]:
        datums = [Datum.FromString(record) for record in self._own()]
        items = [self._transformer.read(datum) for datum in datums]
        data = np.empty((self._size, *self._transformer.shape(items[0])), np.float32)
        self._transformer.transform(items, data)
        return data, np.array([datum.label for datum in datums], np.float32)

    def _own(self) -> list[bytes]:
        """The next records that are this solver's, a batch of them."""
        count, rank = (solver_count(), solver_rank()) if self._share else (1, 0)
        records: list[bytes] = []
        while len(records) < self._size:
            record = next(self._records)
            if self._read % count == rank:
                records.append(record)
            self._read += 1
        return records


@register("Data")
class Data(Layer):
    """Batches of ``batch_size`` from the LMDB ``source``, in the order of its keys and over again.

    Top: [0] data (batch_size, C, H, W), transformed by transform_param and of the size of the batch's first
    item; [1], if there, labels (batch_size). Caffe's DataLayer; rand_skip is ignored, as in Caffe 1.0, and
    so is prefetch.
    """

    bottoms = 0
    tops = (1, 2)

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param = self.layer_param.data_param
        if param.backend != DataParameter.LMDB:
            raise self.error(
                "backend LEVELDB, the default, cannot be read; write `backend: LMDB` and give it an LMDB "
                "(Caffe's convert_imageset makes them with -backend lmdb)"
            )
        self.check(param.batch_size > 0, "data_param.batch_size must be positive, got 0")
        try:
            transformer = DataTransformer(self.layer_param.transform_param, self.phase)
            self._batches = Batches(param.source, param.batch_size, transformer, self.phase)
            top[0].reshape(*self._batches.shape())
        except (OSError, ValueError) as error:
            raise self.error(str(error)) from error
        if len(top) > 1:
            top[1].reshape(param.batch_size)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Nothing: forward gives the tops the shapes of their batch."""

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        try:
            batch = next(self._batches)
        except ValueError as error:
            raise self.error(str(error)) from error
        for blob, values in zip(top, batch):
            blob.reshape(*values.shape)
            blob.write().copy_(torch.from_numpy(values))

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        """Nothing."""
