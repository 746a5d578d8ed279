"""Data: batches of Datum messages from a database."""

from __future__ import annotations

import functools
from typing import Any

from caffe_pylayers.runtime.data import datums
from caffe_pylayers.runtime.data.database import Records, Value
from caffe_pylayers.runtime.data.prefetch import Batch
from caffe_pylayers.runtime.data.transformer import DataTransformer
from caffe_pylayers.runtime.layers._prefetched import Pool, PrefetchedLayer, Share, check_batch_size, fill_from_images
from caffe_pylayers.runtime.layers.layer import register


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
        take = functools.partial(_take, Records(param.source, param.backend), Share(phase))
        self._first = next(Records(param.source, param.backend))
        self._batches = datums.Batches(take, self._size, self._path)
        self._pool = Pool()

    def shapes(self) -> list[tuple[int, ...]]:
        item = self._transformer.read(datums.read(self._first, self._path))
        return [(self._size, *self._transformer.shape(item)), (self._size,)]

    def fill(self, batch: Batch) -> None:
        records = self._batches.next()
        if isinstance(records, tuple):
            items, values = records
            data, labels = batch.reshape((self._size, *self._transformer.shape(items[0])), (self._size,))
            self._transformer.transform(items, data)
            labels[:] = values
            return
        if not datums.read(records[0], self._path).encoded:
            found = [datums.read(record, self._path) for record in records]
            if not any(datum.encoded for datum in found):
                read = [self._transformer.read(datum) for datum in found]
                data, labels = batch.reshape((self._size, *self._transformer.shape(read[0])), (self._size,))
                self._transformer.transform(read, data)
                labels[:] = [datum.label for datum in found]
                return

        def image(i: int) -> tuple[Any, int]:
            datum = datums.read(records[i], self._path)
            return self._transformer.read(datum), datum.label

        fill_from_images(batch, self._transformer, self._pool, self._size, image)


def _take(records: Records, share: Share, count: int) -> list[Value]:
    """Of the next so many records those that are this solver's."""
    taken = records.take(count)
    return taken if share.all else [record for record in taken if share.next()]
