"""The base class of activations: functions of each value alone."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.bases.kept_input import KeptInput
from caffe_pylayers._layer.parameter import arguments

__all__ = ["Elementwise"]


class Elementwise(KeptInput):
    """top = f(bottom), value by value; in place too.

    A subclass has f and its gradient, of one pass (see functions/fused.py); they take the parameters that they have
    arguments for by name:

        formulas = swish_forward, swish_backward
    """

    array_api = True
    in_place = True

    formulas: Any = ()

    def setup(self, bottom: Any, top: Any) -> None:
        checks.tops(self, top, "y")
        self.options = arguments(self, self.formulas[0])

    def plan(self, x: Any) -> Any:
        return [tuple(x.shape)]

    def forward(self, bottom: Any, top: Any) -> None:
        x, y = self.keep_input(bottom, top).reshape(-1), top[0].data.reshape(-1)
        self.formulas[0](self.xp, x, out=y, **self.options)

    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        if propagate_down[0]:
            x, d_y = self.input(bottom).reshape(-1), top[0].diff.reshape(-1)
            self.formulas[1](self.xp, x, d_y, out=bottom[0].diff.reshape(-1), **self.options)
