"""HDF5 files as Caffe writes and reads them, through h5py."""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path
from typing import Any, Iterator

import numpy as np

from caffe_pylayers._disk import files
from caffe_pylayers._engine.libraries import optional
from caffe_pylayers._layer.quote import one_line, quoted

SIGNATURE = b"\x89HDF\r\n\x1a\n"
INT_MAX = 2**31 - 1  # values of one of Caffe's blobs


class ContentError(ValueError):
    """An HDF5 file is whole and holds something else than is asked for."""


def is_hdf5(path: str | os.PathLike[str]) -> bool:
    """Return True if a file is HDF5, whatever its name; OSError for a file that cannot be read."""
    with open(path, "rb") as file:
        return file.read(len(SIGNATURE)) == SIGNATURE


def library() -> Any:
    """Return the h5py module; MissingLibrary where it is not installed."""
    with optional("HDF5", "runtime", "h5py alone: pip install h5py"):
        import h5py
    return h5py


@contextlib.contextmanager
def reading(path: str | os.PathLike[str]) -> Iterator[Any]:
    """Open a file to read from it in the block.

    ValueError, in one line with the path, for one that is no HDF5, is not whole or lacks what the block asks for:
    h5py has exceptions of every kind for these. OSError for a file that cannot be opened.
    """
    h5py = library()
    if not is_hdf5(path):
        raise ContentError(f"{path}: not an HDF5 file")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (ContentError, MemoryError):
        raise
    except Exception as error:
        lines = str(error.args[0] if isinstance(error, KeyError) and error.args else error).splitlines() or [""]
        reason = one_line(lines[0]) or type(error).__name__
        raise ValueError(f"{path}: not what is expected, or not a whole one: {reason}") from error


@contextlib.contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[Any]:
    """Give a new file to write to; at the end of the block it takes the place of the old one, if it is whole.

    It is made in memory, as the HDF5 library crashes on a disk that is full. OSError where it cannot be written.
    """
    h5py = library()
    content = io.BytesIO()
    with files.whole(Path(path)) as temporary:
        with h5py.File(content, "w") as file:
            yield file
        temporary.write_bytes(content.getbuffer())


def group(found: Any, where: str) -> dict[str, Any]:
    """Return a group's members by name, in order, None for a link to nowhere; ContentError for what is no group.

    A dict, as h5py's own items() hold its lock until they end: an exception that keeps such a loop blocks all other
    threads that read HDF5, or only collect what has read it.
    """
    if not hasattr(found, "items"):
        raise ContentError(f"{where}: no group")
    return dict(found.items())


def number(key: str, where: str) -> int:
    """Return a member's name as the number that Caffe gives it; ContentError for another name."""
    if not (key.isascii() and key.isdigit()):
        raise ContentError(f"{where}: holds {quoted(key)}, takes blobs by their numbers")
    return int(key)


def shape(dataset: Any, where: str) -> tuple[int, ...]:
    """Return the shape of a dataset of numbers; ContentError for others, and for more values than a blob has."""
    if getattr(dataset, "dtype", np.dtype(object)).kind not in "fiu" or dataset.shape is None:
        raise ContentError(f"{where}: no dataset of numbers")
    if dataset.size > INT_MAX:
        raise ContentError(f"{where}: has shape {dataset.shape}, a blob has at most {INT_MAX} values")
    return tuple(dataset.shape)


def values(dataset: Any, where: str) -> np.ndarray[Any, Any]:
    """Return the values of a dataset of numbers, float32; ContentError as for its shape."""
    found = np.empty(shape(dataset, where), np.float32)
    if found.size:
        dataset.read_direct(found)  # converted block by block, never twice in memory
    return found


def write_string(file: Any, name: str, text: str) -> None:
    """Write a string of fixed length that ends with a zero, as Caffe writes and reads it: not what h5py writes."""
    h5py = library()
    content = os.fsencode(text) + b"\0"
    kind = h5py.h5t.C_S1.copy()
    kind.set_size(len(content))
    kind.set_strpad(h5py.h5t.STR_NULLTERM)
    dataset = h5py.h5d.create(file.id, name.encode(), kind, h5py.h5s.create(h5py.h5s.SCALAR))
    dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, np.array(content, f"S{len(content)}"), kind)


def read_string(dataset: Any) -> str:
    """Return a string, of fixed or variable length."""
    content = dataset[()]
    return os.fsdecode(content.split(b"\0")[0]) if isinstance(content, bytes) else str(content)
