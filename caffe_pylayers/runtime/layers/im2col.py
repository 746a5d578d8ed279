"""Im2col."""

from __future__ import annotations

import math
from collections.abc import Sequence

from caffe_pylayers.runtime.layers._columns import Columns
from caffe_pylayers.runtime.layers._elementwise import refuse_in_place
from caffe_pylayers.runtime.layers._setup import canonical_axis
from caffe_pylayers.runtime.layers._window import Window
from caffe_pylayers.runtime.layers.layer import Layer, register
from caffe_pylayers.runtime.memory.blob import Blob


@register("Im2col")
class Im2col(Layer):
    """The values that a window covers at each of its positions, as channels, as Caffe's Im2col.

    Bottom: [0] (..., C, spatial...), the channels at ``axis``, any number of spatial axes.
    Top: [0] (..., C * values in the kernel, positions of the window...).
    """

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        refuse_in_place(self, bottom, top)
        self._axis = canonical_axis(self, bottom[0], self.layer_param.convolution_param.axis)
        self._axes = len(bottom[0].shape) - self._axis - 1
        self.check(self._axes > 0, f"bottom[0] must have an axis after the channels', got shape {bottom[0].shape}")
        self._window = Window.read(self, self._axes)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        shape, window = bottom[0].shape, self._window
        axes = self._axis + 1 + self._axes
        self.check(len(shape) == axes, f"bottom[0] must keep its {axes} axes, got shape {shape}")
        out = window.slide(shape[self._axis + 1 :])
        if any(n < 1 for n in out):
            raise self.error(f"the window {window.extent} gives bottom[0] of shape {shape} a top of sizes {out}")
        top[0].reshape(*shape[: self._axis], shape[self._axis] * math.prod(window.kernel), *out)
        self._bottom_shape = (math.prod(shape[: self._axis]), *shape[self._axis :])
        self._columns = Columns(window, self._bottom_shape)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        columns = top[0].write().view(self._columns.shape)
        self._columns.unfold(bottom[0].read().view(self._bottom_shape), columns)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if propagate_down[0]:
            d_columns = top[0].read_diff().view(self._columns.shape)
            self._columns.fold(d_columns, bottom[0].write_diff().view(self._bottom_shape))
