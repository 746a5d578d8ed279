"""The lines that solvers log of losses and outputs, in Caffe's words."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

import torch

from caffe_pylayers.runtime.memory import scalars
from caffe_pylayers.runtime.net.net import Net
from caffe_pylayers.runtime.solvers import foreach


class SmoothedLoss:
    """Caffe's running mean of the last ``size`` losses, of fewer at first; one that is not finite stays in it for good.

    Losses on a GPU stay there until somebody looks.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._late: list[float | torch.Tensor] = []  # that the mean is without
        self._losses: deque[float] = deque()
        self._mean = 0.0

    def add(self, loss: float | torch.Tensor) -> None:
        """Add a loss, in place of the oldest where there are ``size`` already."""
        self._late.append(loss)

    @property
    def value(self) -> float:
        """The mean, 0 without any; of losses on a GPU one wait, and one copy of all since the last look."""
        for loss in scalars.numbers(self._late):
            oldest = self._losses.popleft() if len(self._losses) == self._size else self._mean
            self._losses.append(loss)
            self._mean += (loss - oldest) / len(self._losses)
        self._late = []
        return self._mean


class OutputSums:
    """The sums of a net's outputs over several forwards."""

    def __init__(self) -> None:
        self._sums: list[torch.Tensor] = []

    def add(self, net: Net) -> None:
        """Add the net's outputs."""
        outputs = [net.blobs[name].read().reshape(-1) for name in net.outputs]
        if self._sums:
            foreach.add_(self._sums, outputs)
        else:
            self._sums = [output.clone() for output in outputs]

    def means(self, net: Net, count: int) -> Iterator[str]:
        """Yield a line for each value of each output. count: how many forwards were added."""
        return _lines("Test", net, [[value / count for value in sums.tolist()] for sums in self._sums])


def train_outputs(net: Net) -> Iterator[str]:
    """Yield a line for each value of each output of a train net."""
    return _lines("Train", net, [net.blobs[name].read().reshape(-1).tolist() for name in net.outputs])


def _lines(kind: str, net: Net, outputs: Sequence[Sequence[float]]) -> Iterator[str]:
    weights = net.blob_loss_weights
    number = 0
    for name, values in zip(net.outputs, outputs):
        weight = weights[name]
        for value in values:
            loss = f" (* {weight:g} = {weight * value:g} loss)" if weight else ""
            yield f"    {kind} net output #{number}: {name} = {value:g}{loss}"
            number += 1
