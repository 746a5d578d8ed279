"""HDF5 files as Caffe writes and reads them, through h5py."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from caffe_pylayers._disk import files

SIGNATURE = b"\x89HDF\r\n\x1a\n"


def is_hdf5(path: str | os.PathLike[str]) -> bool:
    """Whether a file is HDF5, whatever its name; OSError for a file that cannot be read."""
    with open(path, "rb") as file:
        return file.read(len(SIGNATURE)) == SIGNATURE


@contextlib.contextmanager
def reading(path: str | os.PathLike[str]) -> Iterator[Any]:
    """The open file. ValueError for one that is no HDF5, or not a whole one, or lacks what is asked for."""
    import h5py

    if not is_hdf5(path):
        raise ValueError(f"{path}: not an HDF5 file")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, KeyError, RuntimeError) as error:
        raise ValueError(f"{path}: not what was expected, or not whole: {error}") from None


@contextlib.contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[Any]:
    """A new file, in place of the old one when it is whole. OSError where it cannot be written, on a full disk say."""
    import h5py

    with files.whole(Path(path)) as temporary, _Disk(temporary, "w+") as disk:
        try:
            with h5py.File(disk, "w") as file:
                yield file
        finally:
            if disk.failure is not None:
                raise disk.failure  # what came of it in the library says less


class _Disk(io.FileIO):
    """A file as the HDF5 library sees it: one that can always be written, as the library crashes on one that cannot.

    failure: what has gone wrong; nothing is written from then on.
    """

    failure: OSError | None = None

    def write(self, data: Any) -> int:
        if self.failure is None:
            try:
                left = memoryview(data)
                while left:
                    left = left[super().write(left) :]  # a part, where the disk is full after it
            except OSError as error:
                self.failure = error
        return len(data)

    def truncate(self, size: int | None = None) -> int:
        if self.failure is None:
            try:
                return super().truncate(size)
            except OSError as error:
                self.failure = error
        return size or 0


def check_numbers(dataset: Any, where: str) -> None:
    """ValueError unless it is a dataset of numbers."""
    if getattr(dataset, "dtype", np.dtype(object)).kind not in "fiu":
        raise ValueError(f"{where}: no dataset of numbers")


def write_string(file: Any, name: str, text: str) -> None:
    """A string of fixed length that ends with a zero, as Caffe writes and reads it: not what h5py writes."""
    import h5py

    content = os.fsencode(text) + b"\0"
    kind = h5py.h5t.C_S1.copy()
    kind.set_size(len(content))
    kind.set_strpad(h5py.h5t.STR_NULLTERM)
    dataset = h5py.h5d.create(file.id, name.encode(), kind, h5py.h5s.create(h5py.h5s.SCALAR))
    dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, np.array(content, f"S{len(content)}"), kind)


def read_string(dataset: Any) -> str:
    """A string, of fixed or variable length."""
    content = dataset[()]
    return os.fsdecode(content.split(b"\0")[0]) if isinstance(content, bytes) else str(content)
