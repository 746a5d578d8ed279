"""The base class of layers whose top has the shape of their bottom, and often its values."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Layer

__all__ = ["PassThrough", "copy"]


def copy(values: Any, out: Any) -> None:
    """Write the values, unless they are there already, as in a layer that works in place."""
    if arrays.address(values) != arrays.address(out):
        out[...] = values


class PassThrough(Layer):
    """A layer of one bottom and one top of its shape; forward passes the values on, and backward the gradient."""

    array_api = True
    in_place = True

    def setup(self, bottom: Any, top: Any) -> None:
        checks.tops(self, top, "top")

    def plan(self, x: Any) -> Any:
        return [x.shape]

    def forward(self, bottom: Any, top: Any) -> None:
        copy(bottom[0].data, top[0].data)

    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        if propagate_down[0]:
            copy(top[0].diff, bottom[0].diff)
