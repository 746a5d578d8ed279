"""The base class of layers that do another thing as training goes on."""

from __future__ import annotations

from caffe_pylayers._layer.base import Layer, Parameter
from caffe_pylayers._layer.phases import TRAIN


class Scheduled(Layer):
    """A layer that counts its forwards, from start_iter on, since a Python layer is not told the solver's iteration.

    counts_tests: whether it counts in TEST too; else a test net stands at start_iter.
    """

    counts_tests = False

    start_iter = Parameter(int, 0, low=0, doc="forwards before the first, where training goes on from a snapshot")

    _forwards = 0

    def next_iteration(self) -> int:
        """Return t, the number of forwards before this one, and count it; to be called once in each forward."""
        t: int = self.start_iter + self._forwards
        if self.counts_tests or self.phase == TRAIN:
            self._forwards += 1
        return t
