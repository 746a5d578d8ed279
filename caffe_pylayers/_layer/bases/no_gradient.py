"""The base class of layers that nothing is learned through."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._layer import arrays
from caffe_pylayers._layer.base import Layer


class NoGradient(Layer):
    """A layer that chooses, sorts or labels: its bottoms get a gradient of zero."""

    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        for i in range(len(bottom)):
            if propagate_down[i]:
                arrays.fill(bottom[i].diff, 0)
