"""The base class of layers with a learned value for each place along some axes of their bottom."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.bases.learned import FILLERS, Filled, learn

__all__ = ["LearnedAlong"]


class LearnedAlong(Filled):
    """A layer with a learned blob whose shape is its bottom's sizes on the axes, () for none.

    shape: the blob's with 1 on the other axes, as it broadcasts to the bottom. repeated: the others.
    """

    array_api = True
    in_place = True

    axes = Parameter([int], (1,), doc="there is a learned value for each place along these; none: one for all")
    filler = Parameter(str, "constant", choices=FILLERS, doc="how the learned values are drawn, as Caffe's fillers")

    def setup(self, bottom: Any, top: Any) -> None:
        checks.tops(self, top, "features")
        if len(bottom) == 1:  # plan says what is wrong with another number
            shape = tuple(bottom[0].shape)
            learn(self, self.filled(*(shape[axis] for axis in self._checked_axes(shape))))

    def plan(self, features: Any) -> Any:
        shape = tuple(features.shape)
        axes = self._checked_axes(shape)
        learned = tuple(self.blobs[0].shape)
        if learned != tuple(shape[axis] for axis in axes):
            raise checks.error(self, f"blobs[0] {learned} was made for other sizes than bottom[0] {shape} has")
        self.shape = tuple(size if axis in axes else 1 for axis, size in enumerate(shape))
        self.repeated = tuple(axis for axis in range(len(shape)) if axis not in axes)
        return [shape]

    def _checked_axes(self, shape: tuple[int, ...]) -> list[int]:
        axes = [checks.axis(self, axis, len(shape), f"bottom[0] of shape {shape}") for axis in self.axes]
        if axes != sorted(set(axes)):
            raise checks.error(self, f"axes must be in ascending order, none of them twice, got {list(self.axes)}")
        return axes
