"""LMDB and LevelDB databases, read in the order of their keys, over and over."""

from __future__ import annotations

import itertools
import os
import re
import threading
import weakref
from collections.abc import Iterator
from typing import Protocol

from caffe_pylayers.runtime.data import lmdb_pages
from caffe_pylayers.runtime.proto.caffe_pb2 import DataParameter

Value = bytes | memoryview


class _Database(Protocol):
    readers: int
    error: type[Exception]  # for what cannot be read

    def values(self) -> Iterator[Value]:
        """The values in the order of their keys, once. The buffers among them are readable until it is closed."""

    def close(self) -> None:
        """Close it."""


# Open databases by backend and path: a process may not open one twice, and several layers may read the same.
_open: dict[tuple[int, str], _Database] = {}
_opening = threading.RLock()  # a garbage collection may end a reader within it


class _LMDB:
    readers = 0

    def __init__(self, path: str) -> None:
        import lmdb

        self._path = path
        self.error: type[Exception] = lmdb.Error
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

    def values(self) -> Iterator[Value]:
        if not self._read:  # a damaged page would end the process: the first time, all are checked
            return self._checked()
        values: Iterator[Value] = self._lmdb.begin(buffers=True).cursor().iternext(keys=False, values=True)
        return values  # which keeps the transaction

    def _checked(self) -> Iterator[Value]:
        yield from lmdb_pages.values(self._file)
        self._read = True


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
        self._path = path
        self.error: type[Exception] = plyvel.Error
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

    def values(self) -> Iterator[bytes]:
        values: Iterator[bytes] = self._db.iterator(include_key=False, verify_checksums=True, fill_cache=False)
        return values


class Records:
    """An endless iterator over a database's values; ValueError where it cannot be opened or read, or is empty.

    backend: DataParameter.LMDB or LEVELDB. As nothing but next() and take() touches it, a thread may own it.
    """

    def __init__(self, path: str, backend: int = DataParameter.LMDB) -> None:
        self._source = path, backend
        self._pass = _Pass(path, backend)

    def once(self) -> Iterator[bytes]:
        """All values, once."""
        values = _Pass(*self._source)
        while found := values.take(1):
            yield bytes(found[0])

    def __iter__(self) -> Records:
        return self

    def __next__(self) -> bytes:
        return bytes(self.take(1)[0])

    def take(self, count: int) -> list[Value]:
        """The next values, up to so many: at least one, fewer at the end and before one that cannot be read.

        LMDB's are the file itself, readable as long as this object lives.
        """
        found = self._pass.take(count)
        if not found:
            self._pass = _Pass(*self._source)
            found = self._pass.take(count)
        if not found:
            raise ValueError(f"{self._source[0]} has no records")
        return found


class _Pass:
    """Once over a database, which is open while there is one."""

    def __init__(self, path: str, backend: int) -> None:
        key = (backend, os.path.realpath(path))
        with _opening:
            if key not in _open:
                _open[key] = _LMDB(key[1]) if backend == DataParameter.LMDB else _LevelDB(key[1])
            self._database = _open[key]
            self._database.readers += 1
        self._path, self._count = path, 0
        self._failed: Exception | None = None
        self._values: list[Iterator[Value]] = []  # the one, once it is used
        weakref.finalize(self, _leave, key, self._database, self._values)

    def take(self, count: int) -> list[Value]:
        """The next values; fewer at the end, and before one that cannot be read."""
        found: list[Value] = []
        try:
            if not self._values:
                self._values.append(self._database.values())
                next(itertools.islice(self._values[0], self._count, self._count), None)
            if self._failed is not None:
                raise self._failed
            found.extend(itertools.islice(self._values[0], count))  # which keeps those before an error
        except (self._database.error, ValueError) as error:
            self._failed = error
            if not found:
                raise self._damaged(error) from error
        except BaseException:  # an interrupt may have ended the iterator: the next one goes on after those taken
            self._values.clear()
            raise
        self._count += len(found)
        return found

    def _damaged(self, error: Exception) -> Exception:
        if isinstance(error, ValueError):  # that says so
            return error
        return ValueError(f"{self._path} is damaged: after {self._count} records: {error}")


def _leave(key: tuple[int, str], database: _Database, values: list[Iterator[Value]]) -> None:
    with _opening:
        values.clear()  # before what they read is closed
        database.readers -= 1
        if not database.readers:
            del _open[key]
            database.close()
