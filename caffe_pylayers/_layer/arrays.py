"""The operations that numpy and torch spell differently, so that one layer body serves both.

torch is never imported: while it is not loaded, nothing can be a tensor. No function returns
memory of an array that it was given.
"""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np

_MANY_TO_SORT = 2000  # from here on keys of integers pay off

# From 1.24 on, numpy warns of a NaN cast to an integer; errstate takes as long as the cast.
_CAST_WARNS = tuple(map(int, np.__version__.split(".")[:2])) >= (1, 24)


def namespace(*arrays: Any) -> Any:
    """Return the module, numpy or torch, that the arrays belong to; TypeError when they are mixed.

    Without arrays it is numpy.
    """
    torch = sys.modules.get("torch")
    if torch is None or not arrays:
        return np
    tensors = [isinstance(x, torch.Tensor) for x in arrays]
    if all(tensors):
        return torch
    if any(tensors):
        raise TypeError(f"arrays of different libraries: {', '.join(type(x).__name__ for x in arrays)}")
    return np


def fill(array: Any, value: float) -> None:
    """Write the value everywhere: zeros at the speed of memset, 2.5 times numpy's own at 1 MB."""
    if not isinstance(array, np.ndarray):
        array.fill_(value)
    elif value == 0 and array.ndim:
        array.view(np.uint8).fill(0)
    else:
        array[...] = value


def to_int64(array: Any) -> Any:
    """Return a copy as int64, truncated; NaN and infinity become some other number, silently."""
    if not isinstance(array, np.ndarray):
        return array.to(namespace(array).int64, copy=True)
    if not _CAST_WARNS:
        return array.astype(np.int64)
    with np.errstate(invalid="ignore"):
        return array.astype(np.int64)


def to_numpy(array: Any) -> Any:
    """Return the values as a numpy array on the host: a tensor's own memory where it is there, numpy's as it is."""
    return array if isinstance(array, np.ndarray) else np.asarray(array.detach().cpu() if is_tensor(array) else array)


def host_view(array: Any) -> Any:
    """Return a tensor on the CPU as numpy's view of its memory, and any other array as it is.

    For many operations on little data: each takes torch several times as long.
    """
    return to_numpy(array) if is_tensor(array) and array.device.type == "cpu" else array


def from_host(array: Any, like: Any) -> Any:
    """Return an array made of host views of arrays like another one as such an array."""
    return namespace(like).from_numpy(array) if isinstance(array, np.ndarray) and is_tensor(like) else array


def is_tensor(value: Any) -> bool:
    """Return True for a torch tensor."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def on_device(array: Any) -> bool:
    """Return True for a tensor that is not in the host's memory: who reads its values waits for the device."""
    return is_tensor(array) and array.device.type != "cpu"


def may_be_no_number(value: Any) -> bool:
    """Return True unless a scalar is known to be finite, as one on a device is not."""
    return on_device(value) or not math.isfinite(value)


def may_hold(array: Any) -> bool:
    """Return True unless all values are known to be 0, as those on a device are not."""
    return on_device(array) or bool(namespace(array).count_nonzero(array))


def count_true(flags: Any) -> Any:
    """Return how many values are not 0: an int, and a scalar there for those on a device."""
    found = namespace(flags).count_nonzero(flags)
    return found if on_device(flags) else int(found)


def at_least_one(value: Any) -> Any:
    """Return the larger of 1 and a number, or a scalar on a device."""
    return value.clip(1, None) if on_device(value) else max(value, 1)


def address(array: Any) -> int:
    """Return where the first value is in memory."""
    return int(array.__array_interface__["data"][0] if isinstance(array, np.ndarray) else array.data_ptr())


def astype(array: Any, like: Any) -> Any:
    """Return the array with the dtype of another one, in new memory."""
    return array.astype(like.dtype) if isinstance(array, np.ndarray) else array.to(like.dtype, copy=True)


def new(like: Any, shape: Any, dtype: Any = None) -> Any:
    """Return an array of this shape whose values are anything, with the dtype and on the device of another one.

    dtype: instead of the other's: float, int or bool, the 64-bit ones.
    """
    if isinstance(like, np.ndarray):
        return np.empty(tuple(shape), like.dtype if dtype is None else dtype)
    xp = namespace(like)
    kinds = {float: xp.float64, int: xp.int64, bool: xp.bool}
    return xp.empty(tuple(shape), dtype=like.dtype if dtype is None else kinds[dtype], device=like.device)


def from_numpy(values: Any, like: Any) -> Any:
    """Return numbers, a list or a numpy array, with the dtype and on the device of another array."""
    if isinstance(like, np.ndarray):
        return np.array(values, like.dtype)
    return _sent(namespace(like).tensor(np.asarray(values), dtype=like.dtype), like)


def _sent(tensor: Any, like: Any) -> Any:
    """Return a new tensor of the host where another one is; a GPU copies it by itself, from memory that stays there."""
    if not on_device(like):
        return tensor
    return (tensor.pin_memory() if like.is_cuda else tensor).to(like.device, non_blocking=True)


def take_along(array: Any, index: Any, axis: int) -> Any:
    """Return the values at an int64 index along the axis, numpy's take_along_axis."""
    if isinstance(array, np.ndarray):
        return np.take_along_axis(array, index, axis)
    sizes = list(index.shape)
    sizes[axis] = array.shape[axis]
    if sizes == list(array.shape):
        return array.gather(axis, index)  # in a third of the time
    return namespace(array).take_along_dim(array, index, axis)


def put_along(array: Any, index: Any, values: Any, axis: int) -> None:
    """Write values, an array or a number, at an int64 index along the axis, numpy's put_along_axis."""
    if isinstance(array, np.ndarray):
        np.put_along_axis(array, index, values, axis)
    else:
        array.scatter_(axis, index, values)


def put_at(array: Any, index: Any, value: float) -> None:
    """Write a number at an int64 index of an array of one axis."""
    if on_device(array):
        array.index_fill_(0, index, value)  # a kernel less than assigning, whose number is made there first
    else:
        array[index] = value


def put_where(array: Any, flags: Any, value: float) -> None:
    """Write a number where booleans are true, which broadcast to the array."""
    if isinstance(array, np.ndarray):
        np.copyto(array, value, where=flags)
    else:
        array.masked_fill_(flags, value)


def bincount(index: Any, size: int, weights: Any = None) -> Any:
    """Return how often each number in [0, size) occurs, or the sum of its weights; flat arrays."""
    if not on_device(index):
        return namespace(index).bincount(index, weights, size)
    if weights is None:
        weights = namespace(index).ones_like(index)
    return weights.new_zeros(size).index_add_(0, index, weights)  # bincount waits to learn the largest number


def take_rows_into(array: Any, index: Any, rows: Any) -> None:
    """Write array[index] into rows, for an int64 index of values in [0, len(array))."""
    if isinstance(array, np.ndarray):
        np.take(array, index, 0, rows, "clip")  # "raise", the default, goes through a buffer
    else:
        namespace(array).index_select(array, 0, index, out=rows)


def add_rows(array: Any, index: Any, rows: Any) -> None:
    """Add rows to array[index], each of equal ones too."""
    if not isinstance(array, np.ndarray):
        array.index_add_(0, index, rows)
    elif len(index):  # each row's own sum at once: numpy 1.19's add.at takes three times as long
        order = np.argsort(index, kind="stable")
        found = index[order]
        starts = np.flatnonzero(np.append(True, found[1:] != found[:-1]))
        array[found[starts]] += np.add.reduceat(rows[order], starts, 0)


def add_at(array: Any, index: Any, values: Any) -> None:
    """Add values to array[index], an array of one axis, each of equal ones too.

    For numpy it is faster by ten times than add_rows, and adds in float64.
    """
    if isinstance(array, np.ndarray):
        array += np.bincount(index, values, len(array)).astype(array.dtype)
    else:
        array.index_add_(0, index, values)


def index_like(index: Any, array: Any) -> Any:
    """Return an int64 index of numpy as one for the array: on its device, where it is a tensor."""
    return index if isinstance(array, np.ndarray) else _sent(namespace(array).tensor(np.array(index)), array)


def argsort(array: Any, axis: int = -1) -> Any:
    """Return the int64 index that sorts, equal values in their order, NaN last."""
    values = host_view(array)
    if isinstance(values, np.ndarray) and values.dtype == np.float32 and values.shape[axis] > _MANY_TO_SORT:
        index = np.moveaxis(_argsort_float32(np.moveaxis(values, axis, -1)), -1, axis)
        return index if isinstance(array, np.ndarray) else namespace(array).from_numpy(index)
    if isinstance(array, np.ndarray):
        return np.argsort(array, axis, "stable")
    return namespace(array).argsort(array, dim=axis, stable=True)


def _argsort_float32(values: Any) -> Any:
    """Return the index that sorts along the last axis, by keys that hold a value's bits above its place.

    To sort integers takes an eighth of the time of a stable argsort, with numpy 1.19 two thirds.
    """
    keys = (values + np.float32(0)).view(np.int32).astype(np.int64)  # + 0: of the two zeros one
    keys ^= (keys >> 63) & 0x7FFFFFFF  # the larger the value, the larger the integer
    keys[np.isnan(values)] = 0x7FFFFFFF
    keys <<= 32
    keys |= np.arange(values.shape[-1])
    keys.sort(-1)
    keys &= 0xFFFFFFFF
    return keys


def argmax(array: Any, axis: int) -> Any:
    """Return the int64 index of the largest value along the axis, the first of equal ones."""
    if isinstance(array, np.ndarray):
        return array.argmax(axis)
    return array.max(axis)[1]  # in half the time of torch's argmax


def take_clipped(table: Any, index: Any) -> Any:
    """Return table[index] for a table of one axis; an index outside it is moved to the nearest end."""
    if isinstance(table, np.ndarray):
        return table.take(index, 0, None, "clip")
    return table[index.clip(0, len(table) - 1)]


def on_axis(values: Any, axes: int, axis: int) -> Any:
    """Return an array of one axis so that it broadcasts along this axis of arrays with so many axes."""
    return values.reshape((1,) * axis + (-1,) + (1,) * (axes - axis - 1))


def arange_like(array: Any, stop: int) -> Any:
    """Return the numbers 0 .. stop-1 with the dtype and on the device of the array."""
    if isinstance(array, np.ndarray):
        return np.arange(stop, dtype=array.dtype)
    return namespace(array).arange(stop, dtype=array.dtype, device=array.device)
