"""Running a net over arrays that are longer than its batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from caffe_pylayers.runtime.net import Net

Arrays = dict[str, Any]


def forward_all(net: Net, blobs: list[str], arrays: Arrays) -> Arrays:
    """Forward over input arrays of equal length; the outputs' and the named blobs' values, as long."""
    collected = _Collected([*net.outputs, *blobs])
    for batch in _batches(net, arrays):
        collected.add(net.forward(blobs=blobs, **batch))
    return collected.first(_length(arrays))


def forward_backward_all(net: Net, blobs: list[str], diffs: list[str], arrays: Arrays) -> tuple[Arrays, Arrays]:
    """Forward and backward over inputs and gradients of outputs; values and gradients, as long."""
    inputs = {name: value for name, value in arrays.items() if name in net.inputs}
    gradients = {name: value for name, value in arrays.items() if name in net.outputs}
    values, backs = _Collected([*net.outputs, *blobs]), _Collected([*net.inputs, *diffs])
    gradient_batches = _batches(net, gradients) if gradients else None
    for batch in _batches(net, inputs):
        values.add(net.forward(blobs=blobs, **batch))
        backs.add(net.backward(diffs=diffs, **(next(gradient_batches) if gradient_batches else {})))
    count = _length(inputs)
    return values.first(count), backs.first(count)


class _Collected:
    """Arrays batch by batch, by name."""

    def __init__(self, names: list[str]) -> None:
        self._parts: dict[str, list[Any]] = {name: [] for name in names}

    def add(self, arrays: Arrays) -> None:
        for name, parts in self._parts.items():
            parts.append(np.atleast_1d(arrays[name]).copy())

    def first(self, count: int) -> Arrays:
        return {name: np.concatenate(parts)[:count] for name, parts in self._parts.items()}


def _length(arrays: Arrays) -> int:
    return len(next(iter(arrays.values())))


def _batches(net: Net, arrays: Arrays) -> Iterator[Arrays]:
    """The arrays in pieces of the net's batch size, the last filled up with zeros."""
    size = net.blobs[next(iter(arrays))].shape[0]
    for begin in range(0, _length(arrays), size):
        pieces = {name: np.asarray(values[begin : begin + size]) for name, values in arrays.items()}
        yield {
            name: np.concatenate([piece, np.zeros((size - len(piece), *piece.shape[1:]), piece.dtype)])
            for name, piece in pieces.items()
        }
