"""The base class of activations: functions of each value alone."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.bases.kept_input import KeptInput

__all__ = ["Elementwise"]


class Elementwise(KeptInput):
    """top = f(bottom), value by value; in place too.

    A subclass has f and its gradient, of arrays of one axis (see functions/fused.py):

        def activate(self, x, y):            # write y = f(x)
        def gradient(self, x, d_y, d_x):     # write d_x = d_y f'(x); d_x may be d_y
    """

    array_api = True
    in_place = True

    def setup(self, bottom: Any, top: Any) -> None:
        checks.tops(self, top, "y")

    def plan(self, x: Any) -> Any:
        return [tuple(x.shape)]

    def forward(self, bottom: Any, top: Any) -> None:
        self.activate(self.keep_input(bottom, top).reshape(-1), top[0].data.reshape(-1))

    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        if propagate_down[0]:
            self.gradient(self.input(bottom).reshape(-1), top[0].diff.reshape(-1), bottom[0].diff.reshape(-1))

    def activate(self, x: Any, y: Any) -> None:
        """Write y = f(x)."""
        raise NotImplementedError(f"{type(self).__name__}: activate is not defined")

    def gradient(self, x: Any, d_y: Any, d_x: Any) -> None:
        """Write d_x, the gradient of x."""
        raise NotImplementedError(f"{type(self).__name__}: gradient is not defined")
