"""Files that are whole or not there, and the working directory.

What is written has a temporary name of its own, ``.NAME.<random>.part`` beside NAME, until it is whole. Whoever writes
holds a lock on it, so that what a killed process left can be told from what is being written, and is removed by the
next writer of NAME.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from pathlib import Path
from typing import Iterator, Tuple

try:
    import fcntl
except ImportError:  # Windows: what a killed process left stays
    fcntl = None  # type: ignore[assignment]

Identity = Tuple[int, int, int]


def check_target(path: Path) -> None:
    """Raise OSError, with the file's name, where no file of this name can be written; made before work is begun."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder; give the name of a file", str(path))
    folder = path.absolute().parent
    if not folder.is_dir():
        raise FileNotFoundError(errno.ENOENT, f"there is no folder {folder}", str(path))
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, f"cannot write to the folder {folder}", str(path))


@contextlib.contextmanager
def partial(path: Path, folder: bool = False) -> Iterator[Path]:
    """Make an empty file, or a folder, under a temporary name beside ``path``; remove it at the end if it is there."""
    _remove_abandoned(path)
    temporary, lock = _make(path, folder)
    try:
        yield temporary
    finally:
        _remove(temporary)
        if lock is not None:
            os.close(lock)


def _make(path: Path, folder: bool) -> tuple[Path, int | None]:
    """Return the new file or folder, and the descriptor that has it locked."""
    while True:
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        if folder:
            temporary.mkdir()
        else:
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        if fcntl is None:
            return temporary, None
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(temporary, os.O_RDONLY)
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.path.lexists(temporary):
                return temporary, descriptor
            os.close(descriptor)  # another writer took it for abandoned, in the moment before it was locked


def _remove_abandoned(path: Path) -> None:
    """Remove the temporary files and folders of writers of ``path`` that are no longer alive."""
    if fcntl is None:
        return
    start, end = f".{path.name}.", ".part"
    with contextlib.suppress(OSError):
        names = [name for name in os.listdir(path.parent) if name.startswith(start) and name.endswith(end)]
        for name in names:
            if len(name) == len(start) + 8 + len(end):
                _remove_unless_locked(path.with_name(name))


def _remove_unless_locked(temporary: Path) -> None:
    try:
        descriptor = os.open(temporary, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:  # another user's, or gone by now
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove(temporary)
    except OSError:  # its writer is alive, or the file system has no locks
        pass
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
        return
    with contextlib.suppress(FileNotFoundError):  # it has its name by now
        path.unlink()


def identity(path: Path) -> Identity | None:
    """Return what tells a file or folder from another that takes its name; None where there is none."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns


def check_same(path: Path, before: Identity | None) -> None:
    """FileExistsError unless ``path`` is what it was when ``identity`` gave ``before``."""
    if identity(path) != before:
        raise FileExistsError(errno.EEXIST, "was written by another process meanwhile and is left as it is", str(path))


def move(source: Path, path: Path) -> None:
    """Give a written file its name; what had that name is there until the new one is, whole, on disk."""
    descriptor = os.open(source, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(source, path)


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a temporary name to write to, moved to ``path`` at the end of the block, gone on an exception.

    A file ``path`` is replaced, unless another process wrote it during the block: FileExistsError. An OSError of the
    block that names no file, as on a full disk, or the temporary one, names this one.
    """
    check_target(path)
    before = identity(path)
    temporary = None
    try:
        with partial(path) as temporary:
            yield temporary
            check_same(path, before)
            move(temporary, path)
    except OSError as error:
        if error.errno is not None and error.filename in (None, temporary, str(temporary)):
            error.filename = str(path)
        raise


def write_text(path: Path, text: str) -> None:
    """Write a whole text file."""
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def working_directory(path: Path) -> Iterator[None]:
    """Work in a folder for the length of the block."""
    before = os.getcwd()
    os.chdir(path)
    try:
        yield
    finally:
        os.chdir(before)
