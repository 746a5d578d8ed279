"""Write a new LMDB or LevelDB as Caffe's tools do; it has its name once it is whole."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path
from typing import Any, Callable, Iterator, List, Tuple

from caffe_pylayers._disk import files
from caffe_pylayers._disk.room import LMDB_LEAST, check_room
from caffe_pylayers._engine.libraries import optional

BACKENDS = ("lmdb", "leveldb")

MAP_SIZE = 1 << 40  # of addresses; the file grows to what is written
COMMIT = 1000  # records in one transaction, as Caffe's tools have it

Put = Callable[[bytes, Any], None]
Batch = List[Tuple[bytes, bytes]]
Commit = Callable[[Batch], None]


@contextlib.contextmanager
def new_database(path: Path, backend: str) -> Iterator[Put]:
    """Give a function that puts a protobuf message under a key, the keys in rising order.

    backend: "lmdb" or "leveldb". At the end of the block the database has its name; on an exception nothing is left
    of it. OSError, with the name, where it is taken, also by another process meanwhile, or where the disk refuses;
    MissingLibrary without the backend's library.
    """
    opened = {"lmdb": _lmdb, "leveldb": _leveldb}[backend]
    _check_free(path)
    files.check_target(path)
    check_room(path.absolute().parent, LMDB_LEAST)
    batch: Batch = []
    with files.partial(path, folder=True) as temporary:
        with opened(temporary, path) as commit:

            def put(key: bytes, message: Any) -> None:
                batch.append((key, message.SerializeToString()))
                if len(batch) == COMMIT:
                    commit(batch)
                    batch.clear()

            yield put
            commit(batch)
        _check_free(path)
        temporary.rename(path)  # which fails where a database has come between


def _check_free(path: Path) -> None:
    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, "is there already; remove it, or choose another name", str(path))


@contextlib.contextmanager
def _lmdb(temporary: Path, path: Path) -> Iterator[Commit]:
    with optional("LMDB", "data"):
        import lmdb
    try:
        # Nobody reads it before it has its name: one wait for the disk, at the end, is enough.
        with lmdb.open(str(temporary), map_size=MAP_SIZE, mode=0o664, sync=False) as database:

            def commit(batch: Batch) -> None:
                with database.begin(write=True) as transaction:
                    for key, value in batch:
                        transaction.put(key, value, append=True)

            yield commit
            database.sync(True)
    except lmdb.Error as error:
        check_room(temporary.absolute().parent, COMMIT << 10)  # LMDB does not tell a full disk from a broken one
        raise _unwritable(path, str(error)) from error
    # Caffe opens the lock for writing even to read: who may read the records may take the lock.
    mode = stat.S_IMODE((temporary / "data.mdb").stat().st_mode)
    (temporary / "lock.mdb").chmod(mode | (mode & 0o444) >> 1)


@contextlib.contextmanager
def _leveldb(temporary: Path, path: Path) -> Iterator[Commit]:
    with optional("LevelDB", "leveldb"):
        import plyvel
    try:
        database = plyvel.DB(str(temporary), create_if_missing=True, block_size=1 << 16, write_buffer_size=1 << 28)
        with contextlib.closing(database):

            def commit(batch: Batch) -> None:
                with database.write_batch() as writer:
                    for key, value in batch:
                        writer.put(key, value)

            yield commit
    except plyvel.Error as error:
        told = error.args[0] if error.args else error
        raise _unwritable(path, told.decode(errors="replace") if isinstance(told, bytes) else str(told)) from error


def _unwritable(path: Path, reason: str) -> OSError:
    return OSError(errno.EIO, f"cannot be written: {reason}", str(path))
