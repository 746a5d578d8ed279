"""LMDB databases, read in the order of their keys, over and over."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator

# LMDB environments by path: a process may not open one twice, and several layers may read the same.
_open: weakref.WeakValueDictionary[str, _Environment] = weakref.WeakValueDictionary()


class _Environment:
    """An open LMDB; the last reader to go closes it."""

    def __init__(self, path: str) -> None:
        import lmdb

        # lock=False: the readers never write, and their folder may not be writable.
        self._lmdb = lmdb.open(path, readonly=True, lock=False, subdir=os.path.isdir(path))
        weakref.finalize(self, self._lmdb.close)

    def records(self) -> Iterator[bytes]:
        """The values in the order of their keys, once."""
        with self._lmdb.begin() as transaction, transaction.cursor() as cursor:
            yield from cursor.iternext(keys=False, values=True)


class Records:
    """An endless iterator over the values of an LMDB; ValueError where it cannot be opened or is empty.

    As nothing but next() touches it, a thread that reads ahead may own it.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._environment = _environment(path)
        self._records = self._environment.records()

    def __iter__(self) -> Records:
        return self

    def __next__(self) -> bytes:
        for value in self._records:
            return value
        self._records = self._environment.records()
        for value in self._records:
            return value
        raise ValueError(f"{self._path} has no records")


def _environment(path: str) -> _Environment:
    import lmdb

    real = os.path.realpath(path)
    environment = _open.get(real)
    if environment is None:
        try:
            environment = _open[real] = _Environment(real)
        except (lmdb.Error, OSError) as error:
            raise ValueError(f"{path} cannot be opened as LMDB: {error}") from error
    return environment
