"""One batch of a data layer: its items made and put together."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from caffe_pylayers._layer.data import samplers
from caffe_pylayers._layer.phases import TRAIN
from caffe_pylayers._layer.quote import one_line, short

AT, STOP = 0, 1  # in a worker's state: the item that it is at, and 1 where it is to end


class ItemError(Exception):
    """An item cannot be made, or not be put into its batch; the message is one line that starts with its name."""


class Stopped(Exception):  # noqa: N818 - no error
    """The batch is not wanted any more."""


def make_item(layer: Any, index: int, position: int, generators: Any) -> list[Any]:
    """Return the arrays of the item at a position of the layer's stream; ItemError for whatever goes wrong."""
    try:
        return _arrays(
            layer, layer.item_at(position, index, generators.of(position if layer.phase == TRAIN else index))
        )
    except (Exception, SystemExit) as error:
        raise item_error(layer, index, error) from error


def item_error(layer: Any, index: int, error: BaseException) -> ItemError:
    """Return the ItemError of an exception."""
    text = str(error) if isinstance(error, (ValueError, ImportError)) else f"{type(error).__name__}: {error}"
    if isinstance(error, OSError) and error.filename and error.strerror:
        text = f"{error.filename}: {error.strerror}"
    name = layer.name_of(index)
    return ItemError(one_line(text if text.startswith(name) else f"{name}: {text}", 500))


def make_batch(layer: Any, first: int, indices: Sequence[int], memory: Any, state: Any) -> list[tuple[int, ...]]:
    """Make the items, write them into arrays of the memory, and return the arrays' shapes.

    first: the position of the first item.
    state: its place AT gets each item's index before that is made; Stopped is raised once its place STOP is set.
    """
    batch, generators = _Batch(layer, memory, len(indices)), samplers.Generators(layer.item_seed)
    for place, index in enumerate(indices):
        if state[STOP]:
            raise Stopped
        state[AT] = index
        batch.add(place, index, make_item(layer, index, first + place, generators))
    return batch.finish()


def batch_shapes(layer: Any, items: Sequence[Sequence[Any]], size: int) -> list[tuple[int, ...]]:
    """Return the shapes of a batch of ``size`` items, as far as they follow from these."""
    shapes: list[tuple[int, ...]] = []
    for i, arrays in enumerate(zip(*items)):
        if layer.tops[i] in layer.row_tops:
            rows = sum(len(array) for array in arrays)
            shapes.append((rows, 1 + arrays[0].shape[1]))
        else:
            shapes.append((size, *(max(sizes) for sizes in zip(*(array.shape for array in arrays)))))
    return shapes


class _Batch:
    """Items on their way into a batch.

    They are written at once where the first decides the batch's shapes; else they are kept until all are there.
    """

    def __init__(self, layer: Any, memory: Any, size: int) -> None:
        self._layer, self._memory, self._size = layer, memory, size
        self._keeps = layer.varied == "pad" or bool(layer.row_tops)
        self._items: list[list[Any]] = []
        self._shapes: list[tuple[int, ...]] = []

    def add(self, place: int, index: int, item: list[Any]) -> None:
        """Take the next item; ItemError where it does not fit those before."""
        if not self._items:
            self._first = [array.shape for array in item]
        self._check(index, item)
        if self._keeps:
            self._items.append(item)
            return
        if not self._items:
            self._items = [item]
            self._shapes = batch_shapes(self._layer, [item], self._size)
            self._arrays = self._memory.arrays(self._shapes)
        for array, values in zip(self._arrays, item):
            array[place] = values

    def finish(self) -> list[tuple[int, ...]]:
        """Write what was kept; return the shapes."""
        if self._keeps:
            self._shapes = batch_shapes(self._layer, self._items, self._size)
            for i, array in enumerate(self._memory.arrays(self._shapes)):
                values = [item[i] for item in self._items]
                if self._layer.tops[i] in self._layer.row_tops:
                    _write_rows(array, values)
                else:
                    _write_padded(array, values, self._layer.pad_values.get(self._layer.tops[i], 0))
        return self._shapes

    def _check(self, index: int, item: list[Any]) -> None:
        for name, first, array in zip(self._layer.tops, self._first, item):
            rows = name in self._layer.row_tops
            pads = not rows and self._layer.varied == "pad"
            if array.shape == first or (array.ndim == len(first) and (pads or (rows and array.shape[1:] == first[1:]))):
                continue
            hint = "" if rows or array.ndim != len(first) else "; make them alike, or set varied: pad"
            where = self._layer.name_of(index)
            raise ItemError(f"{where}: {name} of shape {array.shape}, the batch's first item has {first}{hint}")


def _write_rows(array: Any, values: list[Any]) -> None:
    start = 0
    for place, rows in enumerate(values):
        array[start : start + len(rows), 0] = place
        array[start : start + len(rows), 1:] = rows
        start += len(rows)


def _write_padded(array: Any, values: list[Any], pad: float) -> None:
    for place, value in enumerate(values):
        if value.shape != array.shape[1:]:
            array[place] = pad
        inside = (place, *map(slice, value.shape))
        array[inside] = value


def _arrays(layer: Any, made: Any) -> list[Any]:
    """Return what ``item`` returned as arrays, one for each top that is there."""
    values = made if isinstance(made, (tuple, list)) else (made,)
    if made is None or len(values) != len(layer.tops):
        got = None if made is None else len(values)
        raise ValueError(f"item must return an array for each top ({', '.join(layer.tops)}), got {got}")
    arrays = [np.asarray(value) for value in values[: layer.top_count]]
    for name, array in zip(layer.tops, arrays):
        if array.dtype.kind not in "buif":
            raise ValueError(f"{name} must be an array of numbers, got {short(array)}")
        if name in layer.row_tops and array.ndim != 2:
            raise ValueError(f"{name} must be of shape (rows, columns), got {array.shape}")
    return arrays
