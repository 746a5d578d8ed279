"""A Python layer driven without an engine, on blobs of any dtype."""

from __future__ import annotations

import math
from typing import Any, Sequence

import numpy as np

from caffe_pylayers._layer import arrays


class Blob:
    """Data and diff as a layer sees them, numpy arrays or torch tensors of one dtype."""

    def __init__(self, data: Any) -> None:
        self.data = data
        self.diff = arrays.namespace(data).zeros_like(data)

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
        if math.prod(dims) == self.count:
            self.data, self.diff = self.data.reshape(dims), self.diff.reshape(dims)
        else:
            xp = arrays.namespace(self.data)
            self.data = xp.full(dims, math.nan, dtype=self.data.dtype)
            self.diff = xp.full(dims, math.nan, dtype=self.data.dtype)


class LearnedBlobs(list):  # type: ignore[type-arg]
    """``self.blobs`` of a layer."""

    def __init__(self, dtype: Any) -> None:
        super().__init__()
        self._dtype = dtype

    def add_blob(self, *dims: int) -> None:
        self.append(Blob(np.zeros(dims, self._dtype)))


class LayerRun:
    """One layer instance with its bottoms and tops, called in Caffe's order.

    layer_class: any class with the four methods. Its instance gets param_str, phase and blobs as
        in Caffe, but no LayerParameter: an __init__ of its own is not called.
    bottoms: arrays, numpy or torch; they are copied.
    tops: number of tops.
    dtype: of numpy blobs; tensors keep theirs.
    """

    def __init__(
        self,
        layer_class: type,
        bottoms: Sequence[Any],
        *,
        param_str: str = "",
        tops: int = 1,
        phase: int = 0,
        dtype: Any = np.float64,
    ) -> None:
        self.bottom = [Blob(_copy(x, dtype)) for x in bottoms]
        self.top = [Blob(self._empty(dtype)) for _ in range(tops)]
        # A subclass, because caffe.Layer's own blobs is a property of the engine, not to be set.
        with_blobs: Any = type(
            layer_class.__name__, (layer_class,), {"blobs": None, "__module__": layer_class.__module__}
        )
        self.layer: Any = with_blobs.__new__(with_blobs)
        self.layer.param_str = param_str
        self.layer.phase = phase
        self.layer.blobs = LearnedBlobs(dtype)
        self.layer.setup(self.bottom, self.top)
        self.layer.reshape(self.bottom, self.top)

    def forward(self) -> list[Any]:
        """Reshape, then forward into tops that hold NaN; returns the tops' data."""
        self.layer.reshape(self.bottom, self.top)
        for blob in self.top:
            blob.data[...] = math.nan
        self.layer.forward(self.bottom, self.top)
        return [blob.data for blob in self.top]

    def backward(self, top_diffs: Sequence[Any], propagate_down: Sequence[bool] | None = None) -> list[Any]:
        """Backward into bottom diffs that hold NaN; returns them. All bottoms by default.

        The learned blobs' diffs are left as they are: a layer adds to them.
        """
        for blob, diff in zip(self.top, top_diffs):
            blob.diff[...] = diff
        for blob in self.bottom:
            blob.diff[...] = math.nan
        down = [True] * len(self.bottom) if propagate_down is None else list(propagate_down)
        self.layer.backward(self.top, down, self.bottom)
        return [blob.diff for blob in self.bottom]

    def _empty(self, dtype: Any) -> Any:
        if not self.bottom:
            return np.zeros(0, dtype)
        data = self.bottom[0].data
        return arrays.namespace(data).zeros_like(data.reshape(-1)[:0])


def _copy(array: Any, dtype: Any) -> Any:
    if arrays.namespace(array) is np:
        return np.array(array, dtype=dtype, order="C")
    return array.clone()
