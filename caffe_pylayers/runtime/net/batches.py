"""Running a net over arrays that are longer than its batch."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from caffe_pylayers.runtime.net.net import Net

Arrays = dict[str, Any]


def forward_all(net: Net, blobs: list[str], arrays: Arrays) -> Arrays:
    """Run forward over input arrays of equal length; return the outputs' and the named blobs' values, as long.

    ValueError without any arrays.
    """
    _check_any(arrays, "the inputs", net.inputs)
    collected = _Collected([*net.outputs, *blobs])
    for batch in split(net, arrays):
        collected.add(net.forward(blobs=blobs, **batch))
    return collected.first(_length(arrays))


def forward_backward_all(net: Net, blobs: list[str], diffs: list[str], arrays: Arrays) -> tuple[Arrays, Arrays]:
    """Run forward and backward over inputs and gradients of outputs; return values and gradients, as long as the first.

    Without inputs, or where those are at their end, the blobs have what they had before; so do the outputs'
    gradients. ValueError for arrays of neither.
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
    """Collects arrays by name, batch by batch."""

    def __init__(self, names: list[str]) -> None:
        self._parts: dict[str, list[Any]] = {name: [] for name in names}

    def add(self, arrays: Arrays) -> None:
        for name, parts in self._parts.items():
            parts.append(np.atleast_1d(arrays[name]).copy())

    def first(self, count: int) -> Arrays:
        return {name: np.concatenate(parts)[:count] for name, parts in self._parts.items()}


def _check_any(arrays: Arrays, what: str, names: list[str]) -> None:
    if not arrays:
        raise ValueError(f"takes arrays for {what} of the net, {', '.join(names)}, by name")


def _length(arrays: Arrays) -> int:
    return len(next(iter(arrays.values())))


def split(net: Net, arrays: Arrays) -> Iterator[Arrays]:
    """Give arrays in pieces of the net's batch size, which is its first blob's; the last is filled up with zeros."""
    if not arrays:
        return
    size = next(iter(net.blobs.values())).shape[0]
    for begin in range(0, _length(arrays), size):
        pieces = {name: np.asarray(values[begin : begin + size]) for name, values in arrays.items()}
        yield {
            name: np.concatenate([piece, np.zeros((size - len(piece), *piece.shape[1:]), piece.dtype)])
            for name, piece in pieces.items()
        }
