"""Running a net over arrays that are longer than its batch."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np

from caffe_pylayers._layer.quote import quoted

if TYPE_CHECKING:
    from caffe_pylayers.runtime.net.net import Net

Arrays = dict[str, Any]


def forward_all(net: Net, blobs: list[str], arrays: Arrays) -> Arrays:
    """Run forward over input arrays of one length, by name; return the outputs and the named blobs, as long.

    Raises ValueError without any arrays.
    """
    _check_any(arrays, "the inputs", net.inputs)
    collected = _Collected([*net.outputs, *blobs])
    for batch in split(net, arrays):
        collected.add(net.forward(blobs=blobs, **batch))
    return collected.first(_length(arrays))


def forward_backward_all(net: Net, blobs: list[str], diffs: list[str], arrays: Arrays) -> tuple[Arrays, Arrays]:
    """Run forward and backward over arrays for the inputs, and for the gradients of the outputs, by name.

    Returns the outputs and the blobs named in ``blobs``, and the gradients of the inputs and of the blobs named in
    ``diffs``, as long as the first array. Past the end of an array, and without one, its blob keeps its values.
    Raises ValueError for arrays of neither kind.
    """
    inputs = {name: value for name, value in arrays.items() if name in net.inputs}
    gradients = {name: value for name, value in arrays.items() if name in net.outputs}
    _check_any({**inputs, **gradients}, "the inputs and outputs", [*net.inputs, *net.outputs])
    values, backs = _Collected([*net.outputs, *blobs]), _Collected([*net.inputs, *diffs])
    for batch, gradient_batch in zip_longest(split(net, inputs), split(net, gradients)):
        values.add(net.forward(blobs=blobs, **batch or {}))
        backs.add(net.backward(diffs=diffs, **gradient_batch or {}))
    count = _length(arrays)
    return values.first(count), backs.first(count)


class _Collected:
    """Copies of named arrays, batch after batch."""

    def __init__(self, names: list[str]) -> None:
        self._batches: dict[str, list[Any]] = {name: [] for name in names}

    def add(self, arrays: Arrays) -> None:
        """Copy the named arrays of a batch; one without axes counts as one value."""
        for name, batches in self._batches.items():
            batches.append(np.atleast_1d(arrays[name]).copy())

    def first(self, count: int) -> Arrays:
        """Return the first ``count`` items of each array."""
        return {name: np.concatenate(batches)[:count] for name, batches in self._batches.items()}


def _check_any(arrays: Arrays, what: str, names: list[str]) -> None:
    if not arrays:
        raise ValueError(f"takes arrays for {what} of the net, {', '.join(names)}, by name")


def _length(arrays: Arrays) -> int:
    return len(next(iter(arrays.values())))


def split(net: Net, arrays: Arrays) -> Iterator[Arrays]:
    """Give arrays in batches of the net's size, the first size of its first blob; the last is padded with zeros.

    Raises ValueError where that size is not positive.
    """
    if not arrays:
        return
    name, first = next(iter(net.blobs.items()))
    size = first.shape[0] if first.shape else 0
    if not size:
        raise ValueError(f"blob {quoted(name)} of shape {first.shape} gives no size of batches: reshape it")
    for begin in range(0, _length(arrays), size):
        pieces = {name: np.asarray(values[begin : begin + size]) for name, values in arrays.items()}
        yield {
            name: np.concatenate([piece, np.zeros((size - len(piece), *piece.shape[1:]), piece.dtype)])
            for name, piece in pieces.items()
        }
