"""Data layers whose items are the records of an LMDB."""

from __future__ import annotations

import os
from typing import Any

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.data import lmdb_file
from caffe_pylayers._layer.data.annotated_datum import message_class
from caffe_pylayers._layer.data.prefetched_data import PrefetchedData


class RecordData(PrefetchedData):
    """Records of an LMDB, which ``open_records`` finds; each is a message of the kind ``record_type``."""

    source = Parameter(str, doc="the database's folder")
    backend = Parameter(str, "lmdb", choices=("lmdb",), doc="the database's kind")

    record_type: str

    def open_records(self) -> Any:
        """Find the records, in prepare; return the first one."""
        self._file = os.path.join(self.source, "data.mdb")
        if not os.path.exists(self._file):
            raise checks.error(self, f"{self.source}: is no LMDB: it has no file data.mdb")
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
        from google.protobuf.message import DecodeError

        value = lmdb_file.value_at(self._file, self._places[index])
        try:
            return message_class(self.record_type).FromString(value)
        except DecodeError as error:
            raise ValueError(f"{self.name_of(index)}: is no {self.record_type}: {len(value)} bytes") from error
