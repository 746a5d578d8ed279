"""Data: batches of Datum messages from a database."""

from __future__ import annotations

from typing import Any

from caffe_pylayers.runtime import datums
from caffe_pylayers.runtime.data_transformer import DataTransformer
from caffe_pylayers.runtime.database import Records
from caffe_pylayers.runtime.layer import register
from caffe_pylayers.runtime.layers._prefetched import Pool, PrefetchedLayer, Share, check_batch_size
from caffe_pylayers.runtime.prefetch import Batch


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
        item = self._transformer.read(datums.read(self._first, self._path))
        return [(self._size, *self._transformer.shape(item)), (self._size,)]

    def fill(self, batch: Batch) -> None:
        records = self._own()
        first = datums.read(records[0], self._path)
        alike = datums.read_alike(records, first)
        if alike:
            items: Any = alike[0]
            data, labels = batch.reshape((self._size, *self._transformer.shape(items[0])), (self._size,))
            self._transformer.transform(items, data)
            labels[:] = alike[1]
            return
        found = [first, *(datums.read(record, self._path) for record in records[1:])]
        item = self._transformer.read(first)
        data, labels = batch.reshape((self._size, *self._transformer.shape(item)), (self._size,))
        labels[:] = [datum.label for datum in found]
        if not any(datum.encoded for datum in found):
            self._transformer.transform([self._transformer.read(datum) for datum in found], data)
            return
        draws = self._transformer.draw(self._size)

        def one(i: int) -> None:
            image = self._transformer.read(found[i]) if i else item
            self._transformer.transform([image], data[i : i + 1], draws[i : i + 1])

        self._pool.each(one, self._size)

    def _own(self) -> list[bytes]:
        """The next records that are this solver's, a batch of them."""
        if self._share.all:
            return self._records.take(self._size)
        records: list[bytes] = []
        while len(records) < self._size:
            record = next(self._records)
            if self._share.next():
                records.append(record)
        return records
