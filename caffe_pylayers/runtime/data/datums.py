"""Datum messages of a database, many read at once where they are alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from caffe_pylayers.runtime.data.database import Value
from caffe_pylayers.runtime.proto.caffe_pb2 import Datum

_LABEL = bytes([5 << 3])  # what precedes a label in a message
_AT_ONCE = 1 << 19  # bytes of raw Datum to read at once: few calls of NumPy, and all in the cache


def read(record: Value, where: str) -> Any:
    """The Datum of a record; ValueError, naming where it is from, for what is none."""
    try:
        return Datum.FromString(record)
    except DecodeError as error:
        raise ValueError(f"{where} has a record of {len(record)} bytes that is no Datum") from error


class Batches:
    """Batches of ``size`` Datum from what ``take`` gives: records, up to the number that it is asked for."""

    def __init__(self, take: Callable[[int], list[Value]], size: int, where: str) -> None:
        self._take, self._size, self._where = take, size, where
        self._records: list[Value] = []
        self._ready: list[tuple[Any, Any]] = []  # batches of what was read at once, the next one last
        self._alike: Alike | None = None  # as the last ones were

    def next(self) -> tuple[Any, Any] | list[Value]:
        """Items (size, C, H, W) uint8 and labels (size,) of raw Datum that are laid out alike, or other records."""
        if not self._ready:
            records = self._read()
            if records is not None:
                return records
        return self._ready.pop()

    def _read(self) -> list[Value] | None:
        """Make batches ready, or give one that is not laid out alike."""
        records, size, count = self._records, self._size, self._size
        if self._alike:
            count = max(1, _AT_ONCE // self._alike.length // size) * size
        while len(records) < size:
            records += self._take(count - len(records))
        found = None
        if self._alike:
            count = len(records) // size * size
            found = self._alike.read(records[:count])
        if found is None:
            count = size
            self._alike = _alike(records[0], self._where)
            found = self._alike.read(records[:size]) if self._alike else None
        batch = records[:size]
        del records[:count]
        if found is None:
            self._alike = None
            return batch
        self._ready = [(found[0][i : i + size], found[1][i : i + size]) for i in range(count - size, -1, -size)]
        return None


def _alike(record: Value, where: str) -> Alike | None:
    """How the Datum of a record is laid out; None for another than a raw one that ends with data and label."""
    datum = read(record, where)
    try:
        return Alike(bytes(record), datum)
    except ValueError:
        return None


class Alike:
    """How a raw Datum is laid out in its record, to read many that are laid out as it is at once.

    Records of one length that differ in nothing but the bytes of the data and the digits of the label have the
    data and the label in the same places; small images are read ten times as fast by these than one by one.

    datum: the Datum of the record, which ends with data and label, as protobuf writes it; ValueError for any other.
    """

    def __init__(self, record: bytes, datum: Any) -> None:
        self._shape = (datum.channels, datum.height, datum.width)
        size, head = len(datum.data), _head(datum)
        self._data = slice(len(head), len(head) + size)
        tail = record[self._data.stop :]
        label = np.frombuffer(tail[1:], np.uint8)
        whole = size and size == math.prod(self._shape)
        ends = tail[:1] == _LABEL and 0 < len(label) <= 5 and (label[:-1] >= 0x80).all()  # nothing follows the label
        if not (whole and ends):
            raise ValueError("a Datum that is not only data and label")
        self.length, self._head = len(record), head
        # Each digit's top bit says whether it is the last.
        self._kept = np.array([0xFF] + [0x80] * len(label), np.uint8)
        self._tail = (np.frombuffer(tail, np.uint8) & self._kept).tobytes()

    def read(self, records: Sequence[Value]) -> tuple[Any, Any] | None:
        """The items (N, C, H, W) uint8 and the labels (N,) int32; None unless all are laid out so."""
        if set(map(len, records)) != {self.length}:
            return None
        count, joined = len(records), np.frombuffer(b"".join(records), np.uint8)
        table = joined.reshape(count, self.length)
        head, tail = table[:, : self._data.start], table[:, self._data.stop :]
        if head.tobytes() != self._head * count or (tail & self._kept).tobytes() != self._tail * count:
            return None
        digits = tail[:, 1:] & 0x7F
        labels = digits[:, -1].astype(np.int32)
        for i in range(digits.shape[1] - 2, -1, -1):
            labels = labels << 7 | digits[:, i]
        return table[:, self._data].reshape(count, *self._shape), labels


def _head(datum: Any) -> bytes:
    """What precedes the data in a message."""
    alone = Datum(channels=datum.channels, height=datum.height, width=datum.width, data=datum.data)
    message: bytes = alone.SerializeToString()
    return message[: len(message) - len(datum.data)]
