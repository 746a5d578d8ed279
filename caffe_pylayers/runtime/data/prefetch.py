"""Batches made ahead, by a thread, while the net computes: Caffe's BasePrefetchingDataLayer."""

from __future__ import annotations

import atexit
import contextlib
import math
import os
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np
import torch

from caffe_pylayers.runtime.memory import device
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.memory.limits import Shape, check_shape
from caffe_pylayers.runtime.memory.transfer import Copier, copier

# Until they are seen to have ended: a thread that frees tensors while the process ends makes PyTorch abort it.
_running: set[_Worker] = set()


class Batch:
    """The values for a layer's tops, float32 arrays whose memory is used over and over.

    After ``begin_for`` a GPU they are made in memory from which it can copy, and ``send`` has it do so.
    """

    def __init__(self) -> None:
        self.arrays: list[Any] = []
        self._memory: list[torch.Tensor | None] = []
        self._copier: Copier | None = None
        self._sent: list[torch.Tensor] = []
        self._targets: list[torch.Tensor | None] = []  # memory on the device, free after the event
        self._free: torch.cuda.Event | None = None

    def begin_for(self, place: torch.device) -> None:
        """Say on which device the values are to be."""
        found = copier(place)
        if found is not self._copier:
            self._copier, self._memory, self._targets, self._free = found, [], [], None

    def send(self) -> None:
        """Copy the values to the device, where they are not yet; in the thread that has made them, which waits."""
        if self._copier is not None:
            values = [torch.from_numpy(array) for array in self.arrays]
            self._targets += [None] * (len(values) - len(self._targets))
            self._sent = self._copier.send(values, self._targets, self._free)

    def reshape(self, *shapes: Shape) -> list[Any]:
        """Return arrays of these shapes, to be filled; what they hold is undefined. ShapeError for too many values."""
        for shape in shapes:
            check_shape(shape)
        self._memory += [None] * (len(shapes) - len(self._memory))
        self.arrays = [self._array(i, shape) for i, shape in enumerate(shapes)]
        return self.arrays

    def _array(self, i: int, shape: Shape) -> Any:
        count, memory = math.prod(shape), self._memory[i]
        if memory is None or memory.numel() < count:
            if self._copier is not None:
                memory = self._copier.host_memory(count)
            else:
                memory = torch.from_numpy(np.empty(count, np.float32))  # NumPy's: in huge pages
            self._memory[i] = memory
        return memory.view(-1)[:count].view(shape).numpy()

    def give(self, blobs: Sequence[Blob]) -> None:
        """Give the values to the blobs, in exchange for their memory."""
        values = self._sent or [torch.from_numpy(array) for array in self.arrays]
        replaced = self._targets if self._sent else self._memory
        for i, (blob, tensor) in enumerate(zip(blobs, values)):
            blob.reshape(*tensor.shape)
            replaced[i] = blob.take(tensor)
        if self._copier is not None and self._sent:
            self._free = self._copier.given(self._sent)
        self.arrays, self._sent = [], []


class Prefetch:
    """The batches that ``fill`` makes one after the other, up to ``depth`` of them ahead.

    A thread calls fill, from the first ``give`` on; it ends when the Prefetch is collected, and with the process.
    So fill must not hold on to the Prefetch, or to a layer that has it. With depth 0 give calls fill itself.
    """

    def __init__(self, fill: Callable[[Batch], None], depth: int) -> None:
        self._fill, self._depth = fill, depth
        self._worker: _Worker | None = None
        self._batch = Batch()  # of depth 0
        self._error: Exception | None = None

    def give(self, blobs: Sequence[Blob]) -> None:
        """Give the next batch to the blobs; raises what fill raised for it, again at each call."""
        if self._error is not None:
            raise self._error.with_traceback(None)
        try:
            batch = self._next()
        except Exception as error:
            self._error = error
            raise
        batch.give(blobs)
        if self._worker is not None:
            self._worker.have_filled([batch])

    def stop(self) -> None:
        """Have fill return, and forget what it has made: the next give calls it anew."""
        worker, self._worker, self._error = self._worker, None, None
        if worker is not None:
            worker.stop()
            worker.join()

    def _next(self) -> Batch:
        if not self._depth:
            self._fill(self._batch)
            return self._batch
        if self._worker is None:
            self._worker = _Worker(self._fill, self._depth)
            weakref.finalize(self, self._worker.stop).atexit = False
            self._worker.begin()
        self._worker.check_process()
        return self._worker.take()


class _Worker(threading.Thread):
    """Takes batches from ``free``, fills them and puts them into ``full``; last, where it fails, the exception."""

    def __init__(self, fill: Callable[[Batch], None], depth: int) -> None:
        super().__init__(name="caffe-prefetch", daemon=True)
        self._fill: Callable[[Batch], None] | None = fill
        self._process = os.getpid()
        self._stopping = False
        self._free: SimpleQueue[Batch | None] = SimpleQueue()
        self._full: SimpleQueue[Batch | BaseException] = SimpleQueue()
        self.have_filled(Batch() for _ in range(depth))

    def begin(self) -> None:
        """Start; the process waits for it at its end, when daemons would be cut off in the middle of a call."""
        _running.difference_update([worker for worker in _running if worker.ident and not worker.is_alive()])
        if not _running:
            atexit.unregister(_end)
            atexit.register(_end)
        _running.add(self)
        self.start()

    def run(self) -> None:
        try:
            while (batch := self._free.get()) is not None and not self._stopping:
                assert self._fill is not None  # noqa: S101 - for mypy
                batch.begin_for(device.current())
                self._fill(batch)
                batch.send()
                self._full.put(batch)
        except BaseException as error:  # take raises it
            self._full.put(error)
        finally:
            self._fill = None  # and with it files and threads of its own

    def check_process(self) -> None:
        """RuntimeError in another process than the one that it was started in."""
        if os.getpid() != self._process:
            raise RuntimeError("a net that has read data cannot go on in a forked process: make it anew there")

    def take(self) -> Batch:
        """Return the next batch; raises, once, what fill raised: kept here, its traceback would keep the Prefetch."""
        made = self._full.get()
        if isinstance(made, BaseException):
            raise made
        return made

    def have_filled(self, batches: Iterable[Batch]) -> None:
        """Let it fill these, when it has filled those that it has."""
        for batch in batches:
            self._free.put(batch)

    def stop(self) -> None:
        """Have it end after the batch that it is at. May be called at any moment: a garbage collection does."""
        self._stopping = True
        for batches in (self._free, self._full):
            with contextlib.suppress(Empty):
                while True:
                    batches.get_nowait()
        self._free.put(None)


def _end() -> None:
    workers = list(_running)
    for worker in workers:
        worker.stop()
    for worker in workers:
        worker.join()
