"""A new LMDB: whole when it is done, else not there."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Any, Callable, Iterator

from caffe_pylayers.cli import UserError

MAP_SIZE = 1 << 40  # of addresses; the file grows to what is written
COMMIT = 1000  # records in one transaction, as Caffe's tools have it

Put = Callable[[bytes, Any], None]


@contextlib.contextmanager
def new_lmdb(path: Path) -> Iterator[Put]:
    """A function that puts a message under a key, the keys in rising order; the database has its name at the end.

    UserError where the name is taken, or where it cannot be written.
    """
    try:
        import lmdb
    except ModuleNotFoundError as error:
        raise UserError("LMDB files need lmdb: pip install 'caffe-pylayers[data]'") from error
    if os.path.lexists(path):
        raise UserError(f"{path} is there already; remove it, or choose another name")
    part = path.with_name(f".{path.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        with lmdb.open(str(part), map_size=MAP_SIZE) as database:
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
    except (lmdb.Error, OSError) as error:
        raise UserError(f"{path} cannot be written: {error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
