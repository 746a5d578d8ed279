"""Activations: ReLU, ELU, Sigmoid, TanH, BNLL and Swish."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from caffe_pylayers.runtime.layers import _kernels
from caffe_pylayers.runtime.layers._elementwise import Neuron, scratch_like
from caffe_pylayers.runtime.layers.layer import register
from caffe_pylayers.runtime.memory.blob import Blob


@register("ReLU")
class ReLU(Neuron):
    """y = max(x, 0) + negative_slope min(x, 0), as Caffe's ReLU; but -inf gives 0, in Caffe NaN."""

    backward_reads_tops = False

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.slope = self.layer_param.relu_param.negative_slope

    def value(self, x: torch.Tensor, y: torch.Tensor) -> None:
        if self.slope:
            _kernels.leaky_relu(x, self.slope, y)
        else:
            torch.clamp(x, min=0, out=y)

    def gradient(self, kept: torch.Tensor, d_y: torch.Tensor, d_x: torch.Tensor) -> None:
        if self.slope:
            _kernels.leaky_relu_backward(d_y, kept, self.slope, d_x)
        else:
            _kernels.relu_backward(d_y, kept, d_x)


@register("ELU")
class ELU(Neuron):
    """y = x where x > 0, else alpha (exp(x) - 1), as Caffe's ELU."""

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self._alpha = self.layer_param.elu_param.alpha

    def value(self, x: torch.Tensor, y: torch.Tensor) -> None:
        _kernels.elu(x, self._alpha, y)

    def gradient(self, kept: torch.Tensor, d_y: torch.Tensor, d_x: torch.Tensor) -> None:
        if self.in_place:  # kept is y; where alpha is negative, y > 0 does not say x > 0, which Caffe ignores
            torch.where(kept > 0, d_y, (kept + self._alpha) * d_y, out=d_x)
        else:
            _kernels.elu_backward(d_y, kept, self._alpha, d_x)


@register("Sigmoid")
class Sigmoid(Neuron):
    """y = 1 / (1 + exp(-x)), as Caffe's Sigmoid."""

    from_top = True

    def value(self, x: torch.Tensor, y: torch.Tensor) -> None:
        torch.sigmoid(x, out=y)

    def gradient(self, kept: torch.Tensor, d_y: torch.Tensor, d_x: torch.Tensor) -> None:
        _kernels.sigmoid_backward(d_y, kept, d_x)


@register("TanH")
class TanH(Neuron):
    """y = tanh(x), as Caffe's TanH."""

    from_top = True

    def value(self, x: torch.Tensor, y: torch.Tensor) -> None:
        torch.tanh(x, out=y)

    def gradient(self, kept: torch.Tensor, d_y: torch.Tensor, d_x: torch.Tensor) -> None:
        _kernels.tanh_backward(d_y, kept, d_x)


@register("BNLL")
class BNLL(Neuron):
    """y = log(1 + exp(x)), as Caffe's BNLL; in place its gradient is that at y, as in Caffe."""

    def value(self, x: torch.Tensor, y: torch.Tensor) -> None:
        _kernels.softplus(x, y)

    def gradient(self, kept: torch.Tensor, d_y: torch.Tensor, d_x: torch.Tensor) -> None:
        _kernels.softplus_backward(d_y, kept, d_x)


@register("Swish")
class Swish(Neuron):
    """y = x sigmoid(beta x), as Caffe's Swish.

    Backward: dy/dx = beta y + sigmoid(beta x) (1 - beta y).
    """

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self._beta = self.layer_param.swish_param.beta
        self._sigmoid = Blob()  # for backward, which cannot have x in place

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        super().reshape(bottom, top)
        self._sigmoid.reshape(*bottom[0].shape)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        layout = bottom[0].layout
        x, sigmoid = bottom[0].read(layout), self._sigmoid.write(layout)
        torch.mul(x, self._beta, out=sigmoid).sigmoid_()
        torch.mul(x, sigmoid, out=top[0].write(layout))

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if not propagate_down[0]:
            return
        layout = top[0].diff_layout
        y, d_y = top[0].read(layout), top[0].read_diff(layout)
        slope = torch.mul(y, -self._beta, out=scratch_like(y)).add_(1)
        slope.mul_(self._sigmoid.read(layout)).add_(y, alpha=self._beta)
        torch.mul(d_y, slope, out=bottom[0].write_diff(layout))
