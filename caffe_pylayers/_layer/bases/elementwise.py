"""The base class of activations: functions of each value alone."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Layer
from caffe_pylayers._layer.blocks import blocks

__all__ = ["Elementwise"]


class Elementwise(Layer):
    """top = f(bottom), value by value; in place too, where it keeps a copy of its bottom.

    A subclass has f and its derivative, of the bottom's values, computed block by block (see
    blocks.py) so that temporaries cost little:

        def activate(self, x):               # return f(x)
        def slope(self, x):                  # return f'(x)
    """

    array_api = True

    _input: Any = None

    def setup(self, bottom: Any, top: Any) -> None:
        checks.tops(self, top, "y")

    def plan(self, x: Any) -> Any:
        self._blocks = blocks(x.reshape(-1))
        self._input = None
        return [tuple(x.shape)]

    def forward(self, bottom: Any, top: Any) -> None:
        x, y = bottom[0].data, top[0].data
        if arrays.address(x) == arrays.address(y):
            if self._input is None:
                self._input = self.xp.empty_like(x)
            self._input[...] = x
            x = self._input
        x, y = x.reshape(-1), y.reshape(-1)
        for block in self._blocks:
            y[block] = self.activate(x[block])

    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        if not propagate_down[0]:
            return
        x = bottom[0].data if self._input is None else self._input
        x, d_x, d_y = x.reshape(-1), bottom[0].diff.reshape(-1), top[0].diff.reshape(-1)
        for block in self._blocks:
            self.xp.multiply(self.slope(x[block]), d_y[block], out=d_x[block])

    def activate(self, x: Any) -> Any:
        """Return f(x)."""
        raise NotImplementedError(f"{type(self).__name__}: activate is not defined")

    def slope(self, x: Any) -> Any:
        """Return the derivative of f at x."""
        raise NotImplementedError(f"{type(self).__name__}: slope is not defined")
