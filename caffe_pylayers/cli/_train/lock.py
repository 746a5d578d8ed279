"""One training at a time in an output folder."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Iterator

from caffe_pylayers.cli import UserError

NAME = ".training.lock"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder for the length of the block; UserError while another process does.

    The system lets go of it when a process ends in whatever way, so none is left behind.
    """
    try:
        import fcntl
    except ModuleNotFoundError:  # not on Windows
        yield
        return
    with open(folder / NAME, "a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            raise UserError(
                f"another training, process {file.read().strip() or 'unknown'}, writes to {folder}; "
                "give this one another --output-dir"
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        try:
            yield
        finally:
            os.unlink(file.name)
