"""Data: batches of Datum messages from a database."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import DecodeError

from caffe_pylayers.runtime.data_transformer import DataTransformer
from caffe_pylayers.runtime.database import Records
from caffe_pylayers.runtime.layer import register
from caffe_pylayers.runtime.layers._prefetched import Pool, PrefetchedLayer, Share, check_batch_size
from caffe_pylayers.runtime.prefetch import Batch
from caffe_pylayers.runtime.proto.caffe_pb2 import Datum


@register("Data")
class Data(PrefetchedLayer):
    """Batches of ``batch_size`` from the LMDB or LevelDB ``source``, in the order of its keys and over again.

    Top: [0] data (batch_size, C, H, W), transformed by transform_param and of the size of the batch's first
    item; [1], if there, labels (batch_size). Where several solvers train together each takes every
    solver_count()-th record. Caffe's DataLayer; rand_skip is ignored, as in Caffe 1.0.
    """

    tops = (1, 2)

    def source(self) -> _Datums:
        return _Datums(self.layer_param, self.phase)


class _Datums:
    def __init__(self, layer_param: Any, phase: int) -> None:
        param = layer_param.data_param
        check_batch_size("data_param", param.batch_size)
        self._path, self._size = param.source, param.batch_size
        self._transformer = DataTransformer(layer_param.transform_param, phase)
        self._records = Records(param.source, param.backend)
        self._first = next(Records(param.source, param.backend))
        self._share, self._pool = Share(phase), Pool()

    def shapes(self) -> list[tuple[int, ...]]:
        item = self._transformer.read(self._datum(self._first))
        return [(self._size, *self._transformer.shape(item)), (self._size,)]

    def fill(self, batch: Batch) -> None:
        datums = [self._datum(record) for record in self._own()]
        first = self._transformer.read(datums[0])
        data, labels = batch.reshape((self._size, *self._transformer.shape(first)), (self._size,))
        labels[:] = [datum.label for datum in datums]
        if not any(datum.encoded for datum in datums):
            self._transformer.transform([self._transformer.read(datum) for datum in datums], data)
            return
        draws = self._transformer.draw(self._size)

        def one(i: int) -> None:
            item = self._transformer.read(datums[i]) if i else first
            self._transformer.transform([item], data[i : i + 1], draws[i : i + 1])

        self._pool.each(one, self._size)

    def _own(self) -> list[bytes]:
        """The next records that are this solver's, a batch of them."""
        records: list[bytes] = []
        while len(records) < self._size:
            record = next(self._records)
            if self._share.next():
                records.append(record)
        return records

    def _datum(self, record: bytes) -> Any:
        try:
            return Datum.FromString(record)
        except DecodeError as error:
            raise ValueError(f"{self._path} has a record of {len(record)} bytes that is no Datum") from error
