"""MemoryData."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from caffe_pylayers.runtime.data.transformer import DataTransformer
from caffe_pylayers.runtime.layers.layer import Layer, register
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.process import LOGGER


@register("MemoryData")
class MemoryData(Layer):
    """Batches from arrays in memory, one after the other and over again, as Caffe's MemoryData.

    ``reset``, which Net.set_input_arrays calls, takes the arrays; ``add`` takes Datum messages instead. Without
    either, forward raises LayerError.

    Top: [0] data (batch_size, channels, height, width); [1] labels (batch_size), from the first forward on
    (batch_size, 1, 1, 1).
    """

    bottoms = 0
    tops = 2

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param = self.layer_param.memory_data_param
        self.channels, self.height, self.width = param.channels, param.height, param.width
        self.batch_size = param.batch_size
        self._item = (self.channels, self.height, self.width)
        if not (self.batch_size and all(self._item)):
            sizes = f"{self.batch_size}, {', '.join(map(str, self._item))}"
            raise self.error(f"batch_size, channels, height and width must be positive, got {sizes}")
        top[0].reshape(self.batch_size, *self._item)
        top[1].reshape(self.batch_size)
        self._transformer = self._make_transformer()
        self._data: torch.Tensor | None = None
        self._labels: torch.Tensor | None = None
        self._position = 0
        self._added = False  # True while items of ``add`` are left to read

    def _make_transformer(self) -> DataTransformer:
        try:
            return DataTransformer(self.layer_param.transform_param, self.phase)
        except (OSError, ValueError) as error:
            raise self.error(str(error)) from error

    def reset(self, data: Any, labels: Any, n: int) -> None:
        """Read from arrays of n items and n labels, float32, which are not copied.

        data: (n, channels, height, width). labels: n values. LayerError unless n is a multiple of batch_size.
        """
        if n <= 0 or n % self.batch_size:
            raise self.error(f"takes a multiple of batch_size {self.batch_size} items, got {n}")
        if data.shape[1:] != self._item or data.size != n * np.prod(self._item) or labels.size != n:
            raise self.error(
                f"takes data of shape {(n, *self._item)} and {n} labels, got shapes {data.shape} and {labels.shape}"
            )
        if self.layer_param.HasField("transform_param"):
            LOGGER.warning('layer "%s": transform_param does not apply to arrays', self.name)
        self._set(data, labels.reshape(-1))

    def add(self, datums: Sequence[Any]) -> None:
        """Read from Datum messages, transformed by transform_param.

        LayerError unless their number is a multiple of batch_size, and while some added before are left.
        """
        self._check_consumed("add items")
        if not datums or len(datums) % self.batch_size:
            raise self.error(f"takes a multiple of batch_size {self.batch_size} items, got {len(datums)}")
        data = np.empty((len(datums), *self._item), np.float32)
        try:
            self._transformer.transform([self._transformer.read(datum) for datum in datums], data)
        except ValueError as error:
            raise self.error(str(error)) from error
        self._set(data, np.array([datum.label for datum in datums], np.float32))
        self._added = True

    def set_batch_size(self, size: int) -> None:
        """Give batches of this size from the next forward on; LayerError while added items are left."""
        self._check_consumed("change batch_size")
        self.batch_size = size

    def _set(self, data: Any, labels: Any) -> None:
        self._data, self._labels = torch.from_numpy(data), torch.from_numpy(labels)
        self._position = 0

    def _check_consumed(self, what: str) -> None:
        if self._added:
            raise self.error(f"cannot {what} until the ones added before have been read")

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Do nothing: forward gives the tops their shapes."""

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        if self._data is None or self._labels is None:
            raise self.error("has no data: call net.set_input_arrays(data, labels), or reset or add on the layer")
        top[0].reshape(self.batch_size, *self._item)
        top[1].reshape(self.batch_size, 1, 1, 1)
        batch = slice(self._position, self._position + self.batch_size)
        top[0].write().copy_(self._data[batch])
        top[1].write().view(-1).copy_(self._labels[batch])
        self._position = (self._position + self.batch_size) % len(self._data)
        if not self._position:
            self._added = False

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        """Do nothing."""
