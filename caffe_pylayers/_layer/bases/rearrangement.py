"""The base class of layers that put a blob's values at other places."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Layer

__all__ = ["Rearrangement", "rearrange_backward", "rearrange_forward"]


def rearrange_forward(xp: Any, values: Any, view: Any, order: Any, rearranged: Any) -> None:
    """Write values, seen in the shape ``view``, with the axis order[i] of that at place i.

    rearranged: receives them, as many, in any shape.
    """
    seen = rearranged.reshape([view[axis] for axis in order])
    seen[...] = xp.moveaxis(values.reshape(view), order, tuple(range(len(order))))


def rearrange_backward(xp: Any, d_rearranged: Any, view: Any, order: Any, d_values: Any) -> None:
    """Write the gradient of the values: d_rearranged with every value back at its place."""
    seen = d_rearranged.reshape([view[axis] for axis in order])
    d_values.reshape(view)[...] = xp.moveaxis(seen, tuple(range(len(order))), order)


class Rearrangement(Layer):
    """A layer whose one top has its one bottom's values at other places.

    A subclass says how::

        def arrangement(self, shape):    # of the bottom: return view, order, the top's shape
    """

    array_api = True

    def arrangement(self, shape: tuple[int, ...]) -> Any:
        """Return the shape to see the bottom in, the order of its axes in the top, and the top's shape."""
        raise NotImplementedError(f"{type(self).__name__}: arrangement is not defined")

    def setup(self, bottom: Any, top: Any) -> None:
        checks.tops(self, top, "rearranged")

    def plan(self, features: Any) -> Any:
        self._view, self._order, shape = self.arrangement(tuple(features.shape))
        return [shape]

    def forward(self, bottom: Any, top: Any) -> None:
        rearrange_forward(self.xp, bottom[0].data, self._view, self._order, top[0].data)

    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        if propagate_down[0]:
            rearrange_backward(self.xp, top[0].diff, self._view, self._order, bottom[0].diff)
