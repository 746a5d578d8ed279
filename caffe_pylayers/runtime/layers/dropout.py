"""Dropout."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from caffe_pylayers.runtime import rng
from caffe_pylayers.runtime.layers._elementwise import scratch
from caffe_pylayers.runtime.layers.layer import Layer, register
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.proto.caffe_pb2 import TRAIN

INT32_MAX, INT64_MIN = torch.iinfo(torch.int32).max, torch.iinfo(torch.int64).min


def draw_mask(mask: torch.Tensor, ratio: float) -> None:
    """Make each value of the mask 1 / (1 - ratio) with probability 1 - ratio, and 0 else; NaN where ratio is 1."""
    if ratio in (0, 1):
        mask.fill_(1 if ratio == 0 else math.nan)  # 0 / 0
        return
    keep = 1 - ratio
    below = round(keep * 2**32) - 2**31  # of all integers of 32 bits the share ``keep`` is below it
    torch.lt(_integers_like(mask), min(below, INT32_MAX), out=mask).mul_(1 / keep)


@register("Dropout")
class Dropout(Layer):
    """y = x mask / (1 - dropout_ratio), the mask 1 with probability 1 - dropout_ratio; y = x in the TEST phase.

    As Caffe's Dropout: a ratio of 1 gives NaN. The numbers are not those Caffe draws from the same seed.

    Bottom: [0] any shape. Top: [0] the same; may be the bottom.
    """

    backward_reads_bottoms = backward_reads_tops = False

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        ratio = self.layer_param.dropout_param.dropout_ratio
        self._trains = self.phase == TRAIN
        self.check(0 <= ratio <= 1 or not self._trains, f"dropout_ratio must be in [0, 1], got {ratio:g}")
        self._ratio = ratio
        self._mask = Blob()  # of 0 and 1 / (1 - ratio)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        top[0].reshape(*bottom[0].shape)
        self._mask.reshape(*bottom[0].shape)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        layout = bottom[0].layout
        if self._trains:
            draw_mask(self._mask.write(layout), self._ratio)
            torch.mul(bottom[0].read(layout), self._mask.read(layout), out=top[0].write(layout))
        elif top[0] is not bottom[0]:
            top[0].write(layout).copy_(bottom[0].read(layout))

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if not propagate_down[0]:
            return
        layout = top[0].diff_layout
        if self._trains:
            torch.mul(top[0].read_diff(layout), self._mask.read(layout), out=bottom[0].write_diff(layout))
        elif top[0] is not bottom[0]:
            bottom[0].equal_diff(top[0], layout)


def _integers_like(mask: torch.Tensor) -> torch.Tensor:
    """Return random integers, each of 32 bits equally likely, in scratch memory laid out as a dense mask.

    Two are drawn at once, as one of 64 bits, which is five times as fast as ``bernoulli_``.
    """
    pairs = scratch((mask.numel() + 1) // 2, mask.device, torch.int64)
    pairs.random_(INT64_MIN, None, generator=rng.generator(mask.device))
    return pairs.view(torch.int32).as_strided(mask.shape, mask.stride())
