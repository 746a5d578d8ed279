"""Data: batches of Datum messages from a database."""

from __future__ import annotations

from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from caffe_pylayers.runtime.data_transformer import DataTransformer
from caffe_pylayers.runtime.database import Records
from caffe_pylayers.runtime.image import Readers
from caffe_pylayers.runtime.layer import register
from caffe_pylayers.runtime.layers._prefetching import Batch, Prefetching
from caffe_pylayers.runtime.process import solver_count, solver_rank
from caffe_pylayers.runtime.proto.caffe_pb2 import TEST, DataParameter, Datum


class Batches:
    """An endless iterator over the batches of a database.

    Where several solvers train together each takes every solver_count()-th record, as in Caffe; in TEST every one.
    """

    def __init__(self, records: Records, batch_size: int, transformer: DataTransformer, phase: int) -> None:
        self._records, self._size, self._transformer = records, batch_size, transformer
        self._read = 0
        self._share = phase != TEST
        self._readers = Readers()

    def __iter__(self) -> Batches:
        return self

    def __next__(self) -> Batch:
        datums = [read_datum(record) for record in self._own()]
        read = self._transformer.read
        items = self._readers.map(read, datums) if datums[0].encoded else [read(datum) for datum in datums]
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


def read_datum(record: bytes) -> Any:
    """The Datum that a record is; ValueError where it is none."""
    try:
        return Datum.FromString(record)
    except DecodeError:
        raise ValueError(f"a record of {len(record)} bytes is no Datum") from None


@register("Data")
class Data(Prefetching):
    """Batches of ``batch_size`` from the database ``source``, in the order of its keys and over again.

    The database is an LMDB or, with ``backend: LEVELDB``, the default, a LevelDB.

    Top: [0] data (batch_size, C, H, W), transformed by transform_param and of the size of the batch's first
    item; [1], if there, labels (batch_size). Caffe's DataLayer; rand_skip is ignored, as in Caffe 1.0.
    """

    tops = (1, 2)

    def batches(self, transformer: DataTransformer) -> tuple[Batches, tuple[int, ...]]:
        param = self.layer_param.data_param
        self.check(param.batch_size > 0, "data_param.batch_size must be positive, got 0")
        leveldb = param.backend == DataParameter.LEVELDB
        first = read_datum(next(Records(param.source, leveldb)))
        shape = (param.batch_size, *transformer.shape(transformer.read(first)))
        return Batches(Records(param.source, leveldb), param.batch_size, transformer, self.phase), shape
