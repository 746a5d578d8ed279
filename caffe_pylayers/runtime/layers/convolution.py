"""Convolution and Deconvolution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch.nn import functional

from caffe_pylayers.runtime.layers import _kernels
from caffe_pylayers.runtime.layers._columns import ColumnConvolution
from caffe_pylayers.runtime.layers._elementwise import refuse_in_place
from caffe_pylayers.runtime.layers._layout import image_layout
from caffe_pylayers.runtime.layers._setup import canonical_axis, make_learned_blobs
from caffe_pylayers.runtime.layers._window import Window
from caffe_pylayers.runtime.layers.layer import Layer, register
from caffe_pylayers.runtime.memory import device
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.memory.limits import Shape
from caffe_pylayers.runtime.memory.memory import CHANNELS_LAST, CONTIGUOUS
from caffe_pylayers.runtime.proto.caffe_pb2 import TEST

MOST_AXES = 3  # spatial axes that PyTorch's kernels convolve over
# Above this many weights, as in classifiers that are convolved over an image, PyTorch's kernels take longer to reorder
# the weights than to convolve a single image.
MANY_WEIGHTS = 1 << 24
# Up to so many values of the bottom PyTorch computes a convolution with windows of one value as a product of matrices,
# before oneDNN, which reads packed weights, has begun.
FEW_VALUES = 20480
# The largest kernel, stride, pad or dilation that goes to PyTorch's kernels: oneDNN's hang, or end the process, from
# strides of 16,384 on.
LARGEST = 1 << 12


@register("Convolution")
class Convolution(Layer):
    """top[i] = weight * bottom[i] + bias, the cross-correlation, as Caffe's Convolution.

    Bottom: [i] (..., C, spatial...), the channels at ``axis``, any number of spatial axes; all of one shape.
    Top: [i] (..., num_output, positions of the window...).
    Learned: weight (num_output, C / group, kernel...) and, with bias_term, bias (num_output).

    ``engine`` and ``force_nd_im2col`` change nothing here. In place, the weight's gradient is that at the top, as in
    Caffe; a window of single values is refused, as Caffe then reads what it has written over.
    """

    bottoms = (1, None)
    tops = (1, None)
    equal_counts = True
    backward_reads_tops = False
    transposed: ClassVar[bool] = False

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param = self.layer_param.convolution_param
        shape = bottom[0].shape
        self._axis = canonical_axis(self, bottom[0], param.axis)
        self._axes = len(shape) - self._axis - 1
        self._window = window = Window.read(self, self._axes)
        if all(size == 1 for size in (*window.kernel, *window.stride)) and not any(window.pad):
            refuse_in_place(self, bottom, top)
        self._channels, self._outputs, self._group = shape[self._axis], param.num_output, param.group
        self.check(self._outputs > 0, "num_output must be positive")
        if not self._group or self._channels % self._group or self._outputs % self._group:
            raise self.error(
                f"group {self._group} must divide the {self._channels} channels of bottom[0] "
                f"and num_output {self._outputs}"
            )
        self._out(shape)  # before memory is taken for the weights
        ends = (self._channels, self._outputs) if self.transposed else (self._outputs, self._channels)
        specs: list[tuple[Shape, Any]] = [
            ((ends[0], ends[1] // self._group, *self._window.kernel), param.weight_filler)
        ]
        if param.bias_term:
            specs.append(((self._outputs,), param.bias_filler))
        make_learned_blobs(self, *specs)
        self._bias = bool(param.bias_term)
        self._packed = torch.empty(0)  # the weight in the kernel's order
        self._packed_version: tuple[int, Shape] | None = None  # of the weight, and the bottom's shape

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        shape = bottom[0].shape
        axes = self._axis + 1 + self._axes
        self.check(len(shape) == axes, f"bottom[0] must keep its {axes} axes, got shape {shape}")
        if shape[self._axis] != self._channels:
            raise self.error(f"bottom[0] must keep its {self._channels} channels at axis {self._axis}, got {shape}")
        for i, blob in enumerate(bottom):
            self.check(blob.shape == shape, f"bottom[{i}] must have bottom[0]'s shape {shape}, got {blob.shape}")
        sizes, out = shape[self._axis + 1 :], self._out(shape)
        for blob in top:
            blob.reshape(*shape[: self._axis], self._outputs, *out)
        # PyTorch's kernels take one batch axis, and at least one spatial axis.
        num = math.prod(shape[: self._axis])
        self._bottom_shape = (num, *shape[self._axis :], *((1,) if not sizes else ()))
        self._top_shape = (num, self._outputs, *(out or (1,)))
        self._missing = () if self.transposed else self._window.missing(sizes)
        window, group, transposed = self._window.tight(out if self.transposed else sizes), self._group, self.transposed
        extremes = (*window.kernel, *window.stride, *window.pad, *window.dilation, *self._missing)
        large = max(extremes, default=0) > LARGEST
        by_columns = self._axes > MOST_AXES or not all(sizes) or large or self._many_weights(num)
        self._layout = image_layout(shape) if self._axis == 1 and not by_columns else CONTIGUOUS
        sizes_of = [list(v) or [d] for v, d in ((window.stride, 1), (window.pad, 0), (window.dilation, 1))]
        self._geometry = (*sizes_of, transposed, [0] * len(sizes_of[0]), group)
        few = math.prod(shape) <= FEW_VALUES and math.prod(window.kernel) == 1 == group
        packable = self._layout == CHANNELS_LAST and not transposed and shape[1] > 1 and not few
        self._packs = self.phase == TEST and packable and _kernels.can_pack()
        self._by_columns = None
        if by_columns:
            wide, narrow = self._bottom_shape, self._top_shape
            if transposed:
                wide, narrow = narrow, wide
            self._by_columns = ColumnConvolution(window, wide, narrow[1], group, transposed)

    def _out(self, shape: Shape) -> Shape:
        """Return the top's spatial sizes for a bottom of this shape; LayerError if one of them is not positive."""
        sizes = shape[self._axis + 1 :]
        out = self._window.unslide(sizes) if self.transposed else self._window.slide(sizes)
        if any(n < 1 for n in out):
            raise self.error(f"the window {self._window.extent} gives bottom[0] of shape {shape} a top of sizes {out}")
        return out

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        weight = self._packed_weight() if self._packs else self._weight()
        self.convolve(bottom, top, weight, self.blobs[1].read() if self._bias else None)

    def convolve(
        self, bottom: Sequence[Blob], top: Sequence[Blob], weight: torch.Tensor, bias: torch.Tensor | None
    ) -> None:
        """Write the tops for this weight, which ``pack`` may have ordered, and this bias."""
        for x, y in zip(bottom, top):
            values = self._as_batch(x.read(self._layout), self._bottom_shape)
            y.clear()  # not before, as y may be x
            y.take(self._convolve(values, weight, bias), self._layout)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        weight_wanted = self.param_propagate_down[0]
        bias_wanted = self._bias and self.param_propagate_down[1]
        for x, y, down in zip(bottom, top, propagate_down):
            if not (down or weight_wanted or bias_wanted):
                continue
            d_y = self._as_batch(y.read_diff(self._layout), self._top_shape)
            if down:
                x.clear_diff()
            d_x, d_weight, d_bias = self._convolve_backward(
                d_y,
                self._as_batch(x.read(self._layout), self._bottom_shape),
                self._weight(),
                [down, weight_wanted, bias_wanted],
            )
            if weight_wanted:
                self.blobs[0].add_diff(d_weight, kernel_layout(d_weight))
            if bias_wanted:
                self.blobs[1].add_diff(d_bias)
            if down:
                x.take_diff(self._without_missing(d_x), self._layout)

    def _packed_weight(self) -> torch.Tensor:
        version = self.blobs[0].version, self._bottom_shape
        if version != self._packed_version:
            self._packed, self._packed_version = self.pack(self._weight()), version
        return self._packed

    def pack(self, weight: torch.Tensor) -> torch.Tensor:
        """Return the weight in the order of the kernel for bottoms of this shape, as it is where there is none."""
        if not self._packs:
            return weight
        return _kernels.pack(weight, self._bottom_shape, self._geometry)

    def _convolve(self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        if self._by_columns:
            return self._by_columns.forward(x, weight, bias)
        return _kernels.convolution(self._with_missing(x), weight, bias, self._geometry)

    def _convolve_backward(self, d_y: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, mask: list[bool]) -> Any:
        if self._by_columns:
            return self._by_columns.backward(d_y, x, weight, mask)
        return _kernels.convolution_backward(d_y, self._with_missing(x), weight, self._geometry, mask)

    def _as_batch(self, tensor: torch.Tensor, shape: Shape) -> torch.Tensor:
        """View a bottom or top as ``shape``, with one batch axis and at least one spatial axis."""
        return tensor if self._axis == 1 and self._axes else tensor.view(shape)

    def _with_missing(self, x: torch.Tensor) -> torch.Tensor:
        """Return the bottom, padded with zeros where the window is larger than it."""
        if not any(self._missing):
            return x
        return functional.pad(x, [n for size in reversed(self._missing) for n in (0, size)])

    def _without_missing(self, d_x: torch.Tensor) -> torch.Tensor:
        """Return the gradient of the bottom from that of ``_with_missing``."""
        return d_x[tuple(slice(n) for n in self._bottom_shape)] if any(self._missing) else d_x

    def _many_weights(self, num: int) -> bool:
        return num == 1 and self._axes > 0 and self.blobs[0].count >= MANY_WEIGHTS and device.current() == device.HOST

    def _weight(self) -> torch.Tensor:
        weight = self.blobs[0].read(CONTIGUOUS if self._by_columns else self.blobs[0].layout)
        return weight if self._axes else weight.unsqueeze(-1)


def kernel_layout(weight: torch.Tensor) -> str:
    """Return the layout of a weight's gradient as the kernel made it; contiguous where it is both."""
    last = weight.dim() == 4 and weight.is_contiguous(memory_format=torch.channels_last)
    return CHANNELS_LAST if last and not weight.is_contiguous() and weight[0, 0].numel() > 1 else CONTIGUOUS


@register("Deconvolution")
class Deconvolution(Convolution):
    """The transpose of a Convolution, which is its backward, plus a bias, as Caffe's Deconvolution.

    Bottom: [i] (..., C, spatial...). Top: [i] (..., num_output, stride (n - 1) + extent - 2 pad...).
    Learned: weight (C, num_output / group, kernel...) and, with bias_term, bias (num_output).
    """

    transposed = True
