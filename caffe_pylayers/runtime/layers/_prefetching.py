"""What the data layers share that make batches of items in a thread: Caffe's BasePrefetchingDataLayer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import torch

from caffe_pylayers.runtime.blob import Blob
from caffe_pylayers.runtime.data_transformer import DataTransformer
from caffe_pylayers.runtime.layer import Count, Layer
from caffe_pylayers.runtime.prefetch import Ahead

Batch = tuple[Any, Any]  # data (items, channels, height, width) and labels (items), float32 arrays


class Prefetching(Layer):
    """A layer whose tops are data and labels, made ``data_param.prefetch`` batches ahead.

    A subclass makes the iterator over its batches in ``batches``, and says their shape.
    """

    bottoms = 0
    tops: ClassVar[Count] = 2

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        depth = self.layer_param.data_param.prefetch
        self.check(depth > 0, "data_param.prefetch must be positive, got 0")
        try:
            transformer = DataTransformer(self.layer_param.transform_param, self.phase)
            batches, shape = self.batches(transformer)
        except (OSError, ValueError, ImportError) as error:
            raise self.error(str(error)) from error
        top[0].reshape(*shape)
        if len(top) > 1:
            top[1].reshape(shape[0])
        self._batches = Ahead(batches, depth)

    def batches(self, transformer: DataTransformer) -> tuple[Iterator[Batch], tuple[int, ...]]:
        """An endless iterator that a thread may run, and the shape of its first batch's data.

        OSError or ValueError for what cannot be read.
        """
        raise NotImplementedError

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Nothing: forward gives the tops the shapes of their batch."""

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        try:
            batch = next(self._batches)
        except (OSError, ValueError) as error:
            raise self.error(str(error)) from error
        for blob, values in zip(top, batch):
            blob.reshape(*values.shape)
            blob.write().copy_(torch.from_numpy(values))

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        """Nothing."""
