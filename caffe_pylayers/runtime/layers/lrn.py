"""LRN."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from caffe_pylayers.runtime.layers._elementwise import float32, scratch
from caffe_pylayers.runtime.layers._layout import image_layout
from caffe_pylayers.runtime.layers._pool import AveragePool, PoolWindow
from caffe_pylayers.runtime.layers.layer import Layer, register
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.memory.limits import INT_MAX
from caffe_pylayers.runtime.memory.memory import CHANNELS_LAST
from caffe_pylayers.runtime.proto.caffe_pb2 import LRNParameter

BLOCK = 1 << 18  # values computed at a time: with their scratch they fit the processor's cache


@register("LRN")
class LRN(Layer):
    """Local response normalization, y = x / s^beta, as Caffe's LRN.

    ACROSS_CHANNELS: s = k + alpha / n * sum of x^2 over the n channels around.
    WITHIN_CHANNEL: s = 1 + alpha / n^2 * sum of x^2 over the n x n values around.
    n is local_size, odd. ``engine`` changes nothing here.

    Bottom: [0] (N, C, H, W). Top: [0] the same; may not be the bottom, with which Caffe gives wrong values.
    """

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param = self.layer_param.lrn_param
        self._size, self._alpha, self._beta, self._k = param.local_size, param.alpha, param.beta, param.k
        self.check(self._size % 2 == 1, f"local_size must be odd, got {self._size}")
        self.check(self._size <= INT_MAX, f"local_size must be at most {INT_MAX}, got {self._size}")
        self._across = param.norm_region == LRNParameter.ACROSS_CHANNELS

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
        if not bottom[0].count:
            return
        for x, y in self._blocks(bottom[0].read(self._layout), top[0].write(self._layout)):
            scale, spare = _scratch_like(x, 2)
            self._make_scale(x, spare, scale)
            torch.mul(x, self._invert(scale, spare), out=y)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if not propagate_down[0] or not bottom[0].count:
            return
        layout = self._layout
        blobs = bottom[0].read(layout), top[0].read(layout), top[0].read_diff(layout), bottom[0].write_diff(layout)
        for x, y, d_y, d_x in self._blocks(*blobs):
            # The scale is computed again, which is faster than keeping it from forward.
            scale, power, ratio, sums = _scratch_like(x, 4)
            self._make_scale(x, power, scale)
            if self._across:
                # y as it is now, after layers that work in place on it, as in Caffe.
                torch.mul(d_y, y, out=ratio).div_(scale)
                self._sum_channels(ratio, 1, sums.zero_())
                factor = float32(-2 * self._alpha * self._beta / self._size)
                power = self._invert(scale, power)
            else:
                torch.mul(d_y, x, out=ratio).div_(scale)
                power = self._invert(scale, power)
                self._pool.backward(ratio.mul_(power), x, sums)
                factor = float32(-2 * self._alpha * self._beta)
            torch.mul(d_y, power, out=d_x).addcmul_(x, sums, value=factor)

    def _blocks(self, *tensors: torch.Tensor) -> Iterator[Sequence[torch.Tensor]]:
        """Give the tensors, (N, C, H, W) each, in blocks that fit the cache.

        Across channels in channels-last the blocks are (places, channels); else there is one, of all.
        """
        if not self._across or self._layout != CHANNELS_LAST:
            yield tensors
            return
        channels = tensors[0].shape[1]
        rows = [tensor.permute(0, 2, 3, 1).view(-1, channels) for tensor in tensors]
        yield from zip(*(torch.split(tensor, max(1, BLOCK // channels)) for tensor in rows))

    def _make_scale(self, x: torch.Tensor, square: torch.Tensor, scale: torch.Tensor) -> None:
        """Write s to ``scale``, with ``square`` for scratch."""
        torch.mul(x, x, out=square)
        if self._across:
            self._sum_channels(square, self._alpha / self._size, scale.fill_(self._k))
        else:
            self._pool.forward(square, scale)
            scale.mul_(self._alpha).add_(1)

    def _invert(self, scale: torch.Tensor, spare: torch.Tensor) -> torch.Tensor:
        """Return scale^-beta, in one of the two tensors, which are both overwritten."""
        if self._beta == 0.75:  # the default: two roots are several times faster than a power
            root = torch.rsqrt(scale, out=spare)
            return torch.sqrt(root, out=scale).mul_(root)
        return torch.pow(scale, -self._beta, out=spare)

    def _sum_channels(self, values: torch.Tensor, factor: float, sums: torch.Tensor) -> None:
        """Add to each channel of sums the values of the n channels around it, times the factor."""
        channels = values.shape[1]
        sums.add_(values, alpha=factor)
        for apart in range(1, min(self._size // 2 + 1, channels)):
            sums[:, apart:].add_(values[:, :-apart], alpha=factor)
            sums[:, :-apart].add_(values[:, apart:], alpha=factor)


def _scratch_like(x: torch.Tensor, count: int) -> Sequence[torch.Tensor]:
    """Return ``count`` scratch tensors of the shape and layout of x, a dense tensor."""
    flat = torch.split(scratch(count * x.numel(), x.device), x.numel())
    return [values.as_strided(x.shape, x.stride(), values.storage_offset()) for values in flat]
