"""LMDB and LevelDB databases, read in the order of their keys, over and over."""

from __future__ import annotations

import itertools
import os
import re
import threading
import weakref
from collections.abc import Iterator

from caffe_pylayers._engine.libraries import MissingLibrary, optional
from caffe_pylayers._layer.data import lmdb_file
from caffe_pylayers._nets.sources import check_database
from caffe_pylayers.runtime.proto.caffe_pb2 import DataParameter


class _LMDB:
    """A database that each pass opens for itself."""

    error: type[Exception] = ValueError  # for what cannot be read

    def __init__(self, path: str) -> None:
        self._file = os.path.join(path, "data.mdb")
        lmdb_file.check_whole(self._file)

    def count(self) -> int:
        """Return how many values there are."""
        return lmdb_file.count(self._file)

    def values(self, first: int, step: int) -> Iterator[bytes]:
        """Give every step-th of the values from the first-th on in the order of their keys, once."""
        return lmdb_file.values(self._file, first, step)


class _LevelDB:
    """A database that is open as long as this object lives; no other process can open it meanwhile."""

    def __init__(self, path: str) -> None:
        try:
            with optional(f"{path}: LevelDB, the backend unless another is named,", "leveldb"):
                import plyvel
        except MissingLibrary as error:
            raise ValueError(str(error)) from error
        self._path = path
        self.error: type[Exception] = plyvel.Error
        try:
            self._db = plyvel.DB(path, create_if_missing=False, paranoid_checks=True)
        except (plyvel.Error, OSError) as error:
            raise ValueError(f"{path} cannot be opened as LevelDB: {_told(error)}") from error
        self._check_whole()
        self._count: int | None = None

    def _check_whole(self) -> None:
        """ValueError where a table is cut off: LevelDB passes over its records."""
        for number, size in re.findall(rb"^ (\d+):(\d+)\[", self._db.get_property(b"leveldb.sstables"), re.MULTILINE):
            files = [os.path.join(self._path, f"{int(number):06d}.{suffix}") for suffix in ("ldb", "sst")]
            found = max((os.path.getsize(file) for file in files if os.path.exists(file)), default=0)
            if found < int(size):
                raise ValueError(f"{files[0]} is cut off: it has {found} bytes of {int(size)}")

    def count(self) -> int:
        """Return how many values there are; for this all keys are read, unless all values have been."""
        if self._count is None:
            self._count = sum(1 for _ in self._db.iterator(include_value=False, fill_cache=False))
        return self._count

    def values(self, first: int, step: int) -> Iterator[bytes]:
        """Give every step-th of the values from the first-th on in the order of their keys, once; read all of them."""
        count = 0
        for value in self._db.iterator(include_key=False, verify_checksums=True, fill_cache=False):
            if count >= first and not (count - first) % step:
                yield value
            count += 1
        self._count = count


# By path: a process may not open a LevelDB twice, and several layers may read the same.
_leveldbs: weakref.WeakValueDictionary[str, _LevelDB] = weakref.WeakValueDictionary()
_opening = threading.Lock()


def _open(path: str, backend: int) -> _LMDB | _LevelDB:
    check_database(path, DataParameter.DB.Name(backend))
    if backend == DataParameter.LMDB:
        return _LMDB(path)
    key = os.path.realpath(path)
    with _opening:
        database = _leveldbs.get(key)
        if database is None:
            database = _leveldbs[key] = _LevelDB(key)
        return database


class Records:
    """An endless iterator over a database's values; ValueError where it cannot be opened or read, or is empty.

    backend: DataParameter.LMDB or LEVELDB. first, step: of the values, over and over, every step-th is given, from the
    first-th on. As nothing but next(), take() and start_at() touches it, a thread may own it.
    """

    def __init__(self, path: str, backend: int = DataParameter.LMDB, first: int = 0, step: int = 1) -> None:
        self._source = path, backend
        self._step = step
        self._pass = _Pass(path, backend, first, step)

    def start_at(self, position: int) -> None:
        """Go on with the value at a position of the endless stream of all."""
        self._pass = _Pass(*self._source, position % self._pass.count(), self._step)

    def once(self) -> Iterator[bytes]:
        """Give all values, once."""
        values = _Pass(*self._source)
        while found := values.take(1):
            yield found[0]

    def __iter__(self) -> Records:
        return self

    def __next__(self) -> bytes:
        return self.take(1)[0]

    def take(self, count: int) -> list[bytes]:
        """Return the next values, up to so many: at least one, fewer at the end and before one that cannot be read."""
        found = self._pass.take(count)
        if not found:
            self.start_at(self._pass.position)
            found = self._pass.take(count)
        return found


class _Pass:
    """Once over a database, which is open while there is one.

    position: of the value that comes next, from the number of values on once all have been given.
    """

    def __init__(self, path: str, backend: int, first: int = 0, step: int = 1) -> None:
        self._database = _open(path, backend)
        self._path, self.position, self._step = path, first, step
        self._failed: Exception | None = None
        self._values: Iterator[bytes] | None = None

    def count(self) -> int:
        """Return how many values all of them are; ValueError where there are none."""
        count = self._database.count()
        if not count:
            raise ValueError(f"{self._path} has no records")
        return count

    def take(self, count: int) -> list[bytes]:
        """Return the next values; fewer at the end, and before one that cannot be read."""
        found: list[bytes] = []
        try:
            if self._values is None:
                self._values = self._database.values(self.position, self._step)
            if self._failed is not None:
                raise self._failed
            found.extend(itertools.islice(self._values, count))  # which keeps those before an error
        except (self._database.error, ValueError) as error:
            self._failed = error
            if not found:
                raise self._damaged(error) from error
        except BaseException:  # an interrupt may have ended the iterator: the next one goes on after those taken
            self._values = None
            raise
        self.position += self._step * len(found)
        return found

    def _damaged(self, error: Exception) -> Exception:
        if isinstance(error, ValueError):  # that says so
            return error
        return ValueError(f"{self._path} is damaged: after {self.position} records: {_told(error)}")


def _told(error: Exception) -> str:
    """The reason that plyvel gives, in bytes or text, in one line."""
    reason = error.args[0] if error.args else error
    lines = (reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)).splitlines()
    return lines[0] if lines else type(error).__name__
