"""The base class of layers that work in place, though their backward needs what was in the bottom."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._layer import arrays
from caffe_pylayers._layer.base import Layer

__all__ = ["KeptInput"]


class KeptInput(Layer):
    """A layer that reads bottom[0] by ``keep_input`` in forward and by ``input`` in backward.

    Where top[0] is bottom[0] both give a copy, which this layer and those above it that work in place leave alone.
    """

    _copy: Any = None

    def keep_input(self, bottom: Any, top: Any) -> Any:
        """Return bottom[0]'s data, or a new copy of it where top[0] has the same memory."""
        x = bottom[0].data
        self._copy = arrays.astype(x, x) if arrays.address(x) == arrays.address(top[0].data) else None
        return self.input(bottom)

    def input(self, bottom: Any) -> Any:
        """Return what keep_input did."""
        return bottom[0].data if self._copy is None else self._copy
