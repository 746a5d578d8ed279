"""BatchNorm and MVN."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from caffe_pylayers.runtime.blob import Blob
from caffe_pylayers.runtime.layer import Layer, register
from caffe_pylayers.runtime.layers._layout import image_layout
from caffe_pylayers.runtime.layers._setup import learn
from caffe_pylayers.runtime.memory import CONTIGUOUS
from caffe_pylayers.runtime.proto.caffe_pb2 import TEST


@register("BatchNorm")
class BatchNorm(Layer):
    """y = (x - mean) / sqrt(variance + eps) for each channel, as Caffe's BatchNorm; a Scale may follow.

    The mean and variance are the batch's or, with use_global_stats (by default in the TEST phase),
    those learned: blobs[0] / blobs[2] and blobs[1] / blobs[2], running sums in which the past counts
    moving_average_fraction. No gradient reaches them, and their lr_mult must be 0.

    Bottom: [0] (N, C, ...). Top: [0] the same; may be the bottom. Learned: (C), (C), (1).
    """

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param = self.layer_param.batch_norm_param
        self.check(len(bottom[0].shape) > 1, f"bottom[0] must have shape (N, C, ...), got {bottom[0].shape}")
        self._global = param.use_global_stats if param.HasField("use_global_stats") else self.phase == TEST
        self._fraction, self._eps = param.moving_average_fraction, param.eps
        self._channels = bottom[0].shape[1]
        learn(self, ((self._channels,), None), ((self._channels,), None), ((1,), None))
        specs = self.layer_param.param
        for i, spec in zip(range(3), specs):
            self.check(spec.lr_mult == 0, f"blobs[{i}] holds statistics: its lr_mult must be 0, got {spec.lr_mult:g}")
        for _ in range(len(specs), 3):
            specs.add(lr_mult=0)
        self._mean = torch.zeros(0)
        self._normal = torch.zeros(0)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        shape = bottom[0].shape
        if len(shape) < 2 or shape[1] != self._channels:
            raise self.error(f"bottom[0] must have shape (N, {self._channels}, ...), got {shape}")
        top[0].reshape(*shape)
        self._layout = image_layout(shape)
        self._per_channel = (1, -1, *[1] * (len(shape) - 2))
        self._in_place = top[0] is bottom[0]

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        x = bottom[0].read(self._layout)
        self._make_scratch(x)
        if self._global:
            divisor = self.blobs[2].read()
            factor = torch.where(divisor == 0, 0, 1 / divisor)
            torch.mul(self.blobs[0].read(), factor, out=self._mean)
            torch.mul(self.blobs[1].read(), factor, out=self._variance)
            torch.rsqrt(self._variance + self._eps, out=self._scale)
            y = top[0].write(self._layout)
            torch.sub(x, self._mean.view(self._per_channel), out=y)
            y.mul_(self._scale.view(self._per_channel))
            return
        # In place, x is gone in backward: the normal values are kept. They serve as well.
        y = self._normal if self._in_place else top[0].write(self._layout)
        # A running average that forgets at once is the batch's variance itself, as of a sample.
        statistics = {"save_mean": self._mean, "save_invstd": self._scale}
        torch.ops.aten.native_batch_norm.out(
            x, None, None, self._spare, self._variance, True, 1.0, self._eps, out=y, **statistics
        )
        if self._in_place:
            top[0].write(self._layout).copy_(y)
        self._learn(single=x.numel() == self._channels)

    def _learn(self, single: bool) -> None:
        """Add the batch's statistics to the learned ones."""
        if single:
            self._variance.zero_()  # a sample of one has none
        self.blobs[2].update().mul_(self._fraction).add_(1)
        self.blobs[0].update().mul_(self._fraction).add_(self._mean)
        self.blobs[1].update().mul_(self._fraction).add_(self._variance)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if not propagate_down[0]:
            return
        d_y = top[0].read_diff(self._layout)
        if self._global:
            torch.mul(d_y, self._scale.view(self._per_channel), out=bottom[0].write_diff(self._layout))
            return
        if self._in_place:  # normal values have mean 0 and deviation 1: the rest is a factor, the "weight"
            x, weight, mean, scale = self._normal, self._scale, self._zeros, self._ones
        else:
            x, weight, mean, scale = bottom[0].read(self._layout), None, self._mean, self._scale
        d_x, _, _ = torch.ops.aten.native_batch_norm_backward(
            d_y, x, weight, None, None, mean, scale, True, self._eps, [True, False, False]
        )
        bottom[0].write_diff(self._layout).copy_(d_x)

    def _make_scratch(self, x: torch.Tensor) -> None:
        if self._mean.numel() != self._channels or self._mean.device != x.device:
            vectors = [x.new_zeros(self._channels) for _ in range(5)]
            self._mean, self._variance, self._scale, self._spare, self._zeros = vectors
            self._ones = x.new_ones(self._channels)
        kept = self._normal
        fits = kept.shape == x.shape and kept.stride() == x.stride() and kept.device == x.device
        if self._in_place and not self._global and not fits:
            self._normal = torch.empty_like(x)


@register("MVN")
class MVN(Layer):
    """y = x - mean or, with normalize_variance, (x - mean) / (deviation + eps), as Caffe's MVN.

    The mean and deviation are those of a map or, with across_channels, of a sample.

    Bottom: [0] up to 4 axes (N, C, H, W). Top: [0] always 4 axes, 1 for those missing.
    """

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param = self.layer_param.mvn_param
        self._variance, self._across, self._eps = param.normalize_variance, param.across_channels, param.eps
        self._deviation = torch.zeros(0)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        shape = bottom[0].shape
        self.check(len(shape) <= 4, f"bottom[0] must have up to 4 axes, got shape {shape}")
        shape = (*shape, *[1] * (4 - len(shape)))
        top[0].reshape(*shape)
        rows = shape[0] if self._across else shape[0] * shape[1]
        self._rows = (rows, math.prod(shape) // max(1, rows))

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        x, y = bottom[0].read().view(self._rows), top[0].write().view(self._rows)
        torch.sub(x, x.mean(dim=1, keepdim=True), out=y)
        if self._variance:
            norm = torch.linalg.vector_norm(y, dim=1, keepdim=True)
            self._deviation = norm.div_(math.sqrt(self._rows[1])).add_(self._eps)
            y.div_(self._deviation)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if not propagate_down[0]:
            return
        d_y = top[0].read_diff(CONTIGUOUS).view(self._rows)
        d_x = bottom[0].write_diff().view(self._rows)
        mean = d_y.mean(dim=1, keepdim=True)
        if not self._variance:
            torch.sub(d_y, mean, out=d_x)
            return
        y = top[0].read().view(self._rows)
        slope = (y * d_y).mean(dim=1, keepdim=True)
        torch.sub(d_y, mean, out=d_x).addcmul_(y, slope, value=-1).div_(self._deviation)
