"""Data layers whose items are the records of an LMDB."""

from __future__ import annotations

import os
from typing import Any

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.data import lmdb_file
from caffe_pylayers._layer.data.annotated_datum import message_class
from caffe_pylayers._layer.data.prefetched_data import PrefetchedData
from caffe_pylayers._layer.quote import short

# By kind of record: what each one has, and who reads it.
_HAS = {"AnnotatedDatum": ("datum",), "Datum": ("data", "float_data")}
_READERS = {"AnnotatedDatum": "AnnotatedData reads", "Datum": "Data and DatumImages read"}


class RecordData(PrefetchedData):
    """Records of an LMDB, which ``open_records`` finds; each is a message of the kind ``record_type``."""

    source = Parameter(str, doc="the database's folder")
    backend = Parameter(str, "lmdb", choices=("lmdb",), doc="the database's kind")

    record_type: str

    def open_records(self) -> Any:
        """Find the records, in prepare; return the first one."""
        self._file = os.path.join(self.source, "data.mdb")
        if not os.path.exists(self._file):
            reason = "is no LMDB: it has no file data.mdb" if os.path.exists(self.source) else "is not there"
            raise checks.error(self, f"parameter source: {short(self.source)} {reason}")
        try:
            self._places = lmdb_file.places(self._file)
            if not self._places:
                raise ValueError(f"{self.source} has no records")
            return self.record(0)
        except ValueError as error:
            raise checks.error(self, str(error)) from error.__cause__

    def item_count(self) -> int:
        return len(self._places)

    def name_of(self, index: int) -> str:
        return f"{self.source}: {os.fsdecode(self._places[index].key)}"

    def record(self, index: int) -> Any:
        """Return a record's message."""
        value = lmdb_file.value_at(self._file, self._places[index])
        found = _message(self.record_type, value)
        if found is not None:
            return found
        others = [kind for kind in _HAS if _message(kind, value) is not None]
        what = f"it is of the kind {others[0]}, which {_READERS[others[0]]}" if others else f"{len(value)} bytes"
        raise ValueError(f"{self.name_of(index)}: is no {self.record_type}: {what}")


def _message(kind: str, value: bytes) -> Any:
    """Return the message of a kind in a record; None where it is none. A kind's fields are unknown to the other."""
    from google.protobuf.message import DecodeError

    try:
        found = message_class(kind).FromString(value)
    except DecodeError:
        return None
    return found if any(field.name in _HAS[kind] for field, _ in found.ListFields()) else None
