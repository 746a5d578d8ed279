"""Batches made ahead, by a thread, while the net computes: Caffe's BasePrefetchingDataLayer."""

from __future__ import annotations

import atexit
import contextlib
import math
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any

import numpy as np

Shape = tuple[int, ...]
_running: weakref.WeakSet[_Worker] = weakref.WeakSet()


class Batch:
    """The values for a layer's tops, float32 arrays whose memory is used over and over."""

    def __init__(self) -> None:
        self.arrays: list[Any] = []
        self._memory: dict[int, Any] = {}

    def reshape(self, *shapes: Shape) -> list[Any]:
        """Arrays of these shapes, to be filled; what they hold is undefined."""
        self.arrays = [self._array(i, shape) for i, shape in enumerate(shapes)]
        return self.arrays

    def _array(self, i: int, shape: Shape) -> Any:
        count = math.prod(shape)
        if i not in self._memory or self._memory[i].size < count:
            self._memory[i] = np.empty(count, np.float32)
        return self._memory[i][:count].reshape(shape)


class Prefetch:
    """The batches that ``fill`` makes one after the other, up to ``depth`` of them ahead.

    A thread calls fill, from the first ``batch()`` on; it ends when the Prefetch is collected, and with the
    process. So fill must not hold on to the Prefetch, or to a layer that has it. With depth 0 there is no
    thread: batch() makes each when it is asked for.
    """

    def __init__(self, fill: Callable[[Batch], None], depth: int) -> None:
        self._fill, self._depth = fill, depth
        self._worker: _Worker | None = None
        self._own = Batch()

    @contextlib.contextmanager
    def batch(self) -> Iterator[list[Any]]:
        """The next batch's arrays, until the end of the block; raises what fill raised for it, again at each call."""
        if not self._depth:
            self._fill(self._own)
            yield self._own.arrays
            return
        if self._worker is None:
            self._worker = _Worker(self._fill, self._depth)
            weakref.finalize(self, self._worker.stop).atexit = False
            self._worker.begin()
        worker = self._worker
        made = worker.take()
        try:
            yield made.arrays
        finally:
            worker.free.put(made)


class _Worker(threading.Thread):
    """Takes batches from ``free``, fills them and puts them into ``full``; last, where it fails, the exception."""

    def __init__(self, fill: Callable[[Batch], None], depth: int) -> None:
        super().__init__(name="caffe-prefetch", daemon=True)
        self._fill: Callable[[Batch], None] | None = fill
        self._process = os.getpid()
        self._stopping = False
        self.free: SimpleQueue[Batch | None] = SimpleQueue()
        self.full: SimpleQueue[Batch | BaseException] = SimpleQueue()
        for _ in range(depth):
            self.free.put(Batch())

    def begin(self) -> None:
        """Start; the process waits for it at its end, when daemons would be cut off in the middle of a call."""
        if not _running:
            atexit.unregister(_end)
            atexit.register(_end)
        _running.add(self)
        self.start()

    def run(self) -> None:
        try:
            while (batch := self.free.get()) is not None and not self._stopping:
                assert self._fill is not None  # noqa: S101 - for mypy
                self._fill(batch)
                self.full.put(batch)
        except BaseException as error:  # take raises it
            self.full.put(error)
        finally:
            self._fill = None  # and with it files and threads of its own

    def take(self) -> Batch:
        if os.getpid() != self._process:
            raise RuntimeError("a net that has read data cannot go on in a forked process: make it anew there")
        made = self.full.get()
        if isinstance(made, BaseException):
            self.full.put(made)
            raise made.with_traceback(None)
        return made

    def stop(self) -> None:
        """Have it end after the batch that it is at. May be called at any moment: a garbage collection does."""
        self._stopping = True
        self.free.put(None)


def _end() -> None:
    workers = list(_running)
    for worker in workers:
        worker.stop()
    for worker in workers:
        worker.join()
