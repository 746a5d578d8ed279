"""Memory for batches: a process's own, or such as forked processes share."""

from __future__ import annotations

import math
import mmap
import os
import tempfile
from typing import Any, Sequence

import numpy as np

Shapes = Sequence[Sequence[int]]

_ALIGNED = 64  # bytes


def _bytes(shape: Sequence[int]) -> int:
    return -(-4 * math.prod(shape) // _ALIGNED) * _ALIGNED


def _views(memory: Any, shapes: Shapes) -> list[Any]:
    arrays, start = [], 0
    for shape in shapes:
        arrays.append(np.frombuffer(memory, np.float32, math.prod(shape), start).reshape(shape))
        start += _bytes(shape)
    return arrays


class OwnMemory:
    """Arrays of float32 whose memory is used over and over."""

    def __init__(self) -> None:
        self._memory = np.empty(0, np.uint8)

    def arrays(self, shapes: Shapes) -> list[Any]:
        """Return arrays of these shapes; what they hold is undefined."""
        needed = sum(map(_bytes, shapes))
        if self._memory.size < needed:
            self._memory = np.empty(needed, np.uint8)
        return _views(self._memory, shapes)

    def close(self) -> None:
        """Do nothing: the memory goes with its last array."""


class SharedMemory:
    """The same in memory that processes share which were forked after it was made, and that grows as one of them asks.

    It is a file without a name: nothing is left behind however its processes end, and it needs neither room in
    /dev/shm, of which containers have little, nor multiprocessing's tracker, a process that only a Python
    interpreter can start, which the ``caffe`` program is not.
    """

    def __init__(self) -> None:
        self._file = _nameless()
        self._memory: mmap.mmap | None = None

    def arrays(self, shapes: Shapes) -> list[Any]:
        """Return arrays of these shapes: those that another process has filled, where it asked for the same shapes."""
        needed = max(sum(map(_bytes, shapes)), _ALIGNED)
        if self._memory is None or len(self._memory) < needed:
            if os.fstat(self._file).st_size < needed:
                os.ftruncate(self._file, needed)
            self._memory = mmap.mmap(self._file, os.fstat(self._file).st_size)
        return _views(self._memory, shapes)

    def close(self) -> None:
        """Close the file; the memory goes with the last array in any process."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _nameless() -> int:
    """Return the descriptor of a new file without a name, which lies in memory where the system can have it so."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("caffe_pylayers")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
