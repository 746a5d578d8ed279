"""PReLU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from caffe_pylayers.runtime.layers import _kernels
from caffe_pylayers.runtime.layers._elementwise import scratch_like
from caffe_pylayers.runtime.layers._setup import make_learned_blobs, same_or_legacy
from caffe_pylayers.runtime.layers.layer import Layer, register
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.proto.caffe_pb2 import FillerParameter


@register("PReLU")
class PReLU(Layer):
    """y = max(x, 0) + slope min(x, 0), the slope learned, as Caffe's PReLU (He et al. 2015).

    Bottom: [0] (N, C), (N, C, H) or (N, C, H, W). Top: [0] the same; may be the bottom.
    Learned: (C), or a scalar with channel_shared; 0.25 unless a filler says otherwise.
    """

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self._check(bottom[0])
        param = self.layer_param.prelu_param
        filler: Any = param.filler if param.HasField("filler") else FillerParameter(type="constant", value=0.25)
        self._channels = () if param.channel_shared else bottom[0].shape[1:2]
        make_learned_blobs(self, (self._channels, filler), fits=same_or_legacy)
        self._copy = Blob()

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self._check(bottom[0])
        shape = bottom[0].shape
        if self._channels not in ((), shape[1:2]):
            raise self.error(f"bottom[0] must have {self._channels[0]} channels, one a slope, got shape {shape}")
        top[0].reshape(*shape)
        self._kept = bottom[0]
        if top[0] is bottom[0]:
            self._copy.reshape(*shape)
            self._kept = self._copy
        rest = range(2, len(shape))
        self._per_channel = (1, *(self._channels or (1,)), *(1 for _ in rest))
        self._summed = (0, *rest) if self._channels else tuple(range(len(shape)))

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        layout = bottom[0].layout
        x = bottom[0].read(layout)
        if self._kept is self._copy:
            self._copy.write(layout).copy_(x)
        slope = self.blobs[0].read().view(self._per_channel)
        below = torch.clamp(x, max=0, out=scratch_like(x)).mul_(slope)
        torch.clamp(x, min=0, out=top[0].write(layout)).add_(below)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        layout = top[0].diff_layout
        x, d_y = self._kept.read(layout), top[0].read_diff(layout)
        work = scratch_like(x)
        if self.param_propagate_down[0]:
            torch.clamp(x, max=0, out=work).mul_(d_y)
            self.blobs[0].add_diff(work.sum(self._summed))
        if propagate_down[0]:
            _kernels.relu_backward(d_y, x, work)
            slope = self.blobs[0].read().view(self._per_channel)
            torch.sub(d_y, work, out=bottom[0].write_diff(layout)).mul_(slope).add_(work)

    def _check(self, bottom: Blob) -> None:
        axes = len(bottom.shape)
        self.check(2 <= axes <= 4, f"bottom[0] must have 2 to 4 axes (N, C, ...), got shape {bottom.shape}")
