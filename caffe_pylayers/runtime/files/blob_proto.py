"""BlobProto messages and numpy arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

_LEGACY = ("num", "channels", "height", "width")
_LENGTH_DELIMITED = 2  # the wire type of packed values
_KINDS = {"data": ("double_data", "data"), "diff": ("double_diff", "diff")}


def shape(blob: Any) -> tuple[int, ...]:
    """The shape of a BlobProto; of four axes where it is an old one."""
    return tuple(getattr(blob, axis) for axis in _LEGACY) if is_legacy(blob) else tuple(blob.shape.dim)


def is_legacy(blob: Any) -> bool:
    """Whether a BlobProto has one of the four old fields: then Caffe does not look at its shape."""
    return any(map(blob.HasField, _LEGACY))


def fits(blob: Any, wanted: tuple[int, ...]) -> bool:
    """Whether Caffe takes a BlobProto for one of this shape; an old one may have ones in front."""
    return shape(blob) == ((1,) * (len(_LEGACY) - len(wanted)) + wanted if is_legacy(blob) else wanted)


def values(blob: Any, kind: str = "data") -> np.ndarray[Any, Any]:
    """The flat float32 "data" or "diff" of a BlobProto: those of double precision if it has any."""
    return np.asarray(_field(blob, kind), np.float32)


def size(blob: Any, kind: str = "data") -> int:
    """How many values a BlobProto has."""
    return len(_field(blob, kind))


def set_values(blob: Any, array: Any, kind: str = "data") -> None:
    """Replace the "data" or "diff" of a BlobProto.

    The values go in as they are on the wire: one by one they take 300 ns each.
    """
    blob.ClearField(kind)
    content = np.ascontiguousarray(array, "<f4")
    if content.size:
        number = blob.DESCRIPTOR.fields_by_name[kind].number
        start = _varint(number << 3 | _LENGTH_DELIMITED) + _varint(content.nbytes)
        blob.MergeFromString(b"".join((start, content.data)))


def to_array(blob: Any, kind: str = "data") -> np.ndarray[Any, Any]:
    """The "data" or "diff" of a BlobProto in its shape; ValueError where there are more values or fewer."""
    found, dims = values(blob, kind), shape(blob)
    if found.size != math.prod(dims):
        raise ValueError(f"shape {dims} needs {math.prod(dims)} values, got {found.size}")
    return found.reshape(dims)


def fill(blob: Any, data: Any, diff: Any = None) -> None:
    """Make a BlobProto one of these arrays, as Caffe writes it."""
    blob.Clear()
    for size in np.shape(data):  # no shape at all for a scalar, as in Caffe
        blob.shape.dim.append(size)
    set_values(blob, data)
    if diff is not None:
        set_values(blob, diff, "diff")


def _field(blob: Any, kind: str) -> Any:
    double, single = (getattr(blob, field) for field in _KINDS[kind])
    return double or single


def _varint(number: int) -> bytes:
    groups = []
    while True:
        groups.append(number & 0x7F)
        number >>= 7
        if not number:
            break
    return bytes(group | 0x80 for group in groups[:-1]) + bytes(groups[-1:])
