"""The base of the layers that read their tops' values from files, ahead of the net."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np

from caffe_pylayers._layer.quote import short
from caffe_pylayers.runtime.data.prefetch import Batch, Prefetch
from caffe_pylayers.runtime.data.transformer import DataTransformer
from caffe_pylayers.runtime.layers.layer import Layer
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.memory.limits import INT_MAX, check_shape

MOST_AHEAD = 1 << 16  # batches


class Source(Protocol):
    """Makes a layer's batches, on the prefetch thread, which ends with the layer: a source holds no reference to it."""

    def shapes(self) -> list[tuple[int, ...]]:
        """Return the tops' shapes, as far as they are known before the first batch."""

    def fill(self, batch: Batch) -> None:
        """Make the next batch."""

    def start_at(self, number: int) -> None:
        """Let the next batch be the one after so many."""


class PrefetchedLayer(Layer):
    """A layer whose Source, made in setup, runs ``data_param.prefetch`` batches ahead, as in Caffe.

    ``start_at_batch`` goes on as after a number of batches: what a solver that restores a snapshot calls.

    An error in the making of a batch is raised as LayerError by the forward that was to use the batch.
    """

    bottoms = 0

    def source(self) -> Source:
        """Make the layer's Source; ValueError and OSError for bad parameters and files."""
        raise NotImplementedError

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        depth = self.layer_param.data_param.prefetch
        try:
            self._source = self.source()
            shapes = self._source.shapes()
            for shape in shapes:
                check_shape(shape)
            _check_memory(shapes, depth)
        except Exception as error:
            raise self._named(error) from error
        for blob, shape in zip(top, shapes):
            blob.reshape(*shape)
        self._prefetch = Prefetch(self._source.fill, depth)

    def start_at_batch(self, number: int) -> None:
        """Go on as after this many batches of this layer; LayerError for what is no such number."""
        if not isinstance(number, (int, np.integer)) or isinstance(number, bool) or number < 0:
            raise self.error(f"start_at_batch takes the number of batches before, got {short(number)}")
        self._prefetch.stop()
        try:
            self._source.start_at(int(number))
        except Exception as error:
            raise self._named(error) from error

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Do nothing: forward gives the tops the shapes of their batch."""

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        try:
            self._prefetch.give(top)
        except Exception as error:
            raise self._named(error) from error

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        """Do nothing."""

    def _named(self, error: Exception) -> Exception:
        """Return the LayerError for an error of a file, decoder or library; ImportError and MemoryError as they are."""
        if isinstance(error, (ImportError, MemoryError)):
            return error
        if isinstance(error, OSError):
            reason = error.strerror or str(error)
            return self.error(f"{error.filename}: {reason}" if error.filename else reason)
        return self.error(str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}")


def _check_memory(shapes: Sequence[tuple[int, ...]], depth: int) -> None:
    """Raise ValueError if ``depth`` batches of tops of these shapes are larger than the machine's memory."""
    needed = 4 * sum(map(math.prod, shapes)) * max(depth, 1)
    if depth > MOST_AHEAD or needed > _memory():
        raise ValueError(
            f"reads {depth} batches ahead, of shapes {', '.join(map(str, shapes))}, {needed >> 20} MiB in all, more"
            " than this machine's memory: set a smaller batch_size or data_param.prefetch"
        )


def _memory() -> float:
    """Return the bytes of the machine's memory; infinity where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # Windows; a system that does not know
        return math.inf


class Workers:
    """Threads, one for each core, that start when they are first needed and end with this object."""

    def __init__(self) -> None:
        self._threads: ThreadPoolExecutor | None = None

    def each(self, do: Callable[[int], None], count: int) -> None:
        """Call do(0) to do(count - 1) in parallel; raise what one of them raised."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        if min(cores, count) < 2:
            for i in range(count):
                do(i)
            return
        if self._threads is None:
            self._threads = ThreadPoolExecutor(cores, "caffe-decode")
        numbers = iter(range(count))  # shared: each thread takes the next, without a task for each

        def work() -> None:
            for i in numbers:
                do(i)

        for done in [self._threads.submit(work) for _ in range(cores)]:
            done.result()


@contextlib.contextmanager
def naming(where: str) -> Iterator[None]:
    """Raise ValueError, beginning with ``where`` an item is from, for a ValueError or an OSError of the block."""
    try:
        yield
    except OSError as error:
        raise ValueError(f"{where}: {error.filename}: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def fill_from_images(
    batch: Batch,
    transformer: DataTransformer,
    workers: Workers,
    size: int,
    read: Callable[[int], tuple[Any, int]],
    where: Callable[[int], str],
) -> None:
    """Read and transform ``size`` items in parallel; item 0 decides the batch's shape.

    read(i) returns item i, (channels, height, width), and its label; where(i) where it is from, for messages.
    """
    draws = transformer.draw(size)
    shaped: Future[list[Any]] = Future()

    def one(i: int) -> None:
        try:
            with naming(where(i)):
                item, label = read(i)
                shape = transformer.shape(item)
            if i == 0:
                shaped.set_result(batch.reshape((size, *shape), (size,)))
        except BaseException as error:
            if i == 0:
                shaped.set_exception(error)
            raise
        data, labels = shaped.result()
        with naming(where(i)):
            transformer.transform([item], data[i : i + 1], draws[i : i + 1])
        labels[i] = label

    workers.each(one, size)


def check_batch_size(name: str, size: int) -> None:
    """Raise ValueError unless the batch_size of parameter ``name`` is positive and fits C's int."""
    if not 0 < size <= INT_MAX:
        raise ValueError(f"{name}.batch_size must be positive, and at most {INT_MAX}, got {size}")
