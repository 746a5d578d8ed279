"""A new LMDB or LevelDB, as Caffe's tools make it: whole when it is done, else not there."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Any, Callable, Iterator, List, Tuple

from caffe_pylayers._disk.room import LMDB_LEAST, check_room
from caffe_pylayers.cli import UserError
from caffe_pylayers.cli._errors import optional

BACKENDS = ("lmdb", "leveldb")

MAP_SIZE = 1 << 40  # of addresses; the file grows to what is written
COMMIT = 1000  # records in one transaction, as Caffe's tools have it

Put = Callable[[bytes, Any], None]
Batch = List[Tuple[bytes, bytes]]
Commit = Callable[[Batch], None]


@contextlib.contextmanager
def new_database(path: Path, backend: str) -> Iterator[Put]:
    """A function that puts a message under a key, the keys in rising order; the database has its name at the end.

    UserError or OSError where the name is taken, or where it cannot be written.
    """
    opened = {"lmdb": _lmdb, "leveldb": _leveldb}[backend]
    if os.path.lexists(path):
        raise UserError(f"{path} is there already; remove it, or choose another name")
    part = path.with_name(f".{path.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    batch: Batch = []
    try:
        check_room(path.absolute().parent, LMDB_LEAST)
        with opened(part, path) as commit:

            def put(key: bytes, message: Any) -> None:
                batch.append((key, message.SerializeToString()))
                if len(batch) == COMMIT:
                    commit(batch)
                    batch.clear()

            yield put
            commit(batch)
        part.rename(path)
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextlib.contextmanager
def _lmdb(part: Path, path: Path) -> Iterator[Commit]:
    with optional("LMDB", "data"):
        import lmdb
    part.mkdir()  # lmdb would give the folder the mode of the files
    try:
        with lmdb.open(str(part), map_size=MAP_SIZE, mode=0o664) as database:

            def commit(batch: Batch) -> None:
                with database.begin(write=True) as transaction:
                    for key, value in batch:
                        transaction.put(key, value, append=True)

            yield commit
    except lmdb.Error as error:
        check_room(part.absolute().parent, COMMIT << 10)  # LMDB does not tell a full disk from a broken one
        raise UserError(f"{path} cannot be written: {error}") from error


@contextlib.contextmanager
def _leveldb(part: Path, path: Path) -> Iterator[Commit]:
    with optional("LevelDB", "leveldb"):
        import plyvel
    try:
        database = plyvel.DB(str(part), create_if_missing=True, block_size=1 << 16, write_buffer_size=1 << 28)
        with contextlib.closing(database):

            def commit(batch: Batch) -> None:
                with database.write_batch() as writer:
                    for key, value in batch:
                        writer.put(key, value)

            yield commit
    except plyvel.Error as error:
        told = error.args[0] if error.args else error
        reason = told.decode(errors="replace") if isinstance(told, bytes) else told
        raise UserError(f"{path} cannot be written: {reason}") from error
