"""A new LMDB: whole when it is done, else not there."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Any, Callable, Iterator

from caffe_pylayers.cli import UserError
from caffe_pylayers.cli._errors import optional
from caffe_pylayers.cli._room import check_room

MAP_SIZE = 1 << 40  # of addresses; the file grows to what is written
COMMIT = 1000  # records in one transaction, as Caffe's tools have it

LEAST = 1 << 16  # bytes of disk; LMDB maps its first pages into memory, and without them the process dies

Put = Callable[[bytes, Any], None]


@contextlib.contextmanager
def new_lmdb(path: Path) -> Iterator[Put]:
    """A function that puts a message under a key, the keys in rising order; the database has its name at the end.

    UserError or OSError where the name is taken, or where it cannot be written.
    """
    with optional("LMDB", "data"):
        import lmdb
    if os.path.lexists(path):
        raise UserError(f"{path} is there already; remove it, or choose another name")
    part = path.with_name(f".{path.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        check_room(path.absolute().parent, LEAST)
        with lmdb.open(str(part), map_size=MAP_SIZE, mode=0o664) as database:
            batch: list[tuple[bytes, bytes]] = []

            def commit() -> None:
                with database.begin(write=True) as transaction:
                    for key, value in batch:
                        transaction.put(key, value, append=True)
                batch.clear()

            def put(key: bytes, message: Any) -> None:
                batch.append((key, message.SerializeToString()))
                if len(batch) == COMMIT:
                    commit()

            yield put
            commit()
        part.rename(path)
    except lmdb.Error as error:
        raise UserError(f"{path} cannot be written: {error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
