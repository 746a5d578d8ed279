"""A blob: an N-dimensional array of float32 values and their gradients."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator
from typing import Any

import torch

from caffe_pylayers.runtime.memory.limits import Shape, check_shape
from caffe_pylayers.runtime.memory.memory import CONTIGUOUS, Memory


class Blob:
    """Caffe's Blob, as pycaffe shows it, and as native layers use it.

    ``data`` and ``diff`` are numpy arrays that are the blob's memory. Native layers take tensors
    instead: ``read`` to look at, ``write`` to fill as a whole, ``update`` to change in place; and
    ``read_diff``, ``write_diff``, ``update_diff``. Their layout is Caffe's unless they ask for
    another, see memory.
    """

    def __init__(self, shape: Iterable[int] | None = None) -> None:
        self._shape: Shape = ()
        self._data = Memory(0)
        self._diff = Memory(0)
        if shape is not None:  # () is a scalar, with one value
            self.reshape(*shape)

    @property
    def shape(self) -> Shape:
        """The sizes of the axes."""
        return self._shape

    @property
    def count(self) -> int:
        """The number of values: the product of the sizes, but 0 before the first reshape, when the shape is ()."""
        return min(math.prod(self._shape), self._data.capacity)

    def reshape(self, *dims: int) -> None:
        """Change the shape. Values stay where they are unless there have never been as many: then all are zero."""
        capacity = min(self._data.capacity, self._diff.capacity)  # they differ where only one is shared
        try:
            if dims == self._shape and math.prod(dims) <= capacity:
                return
        except ValueError:  # an array among them, which check_shape refuses
            pass
        self._shape = check_shape(dims)
        count = math.prod(self._shape)
        if count > capacity:
            self._data, self._diff = Memory(count), Memory(count)

    @property
    def data(self) -> Any:
        """The values, a float32 numpy array: the memory itself, to be read and written."""
        return self._data.array(self._shape)

    @property
    def diff(self) -> Any:
        """The gradients, a float32 numpy array: the memory itself, to be read and written."""
        return self._diff.array(self._shape)

    @property
    def tensor(self) -> torch.Tensor:
        """The values as a tensor on the current device: the memory itself. It gives DLPack access too."""
        self._data.lend()
        return self.update()

    @property
    def diff_tensor(self) -> torch.Tensor:
        """The gradients as a tensor on the current device: the memory itself."""
        return self.update_diff()

    @property
    def _gpu_data_ptr(self) -> int:
        """The address of the values on the current device."""
        return self.update().data_ptr()

    @property
    def _gpu_diff_ptr(self) -> int:
        """The address of the gradients on the current device."""
        return self.update_diff().data_ptr()

    def read(self, layout: str = CONTIGUOUS) -> torch.Tensor:
        """The values, not to be written to."""
        return self._data.read(self._shape, layout)

    def write(self, layout: str = CONTIGUOUS) -> torch.Tensor:
        """A tensor for the values, undefined until written to as a whole."""
        return self._data.write(self._shape, layout)

    def update(self, layout: str = CONTIGUOUS) -> torch.Tensor:
        """The values, to be changed in place."""
        return self._data.update(self._shape, layout)

    def take(self, values: torch.Tensor, layout: str = CONTIGUOUS) -> None:
        """Have a tensor's values, which its maker gives away."""
        self._data.take(values.reshape(self._shape), layout)

    def discard(self, layout: str = CONTIGUOUS) -> None:
        """Before ``take``: the values of now are not needed any more."""
        self._data.discard(layout)

    def exchange(self, memory: torch.Tensor) -> torch.Tensor | None:
        """Have the values that flat host memory begins with; gives memory to use instead, None if there is none."""
        return self._data.exchange(memory, self._shape)

    def read_diff(self, layout: str = CONTIGUOUS) -> torch.Tensor:
        """The gradients, not to be written to."""
        return self._diff.read(self._shape, layout)

    def write_diff(self, layout: str = CONTIGUOUS) -> torch.Tensor:
        """A tensor for the gradients, undefined until written to as a whole."""
        return self._diff.write(self._shape, layout)

    def update_diff(self, layout: str = CONTIGUOUS) -> torch.Tensor:
        """The gradients, to be changed in place."""
        return self._diff.update(self._shape, layout)

    def give(self, layout: str) -> torch.Tensor:
        """The values, which now are the caller's: the blob's are undefined until ``take`` or ``write``."""
        values = self._data.read(self._shape, layout)
        self._data.discard(layout)
        return values

    def take_diff(self, values: torch.Tensor, layout: str = CONTIGUOUS) -> None:
        """Have a tensor's values as gradients."""
        self._diff.take(values.reshape(self._shape), layout)

    def discard_diff(self, layout: str = CONTIGUOUS) -> None:
        """Before ``take_diff``: the gradients of now are not needed any more."""
        self._diff.discard(layout)

    def clear_diff(self) -> None:
        """Set the gradients to zero."""
        self._diff.clear(self._shape, self.diff_layout)

    def add_diff(self, values: torch.Tensor, layout: str = CONTIGUOUS) -> None:
        """Add a tensor's values, which its maker gives away, to the gradients."""
        self._diff.add(values.reshape(self._shape), layout)

    def owe_diff(self, other: Blob) -> None:
        """Have the other's values as gradients, copied when they are first looked at and not later changed."""
        layout = other.layout
        self._diff.owe(lambda: self.write_diff(layout).copy_(other.read(layout)))

    @property
    def version(self) -> int:
        """Another number says that the values may be others."""
        return self._data.version

    @property
    def layout(self) -> str:
        """The layout in which the values are now, to be read without conversion."""
        return self._data.layout(self._shape)

    @property
    def diff_layout(self) -> str:
        """The layout in which the gradients are now."""
        return self._diff.layout(self._shape)

    def share_data(self, other: Blob) -> None:
        """Have the other's values, in one memory; the counts agree."""
        self._check_count(other)
        self._data = other._data

    def share_diff(self, other: Blob) -> None:
        """Have the other's gradients, in one memory; the counts agree."""
        self._check_count(other)
        self._diff = other._diff

    def _check_count(self, other: Blob) -> None:
        if self.count != other.count:
            raise ValueError(f"blobs of shapes {self._shape} and {other._shape} cannot share values")

    def memories(self) -> tuple[Memory, Memory]:
        """The memory of the values and that of the gradients."""
        return self._data, self._diff

    num = property(lambda self: self._legacy_shape(0), doc="The first size, 1 where there is none.")
    channels = property(lambda self: self._legacy_shape(1), doc="The second size, 1 where there is none.")
    height = property(lambda self: self._legacy_shape(2), doc="The third size, 1 where there is none.")
    width = property(lambda self: self._legacy_shape(3), doc="The fourth size, 1 where there is none.")

    def _legacy_shape(self, axis: int) -> int:
        if len(self._shape) > 4:
            raise ValueError(f"num, channels, height and width need 4 axes at most, got shape {self._shape}")
        return self._shape[axis] if axis < len(self._shape) else 1

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise RuntimeError("a Blob cannot be copied or pickled: take blob.data.copy(), and write it to other.data[...]")

    def __repr__(self) -> str:
        return f"Blob{self._shape}"


@contextlib.contextmanager
def arrays_in_step(blobs: Iterable[Blob]) -> Iterator[None]:
    """Keep the arrays that are held outside and the blobs' values the same, before and after."""
    for memory in _shown(blobs):
        memory.begin()
    try:
        yield
    finally:
        for memory in _shown(blobs):
            memory.end()


def _shown(blobs: Iterable[Blob]) -> list[Memory]:
    return [memory for blob in blobs for memory in (blob._data, blob._diff) if memory.shown is not None]
