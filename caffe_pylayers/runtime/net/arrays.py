"""The arrays that a net's methods take and give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from caffe_pylayers._layer.quote import quoted
from caffe_pylayers.runtime.layers.layer import LayerError
from caffe_pylayers.runtime.layers.memory_data import MemoryData
from caffe_pylayers.runtime.memory import allocator
from caffe_pylayers.runtime.memory.limits import ShapeError
from caffe_pylayers.runtime.net.step import Step


def read(blobs: Any, name: str, kind: str) -> Any:
    """Return a blob's array, ``kind`` "data" or "diff": RuntimeError or MemoryError if it cannot be had."""
    try:
        return getattr(blobs[name], kind)
    except ShapeError as error:
        raise RuntimeError(f"blob {quoted(name)}: {error}") from error
    except allocator.OutOfMemoryError as error:
        raise MemoryError(f"blob {quoted(name)}: {error}") from error


def set_data(blobs: Any, inputs: list[str], arrays: dict[str, Any]) -> None:
    """Set the data of a net's inputs, all of them.

    Raises Exception, which is pycaffe's own here, for arrays of other names or batch sizes, ValueError for shapes.
    """
    if set(arrays) != set(inputs):
        raise Exception(f"input arrays {sorted(arrays)} do not match the net's inputs {sorted(inputs)}")
    for name, value in arrays.items():
        _set(name, blobs[name].data, np.asarray(value))


def set_diffs(blobs: Any, outputs: list[str], arrays: dict[str, Any]) -> None:
    """Set the gradients of a net's outputs, all of them; raises as set_data does."""
    if set(arrays) != set(outputs):
        raise Exception(f"top diff arrays {sorted(arrays)} do not match the net's outputs {sorted(outputs)}")
    for name, value in arrays.items():
        _set(name, blobs[name].diff, np.asarray(value))


def _set(name: str, target: Any, array: Any) -> None:
    if target.ndim and array.shape[:1] != target.shape[:1]:
        size = f"of {len(array)}" if array.ndim else "without axes"
        raise Exception(f"{name} has batch size {target.shape[0]}, got an array {size}")
    try:
        target[...] = array
    except ValueError:
        raise ValueError(f"{name} has shape {target.shape}, got an array of {array.shape}") from None


def feed(steps: Sequence[Step], data: Any, labels: Any) -> None:
    """Have the first layer, a MemoryData layer, read from arrays: data (N, C, H, W), labels (N, 1, 1, 1).

    RuntimeError for another first layer, and for arrays that are not C-contiguous float32 arrays of 4 axes, of one
    length, and of the sizes that the layer takes.
    """
    layer = steps[0].layer if steps else None
    if not isinstance(layer, MemoryData):
        raise RuntimeError("set_input_arrays may only be called if the first layer is a MemoryData layer")
    for array, name in ((data, "data"), (labels, "labels")):
        wanted = f"{name} must be a C-contiguous float32 array of 4 axes, got"
        if not isinstance(array, np.ndarray):
            raise RuntimeError(f"{wanted} {type(array).__name__}")
        if array.dtype != np.float32 or not array.flags.c_contiguous or array.ndim != 4:
            raise RuntimeError(f"{wanted} {array.dtype} of shape {array.shape}")
    if len(data) != len(labels):
        raise RuntimeError(f"takes as many labels as data, got {len(labels)} and {len(data)}")
    try:
        layer.reset(data, labels, len(data))
    except LayerError as error:
        raise RuntimeError(str(error)) from error
