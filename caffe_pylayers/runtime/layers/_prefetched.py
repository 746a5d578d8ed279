"""What the layers have in common that read their tops' values from files, ahead of the net."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

import torch

from caffe_pylayers.runtime.blob import Blob
from caffe_pylayers.runtime.layer import Layer
from caffe_pylayers.runtime.prefetch import Batch, Prefetch
from caffe_pylayers.runtime.process import solver_count, solver_rank
from caffe_pylayers.runtime.proto.caffe_pb2 import TEST

T = TypeVar("T")


class Source(Protocol):
    """Where a layer's batches come from: a thread's own, without a reference to the layer."""

    def shapes(self) -> list[tuple[int, ...]]:
        """The tops' shapes, as far as they are known before the first batch."""

    def fill(self, batch: Batch) -> None:
        """Make the next batch."""


class PrefetchedLayer(Layer):
    """A layer whose Source, made in setup, runs ``data_param.prefetch`` batches ahead, as in Caffe.

    What goes wrong while a batch is made is the LayerError of the forward that was to use it.
    """

    bottoms = 0

    def source(self) -> Source:
        """The layer's Source; ValueError and OSError for bad parameters and files."""
        raise NotImplementedError

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        with self._naming_the_layer():
            source = self.source()
            shapes = source.shapes()
        for blob, shape in zip(top, shapes):
            blob.reshape(*shape)
        self._prefetch = Prefetch(source.fill, self.layer_param.data_param.prefetch)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Nothing: forward gives the tops the shapes of their batch."""

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        with self._naming_the_layer(), self._prefetch.batch() as arrays:
            for blob, values in zip(top, arrays):
                blob.reshape(*values.shape)
                blob.write().copy_(torch.from_numpy(values))

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        """Nothing."""

    @contextmanager
    def _naming_the_layer(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:
            raise self.error(str(error)) from error
        except Exception as error:  # of a decoder, or a library
            if isinstance(error, (ImportError, MemoryError)):
                raise
            raise self.error(f"{type(error).__name__}: {error}") from error


class Share:
    """Which records are this solver's: where several train together each solver_count()-th; in TEST every one."""

    def __init__(self, phase: int) -> None:
        self._count, self._rank = (1, 0) if phase == TEST else (solver_count(), solver_rank())
        self._read = 0
        self.all = self._count == 1

    def next(self) -> bool:
        """Whether the next record is."""
        mine = self._read % self._count == self._rank
        self._read += 1
        return mine


class Pool:
    """Threads, one for each core, that start when they are first needed and end with the pool."""

    def __init__(self) -> None:
        self._threads: ThreadPoolExecutor | None = None

    def each(self, do: Callable[[int], None], count: int) -> None:
        """Call do(0) to do(count - 1), at once; raises what one of them raised."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        if min(cores, count) < 2:
            for i in range(count):
                do(i)
            return
        if self._threads is None:
            self._threads = ThreadPoolExecutor(cores, "caffe-decode")
        numbers = iter(range(count))  # which a thread takes the next of, without a task for each

        def work() -> None:
            for i in numbers:
                do(i)

        for done in [self._threads.submit(work) for _ in range(cores)]:
            done.result()


def check_batch_size(name: str, size: int) -> None:
    """ValueError unless it is positive."""
    if size <= 0:
        raise ValueError(f"{name}.batch_size must be positive, got {size}")


def open_list(path: str, what: str) -> Any:
    """The text of a list of files; ValueError where it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError as error:
        raise ValueError(f"{what} {path} cannot be read: {error.strerror}") from error
