"""Data: batches of Datum messages from a database."""

from __future__ import annotations

from typing import Any

from caffe_pylayers.runtime.data import datums
from caffe_pylayers.runtime.data.database import Records
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


@register("Data")
class Data(PrefetchedLayer):
    """Batches of the records of the LMDB or LevelDB ``source``, in the order of its keys and over again.

    Top: [0] data (batch_size, C, H, W), transformed by transform_param and of the size of the batch's first
    record; [1], if there, labels (batch_size). Where several solvers train together each takes every
    solver_count()-th record. Caffe's Data; rand_skip is ignored, as in Caffe 1.0.
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
        self._first = next(Records(param.source, param.backend))
        self._shard = Shard(phase)
        self._records = Records(param.source, param.backend, self._shard.rank, self._shard.count)
        self._workers = Workers()

    def shapes(self) -> list[tuple[int, ...]]:
        first = datums.read(self._first, self._path)
        with naming(self._path):
            item = self._transformer.read(first)
            return [(self._size, *self._transformer.shape(item)), (self._size,)]

    def fill(self, batch: Batch) -> None:
        found = [datums.read(record, self._path) for record in self._next_records()]
        if any(datum.encoded for datum in found):
            fill_from_images(
                batch,
                self._transformer,
                self._workers,
                self._size,
                read=lambda i: (self._transformer.read(found[i]), found[i].label),
                where=lambda i: self._path,
            )
            return
        with naming(self._path):
            items = datums.stack(found)
            if items is None:
                items = [self._transformer.read(datum) for datum in found]
            data, labels = batch.reshape((self._size, *self._transformer.shape(items[0])), (self._size,))
            self._transformer.transform(items, data)
        labels[:] = [datum.label for datum in found]

    def start_at(self, number: int) -> None:
        self._records.start_at(self._shard.start_at(number * self._size) + self._shard.rank)
        self._transformer.start_at(number * self._size)

    def _next_records(self) -> list[bytes]:
        """Return the records of the next batch, of this solver's share."""
        found: list[bytes] = []
        while len(found) < self._size:
            found += self._records.take(self._size - len(found))
        return found
