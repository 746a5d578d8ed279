"""Files that are whole or not there, and the working directory."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Iterator


def part(path: Path) -> Path:
    """The temporary name beside ``path`` under which it is written."""
    return path.with_name(f".{path.name}.part")


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
    """A temporary name to write to, moved to ``path`` at the end of the block, gone on an exception.

    An OSError of the block that names no file, as on a full disk, or the temporary one, names this one.
    """
    temporary = part(path)
    try:
        yield temporary
        move(temporary, path)
    except OSError as error:
        if error.errno is not None and error.filename in (None, temporary, str(temporary)):
            error.filename = str(path)
        raise
    finally:
        with contextlib.suppress(FileNotFoundError):  # moved
            temporary.unlink()


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
