"""BlobProto messages and numpy arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from caffe_pylayers._nets.stored import blob_shape

_KINDS = {"data": ("double_data", "data"), "diff": ("double_diff", "diff")}
_LENGTH_DELIMITED = 2  # the wire type of packed values


def shape(blob: Any) -> tuple[int, ...]:
    """Return the shape of a BlobProto; of four axes where it is an old one."""
    return blob_shape(blob).dims


def values(blob: Any, kind: str = "data") -> np.ndarray[Any, Any]:
    """Return the flat float32 "data" or "diff" of a BlobProto: those of double precision if it has any."""
    return np.asarray(_field(blob, kind), np.float32)


def size(blob: Any, kind: str = "data") -> int:
    """Return the number of values that a BlobProto has."""
    return len(_field(blob, kind))


def to_array(blob: Any, kind: str = "data") -> np.ndarray[Any, Any]:
    """Return the "data" or "diff" of a BlobProto in its shape; ValueError where there are more values or fewer."""
    dims = shape(blob)
    if any(n < 0 for n in dims) or size(blob, kind) != math.prod(dims):
        raise ValueError(f"shape {dims} needs {math.prod(dims)} values, got {size(blob, kind)}")
    return values(blob, kind).reshape(dims)


def fill(blob: Any, data: Any, diff: Any = None) -> None:
    """Make a BlobProto one of these arrays, as Caffe writes it."""
    blob.Clear()
    for n in np.shape(data):  # no shape at all for a scalar, as in Caffe
        blob.shape.dim.append(n)
    _set_values(blob, data, "data")
    if diff is not None:
        _set_values(blob, diff, "diff")


def _set_values(blob: Any, array: Any, kind: str) -> None:
    """Give a BlobProto values in their wire format: by protobuf's ``extend`` they take twenty times as long."""
    content = np.ascontiguousarray(array, "<f4")
    if content.size:
        number = blob.DESCRIPTOR.fields_by_name[kind].number
        start = _varint(number << 3 | _LENGTH_DELIMITED) + _varint(content.nbytes)
        blob.MergeFromString(b"".join((start, content.data)))


def _varint(number: int) -> bytes:
    digits = bytearray()
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*digits, number])


def _field(blob: Any, kind: str) -> Any:
    double, single = (getattr(blob, field) for field in _KINDS[kind])
    return double or single
