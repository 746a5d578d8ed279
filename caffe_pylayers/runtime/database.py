"""Databases of records, LMDB and LevelDB, read in the order of their keys, over and over."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator
from typing import Any, Protocol

# Open databases by path: a process may not open one twice, and several layers may read the same.
_open: weakref.WeakValueDictionary[str, _Database] = weakref.WeakValueDictionary()


class _Database(Protocol):
    def records(self) -> Iterator[bytes]:
        """The values in the order of their keys, once."""


class _Lmdb:
    """An open LMDB; the last reader to go closes it."""

    def __init__(self, path: str) -> None:
        import lmdb

        try:
            # lock=False: the readers never write, and their folder may not be writable.
            self._lmdb = lmdb.open(path, readonly=True, lock=False, subdir=os.path.isdir(path))
        except (lmdb.Error, OSError) as error:
            raise ValueError(f"cannot be opened as LMDB: {error}") from error
        self._error: Any = lmdb.Error
        weakref.finalize(self, self._lmdb.close)
        # LMDB maps the file: to read beyond its end would end the process.
        size = os.path.getsize(os.path.join(path, "data.mdb") if os.path.isdir(path) else path)
        needed = (self._lmdb.info()["last_pgno"] + 1) * self._lmdb.stat()["psize"]
        if size < needed:
            raise ValueError(f"is truncated: {size} bytes of {needed}")

    def records(self) -> Iterator[bytes]:
        try:
            with self._lmdb.begin() as transaction, transaction.cursor() as cursor:
                yield from cursor.iternext(keys=False, values=True)
        except self._error as error:
            raise ValueError(f"cannot be read: {error}") from error


class _LevelDb:
    """An open LevelDB; the last reader to go closes it, and only then can another process open it."""

    def __init__(self, path: str) -> None:
        try:
            import plyvel
        except ImportError as error:
            raise ValueError(
                "is a LevelDB, `backend: LEVELDB` being the default: pip install plyvel, or give it an LMDB and write "
                "`backend: LMDB` (Caffe's convert_imageset makes one with -backend lmdb)"
            ) from error
        try:
            self._leveldb = plyvel.DB(path)
        except (plyvel.Error, OSError) as error:
            raise ValueError(f"cannot be opened as LevelDB: {error}") from error
        self._error: Any = plyvel.Error
        weakref.finalize(self, self._leveldb.close)

    def records(self) -> Iterator[bytes]:
        try:
            with self._leveldb.iterator(include_key=False, verify_checksums=True) as values:
                yield from values
        except self._error as error:
            raise ValueError(f"cannot be read: {error}") from error


class Records:
    """An endless iterator over the values of a database; ValueError where it cannot be opened or is empty.

    As nothing but next() touches it, a thread that reads ahead may own it.
    """

    def __init__(self, path: str, leveldb: bool = False) -> None:
        self._path = path
        real = os.path.realpath(path)
        try:
            database: Any = _open.get(real) or (_LevelDb if leveldb else _Lmdb)(real)
        except ValueError as error:
            raise ValueError(f"{path} {error}") from error
        self._database = _open[real] = database
        self._records = self._database.records()

    def once(self) -> Iterator[bytes]:
        """All values, once."""
        try:
            yield from self._database.records()
        except ValueError as error:
            raise ValueError(f"{self._path} {error}") from error

    def __iter__(self) -> Records:
        return self

    def __next__(self) -> bytes:
        try:
            for _ in range(2):  # what is left, or all of it again
                for value in self._records:
                    return bytes(value)
                self._records = self._database.records()
        except ValueError as error:
            raise ValueError(f"{self._path} {error}") from error
        raise ValueError(f"{self._path} has no records")
