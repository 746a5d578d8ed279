"""BatchNorm and MVN: values less their mean, divided by their deviation."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from caffe_pylayers.runtime.layers import _kernels
from caffe_pylayers.runtime.layers._elementwise import refuse_gradient_in_place
from caffe_pylayers.runtime.layers._layout import image_layout
from caffe_pylayers.runtime.layers._setup import make_learned_blobs, same_or_legacy
from caffe_pylayers.runtime.layers.layer import Layer, register
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.memory.memory import CONTIGUOUS
from caffe_pylayers.runtime.proto.caffe_pb2 import TEST


@register("BatchNorm")
class BatchNorm(Layer):
    """y = (x - mean) / sqrt(variance + eps) for each channel, as Caffe's BatchNorm; a Scale may follow.

    The mean and variance are the batch's or, with use_global_stats (by default in the TEST phase),
    those learned: blobs[0] / blobs[2] and blobs[1] / blobs[2], running sums in which the past counts
    moving_average_fraction. No gradient reaches them, and their lr_mult must be 0.

    Bottom: [0] (N, C, ...), with values unless the statistics are the learned ones. Top: [0] the same; may be the
    bottom. Learned: (C), (C), (1).
    """

    backward_reads_tops = False

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param = self.layer_param.batch_norm_param
        self.check(len(bottom[0].shape) > 1, f"bottom[0] must have shape (N, C, ...), got {bottom[0].shape}")
        given = param.HasField("use_global_stats")
        self.by_learned_statistics = param.use_global_stats if given else self.phase == TEST
        self._fraction, self._eps = param.moving_average_fraction, param.eps
        self._channels = bottom[0].shape[1]
        shapes = (self._channels,), (self._channels,), (1,)
        make_learned_blobs(self, *((shape, None) for shape in shapes), fits=same_or_legacy)
        specs = self.layer_param.param
        for i, spec in zip(range(3), specs):
            self.check(spec.lr_mult == 0, f"blobs[{i}] holds statistics: its lr_mult must be 0, got {spec.lr_mult:g}")
        for _ in range(len(specs), 3):
            specs.add(lr_mult=0)
        self._batch = _Statistics(0, torch.device("cpu"))
        self._normal = torch.zeros(0)  # y of the last forward, where backward cannot have x

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        shape = bottom[0].shape
        if len(shape) < 2 or shape[1] != self._channels:
            raise self.error(f"bottom[0] must have shape (N, {self._channels}, ...), got {shape}")
        top[0].reshape(*shape)
        self.layout = image_layout(shape)
        self._per_channel = (1, -1, *[1] * (len(shape) - 2))
        self._in_place = top[0] is bottom[0]
        self.backward_reads_bottoms = not self._in_place

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        x = bottom[0].read(self.layout)
        if self.by_learned_statistics:
            mean, self._factor = self.learned_statistics()
            y = torch.sub(x, mean.view(self._per_channel), out=top[0].write(self.layout))
            y.mul_(self._factor.view(self._per_channel))
        elif self._in_place:
            self.normalize(x, self._normal_like(x))
            top[0].write(self.layout).copy_(self._normal)
        else:
            self.normalize(x, top[0].write(self.layout))

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if not propagate_down[0]:
            return
        d_y = top[0].read_diff(self.layout)
        if self.by_learned_statistics:
            torch.mul(d_y, self._factor.view(self._per_channel), out=bottom[0].write_diff(self.layout))
        elif self._in_place:
            bottom[0].take_diff(self._backward_from_normal(d_y), self.layout)
        else:
            d_x = self.normalize_backward(d_y, bottom[0].read(self.layout), None, [True])[0]
            bottom[0].take_diff(d_x, self.layout)

    def learned_statistics(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the learned mean of each channel, and the factor 1 / sqrt(variance + eps); (C) each."""
        mean, variance, divisor = (blob.read().view(-1) for blob in self.blobs)
        share = torch.where(divisor == 0, 0, 1 / divisor)
        return mean * share, torch.rsqrt(variance * share + self._eps)

    def normalize(
        self, x: torch.Tensor, y: torch.Tensor, weight: torch.Tensor | None = None, bias: torch.Tensor | None = None
    ) -> None:
        """Write (x - mean) / sqrt(variance + eps) * weight + bias to y, by the batch's statistics, and learn these.

        x, y: (N, C, ...), in ``layout``. weight, bias: (C), or None for 1 and 0. LayerError for a batch without values.
        """
        self._refuse_empty(x)
        if not self._batch.fits(x):
            self._batch = _Statistics(self._channels, x.device)
        batch = self._batch
        _kernels.batch_norm(x, weight, bias, self._eps, y, batch.mean, batch.factor, batch.variance)
        if x.numel() == self._channels:
            batch.variance.zero_()  # of a single value; the kernel divides by n - 1
        self._learn(batch)

    def normalize_backward(
        self, d_y: torch.Tensor, x: torch.Tensor, weight: torch.Tensor | None, wanted: Sequence[bool]
    ) -> Sequence[torch.Tensor]:
        """Return the gradients of x, weight and bias in ``normalize``, undefined where not ``wanted``.

        wanted: for x, or for x, weight and bias.
        """
        self._refuse_empty(x)
        batch = self._batch
        return _kernels.batch_norm_backward(d_y, x, weight, batch.mean, batch.factor, self._eps, wanted)

    def save_for_backward(self, x: torch.Tensor) -> torch.Tensor:
        """Save the normal values of x, the bottom of the last ``normalize``, for backward in place; return them."""
        normal = self._normal_like(x)
        torch.sub(x, self._batch.mean.view(self._per_channel), out=normal)
        return normal.mul_(self._batch.factor.view(self._per_channel))

    def _backward_from_normal(self, d_y: torch.Tensor) -> torch.Tensor:
        """Return d_x = factor * (d_y - mean(d_y) - normal * mean(d_y * normal)), the means over each channel.

        This is the gradient of normalizing values of mean 0 and variance 1 with the factor as weight.
        """
        self._refuse_empty(self._normal)
        batch = self._batch
        return _kernels.batch_norm_backward(
            d_y, self._normal, batch.factor, batch.zeros, batch.ones, self._eps, [True]
        )[0]

    def _learn(self, batch: _Statistics) -> None:
        """Add the batch's statistics to the learned ones."""
        mean, variance, divisor = (blob.update().view(-1).mul_(self._fraction) for blob in self.blobs)
        mean.add_(batch.mean)
        variance.add_(batch.variance)
        divisor.add_(1)

    def _refuse_empty(self, x: torch.Tensor) -> None:
        if not x.numel():
            raise self.error(f"bottom[0] of shape {tuple(x.shape)} has no values to take the mean of")

    def _normal_like(self, x: torch.Tensor) -> torch.Tensor:
        """Return memory for the normal values of x, kept until backward."""
        kept = self._normal
        if kept.shape != x.shape or kept.stride() != x.stride() or kept.device != x.device:
            self._normal = torch.empty_like(x)
        return self._normal


class _Statistics:
    """A batch's statistics of each channel, (C) each, as the kernels write and read them.

    mean. factor: 1 / sqrt(variance + eps), of the biased variance. variance: the unbiased one, which is learned.
    zeros, ones: the mean and the factor of normal values.
    """

    def __init__(self, channels: int, where: torch.device) -> None:
        self.mean, self.factor, self.variance, self.zeros = torch.zeros(4, channels, device=where)
        self.ones = torch.ones(channels, device=where)

    def fits(self, x: torch.Tensor) -> bool:
        """True if these are for the channels and the device of x."""
        return bool(self.mean.numel() == x.shape[1] and self.mean.device == x.device)


@register("MVN")
class MVN(Layer):
    """y = x - mean or, with normalize_variance, (x - mean) / (deviation + eps), as Caffe's MVN.

    The mean and deviation are those of a map or, with across_channels, of a sample.

    Bottom: [0] up to 4 axes (N, C, H, W). Top: [0] always 4 axes, 1 for those missing; may be the bottom, with
    normalize_variance without a gradient then: Caffe's is wrong.
    """

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param = self.layer_param.mvn_param
        self._variance, self._across, self._eps = param.normalize_variance, param.across_channels, param.eps
        self._deviation = torch.zeros(0)  # of each row, plus eps: (rows, 1)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        shape = bottom[0].shape
        self.check(len(shape) <= 4, f"bottom[0] must have up to 4 axes, got shape {shape}")
        shape = (*shape, *[1] * (4 - len(shape)))
        top[0].reshape(*shape)
        rows = shape[0] if self._across else shape[0] * shape[1]
        self._as_rows = (rows, math.prod(shape) // max(1, rows))  # a row for each mean

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        x, y = bottom[0].read().view(self._as_rows), top[0].write().view(self._as_rows)
        torch.sub(x, x.mean(dim=1, keepdim=True), out=y)
        if self._variance:
            norm = torch.linalg.vector_norm(y, dim=1, keepdim=True)
            self._deviation = norm.div_(math.sqrt(self._as_rows[1])).add_(self._eps)
            y.div_(self._deviation)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if not propagate_down[0]:
            return
        d_y = top[0].read_diff(CONTIGUOUS).view(self._as_rows)
        d_x = bottom[0].write_diff().view(self._as_rows)
        mean = d_y.mean(dim=1, keepdim=True)
        if not self._variance:
            torch.sub(d_y, mean, out=d_x)
            return
        refuse_gradient_in_place(self, bottom, top)
        y = top[0].read().view(self._as_rows)
        slope = (y * d_y).mean(dim=1, keepdim=True)
        torch.sub(d_y, mean, out=d_x).addcmul_(y, slope, value=-1).div_(self._deviation)
