"""Functions of each value: AbsVal, Clip, Exp, Log, Power and Threshold.

In place AbsVal is refused, and Exp's gradient is right. The gradients of Clip, Log and Power in place are wrong as
Caffe's are: Clip takes y for x, Log and Power multiply their slope by itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from caffe_pylayers.runtime.layers._elementwise import Neuron, refuse_in_place
from caffe_pylayers.runtime.layers.layer import register
from caffe_pylayers.runtime.memory.blob import Blob

E = -1  # the base that stands for e


@register("AbsVal")
class AbsVal(Neuron):
    """y = |x|, as Caffe's AbsVal; the gradient at 0 is 0."""

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        refuse_in_place(self, bottom, top)

    def value(self, x: torch.Tensor, y: torch.Tensor) -> None:
        torch.abs(x, out=y)

    def gradient(self, kept: torch.Tensor, d_y: torch.Tensor, d_x: torch.Tensor) -> None:
        torch.sign(kept, out=d_x).mul_(d_y)


@register("Clip")
class Clip(Neuron):
    """y = max(min, min(x, max)), as Caffe's Clip; the gradient passes where min <= x <= max."""

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param = self.layer_param.clip_param
        for name in ("min", "max"):
            self.check(param.HasField(name), f"clip_param needs {name}")
        self._min, self._max = param.min, param.max

    def value(self, x: torch.Tensor, y: torch.Tensor) -> None:
        torch.clamp(x, self._min, max(self._min, self._max), out=y)  # min wins in Caffe, max in PyTorch

    def gradient(self, kept: torch.Tensor, d_y: torch.Tensor, d_x: torch.Tensor) -> None:
        torch.mul(d_y, (kept >= self._min).logical_and_(kept <= self._max), out=d_x)


@register("Threshold")
class Threshold(Neuron):
    """y = 1 where x > threshold, else 0, as Caffe's Threshold; it has no gradient."""

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self._threshold = self.layer_param.threshold_param.threshold

    def value(self, x: torch.Tensor, y: torch.Tensor) -> None:
        torch.gt(x, self._threshold, out=y)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        raise self.error("has no gradient: no layer that learns may stand between it and its inputs")


@register("Exp")
class Exp(Neuron):
    """y = base ^ (scale x + shift), as Caffe's Exp; the base -1, the default, stands for e."""

    from_top = True

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param = self.layer_param.exp_param
        self._inner = _log_base(self, param.base) * param.scale
        shift = torch.tensor(param.shift)  # a tensor's power overflows to inf, as Caffe's; Python's raises
        self._outer = float(shift.exp() if param.base == E else param.base**shift)

    def value(self, x: torch.Tensor, y: torch.Tensor) -> None:
        if self._inner == 1:
            torch.exp(x, out=y)
        else:
            torch.mul(x, self._inner, out=y).exp_()
        if self._outer != 1:
            y.mul_(self._outer)

    def gradient(self, kept: torch.Tensor, d_y: torch.Tensor, d_x: torch.Tensor) -> None:
        torch.mul(d_y, kept, out=d_x)
        if self._inner != 1:
            d_x.mul_(self._inner)


@register("Log")
class Log(Neuron):
    """y = log(scale x + shift) in base, as Caffe's Log; the base -1, the default, stands for e."""

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param = self.layer_param.log_param
        log_base = _log_base(self, param.base)
        self.check(log_base != 0, "log_param.base must not be 1, whose logarithm is 0")
        self._factor = 1 / log_base
        self._scale, self._shift = param.scale, param.shift

    def value(self, x: torch.Tensor, y: torch.Tensor) -> None:
        self._argument(x, y).log_()
        if self._factor != 1:
            y.mul_(self._factor)

    def gradient(self, kept: torch.Tensor, d_y: torch.Tensor, d_x: torch.Tensor) -> None:
        self._argument(kept, d_x).reciprocal_()
        if self._scale * self._factor != 1:
            d_x.mul_(self._scale * self._factor)
        d_x.mul_(d_y)

    def _argument(self, x: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        torch.mul(x, self._scale, out=out)
        return out.add_(self._shift) if self._shift else out


@register("Power")
class Power(Neuron):
    """y = (shift + scale x) ^ power, as Caffe's Power.

    Backward: dy/dx = power scale y / (shift + scale x), without the division for the powers 1 and 2:
    for any other it is NaN where the divisor is 0, as in Caffe.
    """

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param = self.layer_param.power_param
        self._power, self._scale, self._shift = param.power, param.scale, param.shift
        self._slope = self._power * self._scale

    def value(self, x: torch.Tensor, y: torch.Tensor) -> None:
        if self._slope == 0:  # a constant
            y.fill_(self._shift).pow_(self._power)
            return
        torch.mul(x, self._scale, out=y)
        if self._shift:
            y.add_(self._shift)
        if self._power != 1:
            y.pow_(self._power)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if not propagate_down[0]:
            return
        layout = top[0].diff_layout
        d_y, d_x = top[0].read_diff(layout), bottom[0].write_diff(layout)
        if self._slope == 0:
            d_x.zero_()
        elif self._power == 1:
            d_x.fill_(self._slope).mul_(d_y)
        else:
            torch.mul(bottom[0].read(layout), self._scale, out=d_x)
            if self._shift:
                d_x.add_(self._shift)
            if self._power != 2:
                torch.div(top[0].read(layout), d_x, out=d_x)
            d_x.mul_(self._slope).mul_(d_y)


def _log_base(layer: Neuron, base: float) -> float:
    if base == E:
        return 1.0
    if not 0 < base < math.inf:
        raise layer.error(f"base must be positive and finite, or -1 for e, got {base:g}")
    return math.log(base)
