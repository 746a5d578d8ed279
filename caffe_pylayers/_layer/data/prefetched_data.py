"""The base class of data layers: a method makes one item, and batches of items are made ahead of the net."""

from __future__ import annotations

import math
import os
import weakref
from typing import Any, Sequence

import numpy as np

from caffe_pylayers._layer import checks, solvers
from caffe_pylayers._layer.base import Layer, Parameter
from caffe_pylayers._layer.data import samplers
from caffe_pylayers._layer.data.batch import ItemError, batch_shapes, make_batch, make_item
from caffe_pylayers._layer.data.memory import OwnMemory
from caffe_pylayers._layer.data.workers import Ahead
from caffe_pylayers._layer.functions import draws
from caffe_pylayers._layer.phases import TRAIN
from caffe_pylayers._layer.quote import short

__all__ = ["PrefetchedData"]

INT_MAX = 2**31 - 1


class PrefetchedData(Layer):
    """A data layer of one's own: how many items there are, and how one is made.

    In a module that Python finds, such as ``my_data.py`` in the folder where training starts::

        import numpy as np
        from caffe_pylayers import Parameter, PrefetchedData

        class Pictures(PrefetchedData):
            tops = ("data", "label")
            source = Parameter(str, doc="an npz file with x (items, channels, height, width) and y (items,)")

            def prepare(self):
                with np.load(self.source) as file:
                    self.x, self.y = file["x"], file["y"]

            def item_count(self):
                return len(self.y)

            def item(self, index, rng):  # an array for each top, without the batch axis
                x = self.x[index]
                return x[:, :, ::-1] if rng.random() < 0.5 else x, self.y[index]

    and in the net::

        layer {
          name: "data"  type: "Python"  top: "data"  top: "label"
          python_param {
            module: "my_data"  layer: "Pictures"
            param_str: '{"source": "pictures.npz", "batch_size": 4, "seed": 1, "workers": 2}'
          }
        }

    The base class does the rest: batches, epochs in random order, workers that make batches ahead,
    shares of several solvers, and going on after a snapshot.

    A subclass may have, too:

        ``optional_tops``  how many of the last ``tops`` a net may leave out
        ``row_tops``       those of them whose items have any number of rows, such as boxes: a batch has
                           all rows, the item's place in the batch in a column before the others
        ``pad_values``     by top, what items are padded with where varied is pad; default: 0
        ``prepare(self)``  reads lists and checks files, once, before all else; parameters are there, and
                           top_count, the number of tops that the net has
        ``name_of(self, index)``  the item's name in messages: its file, its line in a list
        ``sampler(self)``  the order of the items, see samplers.py
        ``as_tops(self, arrays)``  a batch's arrays in the shapes that the tops are to have

    Workers call ``item`` at the same time: it reads ``self`` and changes nothing there, and draws from
    ``rng`` alone. What ``prepare`` read is there in threads and in processes, without a copy. Files are
    opened in ``item``: one that ``prepare`` opened would have one position for all.

    What an item's random generator gives follows from seed and position alone, so that batches are the
    same with any number of workers of either kind, after ``start_at_batch`` and on each engine. In the TEST phase
    items come in order, and an item is the same in each pass. Where the items of an epoch do not
    fill a batch, it goes on with the next epoch's, as in Caffe's data layers.

    Of several solvers that train together each takes every solver_count-th batch, so that items and their
    augmentation are those of one solver, whatever their number. They need ``seed``, the same for all, or
    the driver's (``random_seed``).

    ``start_at_batch(n)`` goes on as after n batches of this layer. The driver and the runtime's ``restore``
    call it with the iterations behind a snapshot; with another solver, do so:
    ``net.layers[0].start_at_batch(n)``. The ``caffe`` program does not: there the data begins anew.
    A training that is to go on needs ``seed``, or one of the driver's (``random_seed``); where it had another
    batch_size or number of solvers before, ``start_at_batch(items before // (batch_size * solver_count))`` goes on
    behind the items that were read.

    Workers start with the first forward, and end with the layer and with the process. Real Caffe never frees
    a Python layer: there ``stop_workers()`` ends those of a net that is not needed any more.

    An error of an item is raised as ValueError by the forward that was to use it, with its name and,
    as its cause, the traceback; the next forward tries the same batch again. A KeyboardInterrupt stays one.
    """

    batch_size = Parameter(int, 1, low=1, doc="items in a batch")
    shuffle = Parameter(bool, True, doc="TRAIN: a new random order in each epoch; TEST is always in order")
    seed = Parameter(
        int,
        None,
        low=0,
        high=2**31 - 1,
        doc="of order and augmentation; default: drawn from numpy.random, which the driver seeds by random_seed",
    )
    workers = Parameter(int, 1, low=0, high=256, doc="that make batches ahead; 0: forward makes them")
    worker_type = Parameter(
        str,
        "thread",
        choices=("thread", "process"),
        doc="thread: for items whose work is OpenCV's or NumPy's; process: for those that are Python's",
    )
    prefetch = Parameter(int, 2, low=1, high=1024, doc="batches that each worker makes ahead")
    varied = Parameter(
        str,
        "refuse",
        choices=("refuse", "pad"),
        doc="items of a batch with different shapes: refused, or padded behind each axis to the largest",
    )

    tops: Sequence[str] = ("data",)
    optional_tops = 0
    row_tops: Sequence[str] = ()
    pad_values: dict[str, float] = {}  # noqa: RUF012 - replaced, never changed

    _ahead: Ahead | None = None
    _finalizer: Any = None

    # --- what a subclass defines -------------------------------------------------------------------

    def item_count(self) -> int:
        """Return the number of items."""
        raise NotImplementedError(f"{type(self).__name__}: item_count is not defined")

    def item(self, index: int, rng: Any) -> Any:
        """Return an item's arrays, one for each name in ``tops``.

        rng: a numpy.random.Generator whose numbers are this item's alone; it serves until item returns.
        """
        raise NotImplementedError(f"{type(self).__name__}: item is not defined")

    def item_at(self, position: int, index: int, rng: Any) -> Any:
        """Return what item does, for a layer whose items follow from their position in the stream too."""
        return self.item(index, rng)

    def prepare(self) -> None:
        """Read what item_count and item need; called once, with the parameters there."""

    def name_of(self, index: int) -> str:
        """Return an item's name for messages."""
        return f"item {index}"

    def as_tops(self, arrays: list[Any]) -> list[Any]:
        """Return a batch's arrays as the tops get them, in other shapes where those are to have them."""
        return arrays

    def sampler(self) -> samplers.Sampler:
        """Return the order of the items."""
        count = self.item_count()
        if self.phase == TRAIN and self.shuffle:
            return samplers.Shuffled(count, self.item_seed)
        return samplers.InOrder(count)

    # --- Caffe's methods ---------------------------------------------------------------------------

    def setup(self, bottom: Any, top: Any) -> None:
        checks.bottoms(self, bottom)
        self.top_count = len(top)
        self._rank, self._solvers = (solvers.rank(), solvers.count()) if self.phase == TRAIN else (0, 1)
        self.item_seed = self._seed()
        if self.worker_type == "process" and self.workers and not hasattr(os, "fork"):
            raise checks.error(self, "worker_type process needs a system with fork, which this is not; take thread")
        self.prepare()
        checks.tops(self, top, *self.tops, optional=self.optional_tops)
        count = self.item_count()
        if not isinstance(count, (int, np.integer)):
            raise checks.error(self, f"item_count must return how many items there are, got {short(count)}")
        if count < 1:
            raise checks.error(self, "has no items")
        self._order = self.sampler()
        self._memory, self._batch = OwnMemory(), 0
        try:
            self._first_shapes = self._shapes_of_first()
        except ItemError as error:
            raise checks.error(self, str(error)) from error.__cause__
        self._check_memory()

    def plan(self) -> Any:
        return self._first_shapes

    def forward(self, bottom: Any, top: Any) -> None:
        try:
            self._give(self._next(), top)
        except ItemError as error:
            self.stop_workers()
            raise checks.error(self, str(error)) from error.__cause__
        except BaseException:  # Ctrl-C too, at any place: without workers the position alone decides what comes next
            self.stop_workers()
            raise

    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        pass

    # --- position and workers ----------------------------------------------------------------------

    def start_at_batch(self, number: int) -> None:
        """Go on as after this many batches of this layer."""
        most = 2**62 // (self._solvers * self.batch_size)  # a position is an int64
        if not isinstance(number, (int, np.integer)) or isinstance(number, bool) or not 0 <= number <= most:
            raise checks.error(
                self, f"start_at_batch takes the number of batches before, in [0, {most}], got {short(number)}"
            )
        self.stop_workers()
        self._batch = int(number)

    def stop_workers(self) -> None:
        """End the workers; what they have made ahead is forgotten, and the next forward starts them anew."""
        if self._finalizer is not None:
            self._finalizer()
        self._ahead = self._finalizer = None

    def items_of_batch(self, number: int) -> tuple[int, list[int]]:
        """Return where in the stream of items this solver's batch of a number begins, and its items."""
        first = self._first(number)
        return first, self._order.indices(first, self.batch_size)

    def _first(self, number: int) -> int:
        return int((number * self._solvers + self._rank) * self.batch_size)

    def _next(self) -> list[Any]:
        """Return the arrays of the next batch."""
        if not self.workers:
            return self._memory.arrays(make_batch(self, *self.items_of_batch(self._batch), self._memory, [0, 0]))
        if self._ahead is None or self._ahead.elsewhere:
            self.stop_workers()
            try:
                self._ahead = Ahead(self, self._batch)
            except (OSError, RuntimeError) as error:  # RuntimeError: of a thread
                what = f"{self.workers} workers of type {self.worker_type}"
                reason = getattr(error, "strerror", None) or error
                raise checks.error(self, f"cannot start {what}: {reason}") from error
            self._finalizer = weakref.finalize(self, self._ahead.stop)
        return self._ahead.take(self, self._batch)

    def _give(self, arrays: list[Any], top: Any) -> None:
        """Write a batch into the tops, and have another one made."""
        arrays = self.as_tops(arrays)
        for i, array in enumerate(arrays):
            if tuple(top[i].shape) != array.shape:
                top[i].reshape(*array.shape)
            if array.size:
                top[i].data[...] = array
        self._top_shapes = [(i, array.shape) for i, array in enumerate(arrays)]
        if self._ahead is not None:
            self._ahead.done(self, self._batch)
        self._batch += 1

    # --- setup's parts -----------------------------------------------------------------------------

    def _shapes_of_first(self) -> list[tuple[int, ...]]:
        (index,) = self._order.indices(0, 1)  # whoever's it is: so all solvers make the same net
        shapes = batch_shapes(self, [make_item(self, index, 0, samplers.Generators(self.item_seed))], self.batch_size)
        shaped = [array.shape for array in self.as_tops([np.broadcast_to(np.float32(0), shape) for shape in shapes])]
        # Without rows in the first item: real Caffe has no memory, and so no data, for a blob that was always empty.
        return [tuple(max(size, 1) for size in shape) for shape in shaped]

    def _check_memory(self) -> None:
        """Raise for batches that no blob, or not the machine's memory, can hold as many of as are made ahead."""
        for name, shape in zip(self.tops, self._first_shapes):
            if math.prod(shape) > INT_MAX:
                raise checks.error(self, f"{name} of shape {shape} has more than {INT_MAX} values, a blob's most")
        ahead = max(self.workers * self.prefetch, 1)
        needed = 4 * sum(map(math.prod, self._first_shapes)) * ahead
        if needed > _memory():
            raise checks.error(
                self,
                f"makes {ahead} batches ahead, of shapes {', '.join(map(str, self._first_shapes))}, "
                f"{needed >> 20} MiB in all, more than this machine's memory: set a smaller batch_size or prefetch",
            )

    def _seed(self) -> int:
        if self.seed is not None:
            return int(self.seed)
        if self.phase != TRAIN:
            return 0
        if not solvers.draw_alike():
            raise checks.error(self, "needs the parameter seed where several solvers train together, the same for all")
        return draws.seed_of(None)


def _memory() -> float:
    """Return the bytes of the machine's memory; infinity where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # Windows; a system that does not know
        return math.inf
