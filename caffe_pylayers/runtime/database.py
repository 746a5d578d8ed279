"""LMDB and LevelDB databases, read in the order of their keys, over and over."""

from __future__ import annotations

import itertools
import os
import re
import threading
import weakref
from collections.abc import Iterator
from typing import Protocol

from caffe_pylayers.runtime import lmdb_pages
from caffe_pylayers.runtime.proto.caffe_pb2 import DataParameter


class _Database(Protocol):
    readers: int

    def records(self) -> Iterator[bytes]:
        """The values in the order of their keys, once; ValueError where they cannot be read."""

    def close(self) -> None:
        """Close it."""


# Open databases by backend and path: a process may not open one twice, and several layers may read the same.
_open: dict[tuple[int, str], _Database] = {}
_opening = threading.RLock()  # a garbage collection may end a reader within it


class _LMDB:
    readers = 0

    def __init__(self, path: str) -> None:
        import lmdb

        self._path, self._error = path, lmdb.Error
        self._file = os.path.join(path, "data.mdb") if os.path.isdir(path) else path
        self._read = False  # once, to the end
        try:
            # lock=False: the readers never write, and their folder may not be writable.
            self._lmdb = lmdb.open(path, readonly=True, lock=False, subdir=os.path.isdir(path))
        except (lmdb.Error, OSError) as error:
            raise ValueError(f"{path} cannot be opened as LMDB: {error}") from error
        try:
            self._check_whole()
        except ValueError:
            self.close()
            raise

    def close(self) -> None:
        self._lmdb.close()

    def _check_whole(self) -> None:
        """A page that its file lacks would end the process: the file is mapped into memory."""
        size, needed = os.path.getsize(self._file), (self._lmdb.info()["last_pgno"] + 1) * self._lmdb.stat()["psize"]
        if size < needed:
            raise ValueError(f"{self._file} is cut off: it has {size} bytes of {needed}")

    def records(self) -> Iterator[bytes]:
        if not self._read:  # a damaged page would end the process: the first time, all are checked
            yield from lmdb_pages.values(self._file)
            self._read = True
            return
        try:
            with self._lmdb.begin() as transaction, transaction.cursor() as cursor:
                yield from cursor.iternext(keys=False, values=True)
        except self._error as error:
            raise ValueError(f"{self._path} is damaged: {error}") from error


class _LevelDB:
    """No other process can open it meanwhile."""

    readers = 0

    def __init__(self, path: str) -> None:
        try:
            import plyvel
        except ImportError as error:
            raise ValueError(
                f"{path}: LevelDB, the backend unless another is named, needs plyvel ({error}): "
                "pip install 'caffe-pylayers[leveldb]'"
            ) from error
        self._path, self._error = path, plyvel.Error
        if not os.path.exists(os.path.join(path, "CURRENT")):  # opening it would leave files there
            raise ValueError(f"{path} cannot be opened as LevelDB: there is none")
        try:
            self._db = plyvel.DB(path, create_if_missing=False, paranoid_checks=True)
        except (plyvel.Error, OSError) as error:
            raise ValueError(f"{path} cannot be opened as LevelDB: {error}") from error
        try:
            self._check_whole()
        except ValueError:
            self.close()
            raise

    def close(self) -> None:
        self._db.close()

    def _check_whole(self) -> None:
        """LevelDB passes over the records of a table that is cut off."""
        for number, size in re.findall(rb"^ (\d+):(\d+)\[", self._db.get_property(b"leveldb.sstables"), re.MULTILINE):
            files = [os.path.join(self._path, f"{int(number):06d}.{suffix}") for suffix in ("ldb", "sst")]
            found = max((os.path.getsize(file) for file in files if os.path.exists(file)), default=0)
            if found < int(size):
                raise ValueError(f"{files[0]} is cut off: it has {found} bytes of {int(size)}")

    def records(self) -> Iterator[bytes]:
        count = 0
        try:
            with self._db.iterator(include_key=False, verify_checksums=True, fill_cache=False) as values:
                for value in values:
                    yield value
                    count += 1
        except self._error as error:
            raise ValueError(f"{self._path} is damaged: after {count} records: {error}") from error


class Records:
    """An endless iterator over a database's values; ValueError where it cannot be opened or read, or is empty.

    backend: DataParameter.LMDB or LEVELDB. As nothing but next() touches it, a thread may own it.
    """

    def __init__(self, path: str, backend: int = DataParameter.LMDB) -> None:
        self._path = path
        self._reader = _Reader(path, backend)
        self._records = self._reader.records()

    def once(self) -> Iterator[bytes]:
        """All values, once."""
        return self._reader.records()

    def __iter__(self) -> Records:
        return self

    def __next__(self) -> bytes:
        for value in self._records:
            return value
        self._records = self._reader.records()
        for value in self._records:
            return value
        raise ValueError(f"{self._path} has no records")

    def take(self, count: int) -> list[bytes]:
        """The next values, so many of them."""
        values = list(itertools.islice(self._records, count))
        while len(values) < count:
            values.append(next(self))
            values += itertools.islice(self._records, count - len(values))
        return values


class _Reader:
    """One of those that read an open database; the last to go closes it. Its iterators keep it."""

    def __init__(self, path: str, backend: int) -> None:
        key = (backend, os.path.realpath(path))
        with _opening:
            if key not in _open:
                _open[key] = _LMDB(key[1]) if backend == DataParameter.LMDB else _LevelDB(key[1])
            self._database = _open[key]
            self._database.readers += 1
        weakref.finalize(self, _leave, key, self._database)

    def records(self) -> Iterator[bytes]:
        yield from self._database.records()


def _leave(key: tuple[int, str], database: _Database) -> None:
    with _opening:
        database.readers -= 1
        if not database.readers:
            del _open[key]
            database.close()
