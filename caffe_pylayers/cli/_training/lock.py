"""One training at a time in an output folder."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import IO, Iterator

from caffe_pylayers.cli import UserError

NAME = ".training.lock"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder for the length of the block; UserError while another process does.

    The system lets go of it when a process ends in whatever way: what a killed one left is taken over.
    """
    try:
        import fcntl
    except ModuleNotFoundError:  # not on Windows
        yield
        return
    path = folder / NAME
    while True:
        with open(path, "a+b", buffering=0) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                holder = file.read().decode().strip() or "unknown"
                raise UserError(
                    f"another training, process {holder}, writes to {folder}; give this one another --output-dir"
                ) from None
            if not _names(path, file):  # the one before removed it between the two calls
                continue
            try:
                file.truncate(0)
                file.write(f"{os.getpid()}\n".encode())
                yield
            finally:
                path.unlink()
            return


def _names(path: Path, file: IO[bytes]) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
