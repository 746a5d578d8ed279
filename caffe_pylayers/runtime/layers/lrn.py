"""LRN."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from caffe_pylayers.runtime.blob import Blob
from caffe_pylayers.runtime.layer import Layer, register
from caffe_pylayers.runtime.layers._layout import image_layout
from caffe_pylayers.runtime.layers._pool import AveragePool, PoolWindow
from caffe_pylayers.runtime.memory import CHANNELS_LAST
from caffe_pylayers.runtime.proto.caffe_pb2 import LRNParameter


@register("LRN")
class LRN(Layer):
    """Local response normalization, as Caffe's LRN.

    ACROSS_CHANNELS: y = x / s^beta, s = k + alpha / n * sum of x^2 over the n channels around.
    WITHIN_CHANNEL: y = x / s^beta, s = 1 + alpha / n^2 * sum of x^2 over the n x n values around.

    Bottom: [0] (N, C, H, W). Top: [0] the same. n is local_size, odd. ``engine`` changes nothing here.
    A top that is the bottom is refused; Caffe then gives wrong values.
    """

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param = self.layer_param.lrn_param
        self._size, self._alpha, self._beta, self._k = param.local_size, param.alpha, param.beta, param.k
        self.check(self._size % 2 == 1, f"local_size must be odd, got {self._size}")
        self._across = param.norm_region == LRNParameter.ACROSS_CHANNELS
        self._band = torch.zeros(0)
        self._scale = torch.zeros(0)
        self._sums = torch.zeros(0)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        shape = bottom[0].shape
        self.check(len(shape) == 4, f"bottom[0] must have shape (N, C, H, W), got {shape}")
        self.check(top[0] is not bottom[0], "the top cannot be the bottom: backward needs both")
        top[0].reshape(*shape)
        self._layout = image_layout(shape)
        if not self._across:
            pad = (self._size - 1) // 2
            self._pool = AveragePool(PoolWindow((self._size, self._size), (1, 1), (pad, pad)), shape)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        x, y = bottom[0].read(self._layout), top[0].write(self._layout)
        self._make_scratch(x)
        scale, power = self._scale, self._power
        torch.mul(x, x, out=power)
        if self._across:
            self._sum_channels(power, scale)
            scale.mul_(self._alpha / self._size).add_(self._k)
        else:
            self._pool.forward(power, scale)
            scale.mul_(self._alpha).add_(1)
        self._invert(scale, power)
        torch.mul(x, power, out=y)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if not propagate_down[0]:
            return
        x, d_y, d_x = bottom[0].read(self._layout), top[0].read_diff(self._layout), bottom[0].write_diff(self._layout)
        ratio, sums = d_x, self._make_sums(x)
        if self._across:
            # Caffe takes y as it is now, after layers that work in place on it.
            torch.mul(d_y, top[0].read(self._layout), out=ratio).div_(self._scale)
            self._sum_channels(ratio, sums)
            factor = -2 * self._alpha * self._beta / self._size
        else:
            torch.mul(d_y, x, out=ratio).mul_(self._power).div_(self._scale)
            self._pool.backward(ratio, x, sums)
            factor = -2 * self._alpha * self._beta
        torch.mul(d_y, self._power, out=d_x).addcmul_(x, sums, value=factor)

    def _invert(self, scale: torch.Tensor, power: torch.Tensor) -> None:
        """power = scale^-beta"""
        if self._beta == 0.75:  # everybody's: two roots are several times faster
            torch.rsqrt(scale, out=power)
            power.mul_(power.sqrt())
        else:
            torch.pow(scale, -self._beta, out=power)

    def _sum_channels(self, values: torch.Tensor, sums: torch.Tensor) -> None:
        """The sums over the channels around each, as a product with a band matrix: BLAS beats sliding."""
        n, c, h, w = values.shape
        if self._layout == CHANNELS_LAST:
            rows = values.permute(0, 2, 3, 1).view(-1, c)
            torch.mm(rows, self._band, out=sums.permute(0, 2, 3, 1).view(-1, c))
        else:
            torch.bmm(self._band.expand(n, c, c), values.view(n, c, h * w), out=sums.view(n, c, h * w))

    def _make_scratch(self, x: torch.Tensor) -> None:
        if self._scale.shape == x.shape and self._scale.device == x.device and self._scale.stride() == x.stride():
            return
        self._scale, self._power = torch.empty_like(x), torch.empty_like(x)
        channel = torch.arange(x.shape[1], device=x.device)
        self._band = ((channel[:, None] - channel).abs() <= self._size // 2).float()

    def _make_sums(self, x: torch.Tensor) -> torch.Tensor:
        """Memory that only backward needs."""
        if self._sums.shape != x.shape or self._sums.device != x.device or self._sums.stride() != x.stride():
            self._sums = torch.empty_like(x)
        return self._sums
