"""What the layers have in common that read their tops' values from files, ahead of the net."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from caffe_pylayers.runtime.data.prefetch import Batch, Prefetch
from caffe_pylayers.runtime.data.transformer import DataTransformer
from caffe_pylayers.runtime.layers.layer import Layer
from caffe_pylayers.runtime.memory.blob import Blob
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
        try:
            source = self.source()
            shapes = source.shapes()
        except Exception as error:
            raise self._named(error) from error
        for blob, shape in zip(top, shapes):
            blob.reshape(*shape)
        self._prefetch = Prefetch(source.fill, self.layer_param.data_param.prefetch)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Nothing: forward gives the tops the shapes of their batch."""

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        try:
            self._prefetch.give(top)
        except Exception as error:
            raise self._named(error) from error

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        """Nothing."""

    def _named(self, error: Exception) -> Exception:
        """The LayerError of what a source, a decoder or a library raised; others are what they are."""
        if isinstance(error, (ImportError, MemoryError)):
            return error
        return self.error(
            str(error) if isinstance(error, (OSError, ValueError)) else f"{type(error).__name__}: {error}"
        )


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


def fill_from_images(
    batch: Batch, transformer: DataTransformer, pool: Pool, size: int, read: Callable[[int], tuple[Any, int]]
) -> None:
    """Transform what read(0) to read(size - 1) give, items and labels, which the first is to decide the shape of."""
    draws = transformer.draw(size)
    shaped: Future[list[Any]] = Future()

    def one(i: int) -> None:
        try:
            item, label = read(i)
            if i == 0:
                shaped.set_result(batch.reshape((size, *transformer.shape(item)), (size,)))
        except BaseException as error:
            if i == 0:
                shaped.set_exception(error)
            raise
        data, labels = shaped.result()
        transformer.transform([item], data[i : i + 1], draws[i : i + 1])
        labels[i] = label

    pool.each(one, size)


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
