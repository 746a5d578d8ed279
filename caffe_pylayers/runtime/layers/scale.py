"""Scale and Bias: a smaller blob times, or plus, some axes of a blob."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from caffe_pylayers.runtime.layers._elementwise import scratch_like
from caffe_pylayers.runtime.layers._setup import any_shape, canonical_axis, make_learned_blobs
from caffe_pylayers.runtime.layers.layer import Layer, register
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.memory.limits import Shape
from caffe_pylayers.runtime.memory.memory import CHANNELS_LAST
from caffe_pylayers.runtime.proto.caffe_pb2 import FillerParameter


class _Place(NamedTuple):
    """Where an operand lies over bottom[0].

    shape: the operand's, with ones for the other axes of bottom[0], so that it broadcasts.
    others: those axes, over which the operand's gradient is a sum.
    """

    shape: Shape
    others: tuple[int, ...]

    def over(self, operand: Blob) -> torch.Tensor:
        """Return the operand's values, to be broadcast over bottom[0]."""
        return operand.read().view(self.shape)

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """Return values of bottom[0]'s shape summed to the operand's, in memory of their own."""
        return values.sum(self.others) if self.others else values.clone()


def scale_and_shift(x: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor, y: torch.Tensor) -> None:
    """Write y = scale x + bias; scale and bias lie over x, whose layout is that of y."""
    if x.is_contiguous() and x.device.type == "cpu":
        torch.mul(x, scale, out=y).add_(bias)
    else:  # one pass; slow on the CPU where the operands do not vary along the innermost axis
        torch.addcmul(bias, x, scale, out=y)


class _Operand(Layer):
    """A layer whose operand is bottom[1], or else learned: the base of Scale and Bias.

    A learned operand has the shape of num_axes axes of bottom[0] from ``axis`` on, of all from there for -1, and is a
    scalar for 0. Values in the prototxt may have any shape that lies over bottom[0] from ``axis`` on, as in Caffe.
    """

    bottoms = (1, 2)

    def _learned_shape(self, bottom: Sequence[Blob], param: Any, num_axes: int) -> Shape:
        """Return the shape of a learned operand; LayerError for num_axes that bottom[0] lacks."""
        shape = bottom[0].shape
        axis = canonical_axis(self, bottom[0], param.axis)
        if num_axes < -1 or axis + num_axes > len(shape):
            raise self.error(f"num_axes must be in [-1, {len(shape) - axis}] from axis {axis} on, got {num_axes}")
        return shape[axis:] if num_axes == -1 else shape[axis : axis + num_axes]

    def _place(self, bottom: Sequence[Blob], operand: Blob, name: str, param: Any) -> _Place:
        """Return the place of an operand; LayerError, with its ``name``, where it doesn't fit bottom[0]."""
        shape, own = bottom[0].shape, operand.shape
        axis = canonical_axis(self, bottom[0], param.axis) if own else 0
        end = axis + len(own)
        if own != shape[axis:end]:
            raise self.error(f"{name} must have shape {shape[axis:end]} as bottom[0] from axis {axis}, got {own}")
        ones = tuple(1 for _ in shape)
        return _Place((*ones[:axis], *own, *ones[end:]), (*range(axis), *range(end, len(shape))))


@register("Bias")
class Bias(_Operand):
    """y = x + b, as Caffe's Bias.

    Bottom: [0] x, any shape; [1] b, or else it is learned. Top: [0] as x; may be bottom[0].
    """

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param = self.layer_param.bias_param
        if len(bottom) == 1:
            shape = self._learned_shape(bottom, param, param.num_axes)
            make_learned_blobs(self, (shape, param.filler), fits=any_shape)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self._bias, name = (bottom[1], "bottom[1]") if len(bottom) > 1 else (self.blobs[0], "blobs[0]")
        self._bias_place = self._place(bottom, self._bias, name, self.layer_param.bias_param)
        top[0].reshape(*bottom[0].shape)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        layout = bottom[0].layout
        torch.add(bottom[0].read(layout), self._bias_place.over(self._bias), out=top[0].write(layout))

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        layout = top[0].diff_layout
        d_y = top[0].read_diff(layout)
        if propagate_down[0] and top[0] is not bottom[0]:
            bottom[0].equal_diff(top[0], layout)
        if len(bottom) == 1:
            if self.param_propagate_down[0]:
                self._bias.add_diff(self._bias_place.sum(d_y))
        elif propagate_down[1]:
            self._bias.write_diff().copy_(self._bias_place.sum(d_y))


@register("Scale")
class Scale(_Operand):
    """y = s x + b, as Caffe's Scale; b, learned, with bias_term only.

    Where the axes before those of s have size 1, as in batches of one, Caffe writes over the gradient
    of a learned s that has several values, and loses what iter_size gathered; here it is added to.

    Bottom: [0] x, any shape; [1] s, or else it is learned. Top: [0] as x; may be bottom[0].
    Learned: s, 1 unless a filler says otherwise, and b, of the shape of s.
    """

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param = self.layer_param.scale_param
        specs: list[tuple[Shape, Any]] = []
        if len(bottom) == 1:
            filler: Any = param.filler if param.HasField("filler") else FillerParameter(type="constant", value=1)
            specs.append((self._learned_shape(bottom, param, param.num_axes), filler))
        if param.bias_term:
            num_axes = param.num_axes if len(bottom) == 1 else len(bottom[1].shape)
            specs.append((self._learned_shape(bottom, param, num_axes), param.bias_filler))
        if specs:
            make_learned_blobs(self, *specs, fits=any_shape)
        self._bias = self.blobs[-1] if param.bias_term else None
        # True if s and b are learned and have one value for each channel of (N, C, ...).
        one_each = all(blob.shape == bottom[0].shape[1:2] for blob in self.blobs)
        self.by_channel = len(bottom) == 1 and param.axis == 1 and one_each
        self._copy = Blob()  # of x, which backward needs, where y is written over it

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param = self.layer_param.scale_param
        self._scale, name = (bottom[1], "bottom[1]") if len(bottom) > 1 else (self.blobs[0], "blobs[0]")
        self._scale_place = self._place(bottom, self._scale, name, param)
        if self._bias is not None:
            self._bias_place = self._place(bottom, self._bias, f"blobs[{len(self.blobs) - 1}]", param)
        top[0].reshape(*bottom[0].shape)
        self._kept = bottom[0]
        if top[0] is bottom[0]:
            self._copy.reshape(*bottom[0].shape)
            self._kept = self._copy
            self.backward_reads_bottoms = len(bottom) > 1

    def save_for_backward(self, x: torch.Tensor) -> None:
        """Save x, channels-last, as the values that the last forward multiplied."""
        self._copy.write(CHANNELS_LAST).copy_(x)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        layout = bottom[0].layout
        x, scale = bottom[0].read(layout), self._scale_place.over(self._scale)
        if self._kept is self._copy:
            self._copy.write(layout).copy_(x)
        y = top[0].write(layout)
        if self._bias is None:
            torch.mul(x, scale, out=y)
        else:
            scale_and_shift(x, scale, self._bias_place.over(self._bias), y)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        layout = top[0].diff_layout
        d_y = top[0].read_diff(layout)
        if self._bias is not None and self.param_propagate_down[-1]:
            self._bias.add_diff(self._bias_place.sum(d_y))
        learned = len(bottom) == 1
        if self.param_propagate_down[0] if learned else propagate_down[1]:
            product = torch.mul(d_y, self._kept.read(layout), out=scratch_like(d_y))
            if learned:
                self._scale.add_diff(self._scale_place.sum(product))
            else:
                self._scale.write_diff().copy_(self._scale_place.sum(product))
        if propagate_down[0]:
            torch.mul(d_y, self._scale_place.over(self._scale), out=bottom[0].write_diff(layout))
