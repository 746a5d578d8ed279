"""One training at a time in an output folder."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import IO, Iterator

from caffe_pylayers.cli import UserError

NAME = ".training.lock"
NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK)  # on some network file systems


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder for the length of the block; UserError while another process does.

    The system releases the lock when a process ends, however it ends: a file that a killed one left holds nobody up.
    Where the file system has no locks, nothing is held.
    """
    try:
        import fcntl
    except ModuleNotFoundError:  # on Windows
        yield
        return
    path = folder / NAME
    while True:
        with _opened(path) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = file.read(20).decode(errors="replace").strip() or "unknown"
                raise UserError(
                    f"another training, process {holder}, writes to {folder}; give this one another --output-dir"
                ) from None
            except OSError as error:
                if error.errno not in NO_LOCKS:
                    raise
            if not _names(path, file):  # the one before removed it between the two calls
                continue
            try:
                file.truncate(0)
                file.write(f"{os.getpid()}\n".encode())
                yield
            finally:
                if _names(path, file):  # else the folder was moved, or the file removed, by someone else
                    path.unlink()
            return


def _opened(path: Path) -> IO[bytes]:
    """Open the lock's file, made if need be; a symbolic link is not followed, for the file is emptied."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise UserError(f"{path} is a symbolic link; remove it") from None
        raise
    return open(descriptor, "r+b", buffering=0)


def _names(path: Path, file: IO[bytes]) -> bool:
    try:
        return os.path.samestat(os.lstat(path), os.fstat(file.fileno()))
    except (FileNotFoundError, NotADirectoryError):
        return False
