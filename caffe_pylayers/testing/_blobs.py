"""Blobs without an engine: as a test holds them, and as pycaffe shows them to a layer."""

from __future__ import annotations

import math
from typing import Any, Iterator, Sequence

import numpy as np

from caffe_pylayers._layer import arrays


class Blob:
    """Data and diff, numpy arrays or torch tensors of one dtype.

    shaped: False for a top until its first reshape.
    """

    def __init__(self, data: Any, shaped: bool = True) -> None:
        self.data = data
        self.diff = arrays.namespace(data).zeros_like(data)
        self.shaped = shaped

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.data.shape)

    @property
    def count(self) -> int:
        return math.prod(self.shape)

    num = property(lambda self: self._legacy_shape(0))
    channels = property(lambda self: self._legacy_shape(1))
    height = property(lambda self: self._legacy_shape(2))
    width = property(lambda self: self._legacy_shape(3))

    def _legacy_shape(self, axis: int) -> int:
        if len(self.shape) > 4:
            raise ValueError(f"num, channels, height and width need 4 axes at most, got shape {self.shape}")
        return self.shape[axis] if axis < len(self.shape) else 1

    def reshape(self, *dims: int) -> None:
        """Change the shape; the values stay while their number does, and are NaN otherwise.

        (Caffe leaves what the memory held: a layer must not read it.)
        """
        self.shaped = True
        if math.prod(dims) == self.count:
            self.data, self.diff = self.data.reshape(dims), self.diff.reshape(dims)
        else:
            xp = arrays.namespace(self.data)
            like = {"dtype": self.data.dtype} if xp is np else {"dtype": self.data.dtype, "device": self.data.device}
            self.data, self.diff = xp.full(dims, math.nan, **like), xp.full(dims, math.nan, **like)


class ShownBlob:
    """A blob as pycaffe shows it to a layer, and as strict: what fails on real Caffe fails here, and says why."""

    def __init__(self, blob: Blob, name: str) -> None:
        self.blob, self.name = blob, name

    @property
    def data(self) -> Any:
        return self._of_shaped("data")

    @data.setter
    def data(self, value: Any) -> None:
        raise AttributeError(f"{self.name}.data cannot be replaced; write into it: {self.name}.data[...] = ...")

    @property
    def diff(self) -> Any:
        return self._of_shaped("diff")

    @diff.setter
    def diff(self, value: Any) -> None:
        raise AttributeError(f"{self.name}.diff cannot be replaced; write into it: {self.name}.diff[...] = ...")

    @property
    def shape(self) -> ShownShape:
        return ShownShape(self.blob.shape)

    def reshape(self, *dims: int) -> None:
        _check_sizes(f"{self.name}.reshape", dims)
        self.blob.reshape(*dims)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.blob, name)  # count, num, channels, height, width

    def _of_shaped(self, which: str) -> Any:
        if not self.blob.shaped:
            raise RuntimeError(f"{self.name}.{which} before {self.name}.reshape, which ends real Caffe's process")
        return getattr(self.blob, which)


class ShownShape:
    """``blob.shape``: to be indexed, sliced, counted and iterated, but no tuple."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self._sizes = tuple(map(int, sizes))

    def __len__(self) -> int:
        return len(self._sizes)

    def __iter__(self) -> Iterator[int]:
        return iter(self._sizes)

    def __getitem__(self, index: Any) -> Any:
        return ShownShape(self._sizes[index]) if isinstance(index, slice) else self._sizes[index]

    def __repr__(self) -> str:
        return f"<shape {self._sizes}>"

    def _no_tuple(self, other: Any) -> Any:
        raise TypeError("blob.shape is no tuple on real Caffe: write tuple(blob.shape), or blob.data.shape")

    __add__ = __radd__ = __mul__ = __rmul__ = __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _no_tuple
    __hash__ = None  # type: ignore[assignment]


class ShownBlobs:
    """``bottom`` or ``top``: to be indexed, sliced and counted, not iterated."""

    def __init__(self, blobs: Sequence[Any], side: str) -> None:
        self._side = side
        self._blobs = [ShownBlob(x, f"{side}[{i}]") if isinstance(x, Blob) else x for i, x in enumerate(blobs)]

    def __len__(self) -> int:
        return len(self._blobs)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return ShownBlobs(self._blobs[index], self._side)
        if not isinstance(index, int):
            raise TypeError(f"{self._side} takes Python integers as an index, got {_kind(index)}")
        if not -len(self) <= index < len(self):
            raise IndexError(f"{self._side}[{index}]: the layer has {len(self)} {self._side}s")
        return self._blobs[index]

    def __iter__(self) -> Iterator[Any]:
        raise TypeError(f"{self._side} cannot be iterated on real Caffe: write for i in range(len({self._side}))")


class LearnedBlobs(list):  # type: ignore[type-arg]
    """``self.blobs`` of a layer: arrays or tensors like another one."""

    def __init__(self, like: Any) -> None:
        super().__init__()
        self._like = like

    def add_blob(self, *dims: int) -> None:
        """Add a learned blob of this shape, zero at first."""
        _check_sizes("self.blobs.add_blob", dims)
        values = arrays.new(self._like, dims)
        arrays.fill(values, 0)
        self.append(ShownBlob(Blob(values), f"self.blobs[{len(self)}]"))


def _check_sizes(what: str, dims: Sequence[Any]) -> None:
    for size in dims:
        if isinstance(size, (list, tuple, ShownShape)):
            raise TypeError(f"{what} takes the sizes one by one, got {_kind(size)}: write {what}(*shape)")
        if not isinstance(size, int):
            raise TypeError(f"{what} takes Python integers on real Caffe, got {_kind(size)}: convert it with int()")
        if size < 0:
            raise ValueError(f"{what} takes sizes from 0, got {size}, which ends real Caffe's process")


def _kind(value: Any) -> str:
    kind = type(value)
    return f"{kind.__module__}.{kind.__name__}" if kind.__module__ in ("numpy", "torch") else f"a {kind.__name__}"
