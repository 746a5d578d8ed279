"""Room on a disk, looked for before anything is written to it."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from pathlib import Path

LMDB_LEAST = 1 << 16  # bytes of an LMDB without records; it maps them into memory, and without them the process dies


def check_room(folder: Path, *sizes: int) -> None:
    """Raise OSError, with the folder's name, where files of these sizes, in bytes, could not all be written to it.

    Neither real Caffe nor the HDF5 library survives a disk that is full while they write.
    """
    if not hasattr(os, "posix_fallocate"):  # macOS, Windows
        if shutil.disk_usage(folder).free < sum(sizes):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
        return
    try:
        with contextlib.ExitStack() as files:  # at the same time, gone afterwards
            for size in filter(None, sizes):
                file = files.enter_context(tempfile.TemporaryFile(dir=folder))
                os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):  # a file system that cannot tell
            error.filename = str(folder)
            raise
