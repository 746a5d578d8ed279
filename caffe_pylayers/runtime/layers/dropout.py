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


@register("Dropout")
class Dropout(Layer):
    """y = x mask / (1 - dropout_ratio), the mask 1 with probability 1 - dropout_ratio; y = x in the TEST phase.

    As Caffe's Dropout: a ratio of 1 gives NaN. The numbers are not those Caffe draws from the same seed.

    Bottom: [0] any shape. Top: [0] the same; may be the bottom.
    """

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
            self._draw(self._mask.write(layout))
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
            bottom[0].write_diff(layout).copy_(top[0].read_diff(layout))

    def _draw(self, mask: torch.Tensor) -> None:
        if self._ratio in (0, 1):
            mask.fill_(1 if self._ratio == 0 else math.nan)  # 0 / 0
            return
        # Two numbers of 32 bits from each of 64: five times as fast as bernoulli_.
        words = scratch((mask.numel() + 1) // 2, mask.device, torch.int64)
        words.random_(-(2**63), None, generator=rng.generator(mask.device))
        kept = round((1 - self._ratio) * 2**32) - 2**31
        numbers = words.view(torch.int32).as_strided(mask.shape, mask.stride())
        torch.lt(numbers, min(kept, 2**31 - 1), out=mask).mul_(1 / (1 - self._ratio))
