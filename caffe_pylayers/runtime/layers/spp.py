"""SPP."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from caffe_pylayers.runtime.layers._elementwise import refuse_in_place
from caffe_pylayers.runtime.layers._layout import image_layout
from caffe_pylayers.runtime.layers._pool import PoolWindow
from caffe_pylayers.runtime.layers.layer import Layer, register
from caffe_pylayers.runtime.layers.pooling import make_pool
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.memory.limits import Shape
from caffe_pylayers.runtime.memory.memory import CHANNELS_LAST


@register("SPP")
class SPP(Layer):
    """Spatial pyramid pooling: the map pooled over 1, 2 x 2, 4 x 4, ... bins, as Caffe's SPP.

    Bottom: [0] (N, C, H, W). Top: [0] (N, C * bins), level by level; with pyramid_height 1 (N, C, 1, 1).

    As in Caffe a window is ceil(H / bins) high, and the map padded by half of what is missing; a last bin that lies
    in the pad is dropped, and a map much smaller than the bins refused. STOCHASTIC draws in both phases.
    """

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        refuse_in_place(self, bottom, top)
        self._levels = self.layer_param.spp_param.pyramid_height
        self.check(self._levels > 0, "pyramid_height must be positive")

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        shape = bottom[0].shape
        self.check(len(shape) == 4, f"bottom[0] must have shape (N, C, H, W), got {shape}")
        self.check(all(shape[2:]), f"bottom[0] must have a map, got shape {shape}")
        windows = [self._window(level, shape) for level in range(self._levels)]
        self._pools = [make_pool(self.layer_param.spp_param.pool, window, shape, training=True) for window in windows]
        self._layout = image_layout(shape)
        self._shapes = [(*shape[:2], *pool.out) for pool in self._pools]
        self._lengths = [math.prod(out[1:]) for out in self._shapes]
        if self._levels == 1:
            top[0].reshape(*self._shapes[0])
        else:
            top[0].reshape(shape[0], sum(self._lengths))

    def _window(self, level: int, shape: Shape) -> PoolWindow:
        bins = 2**level
        kernel = tuple(math.ceil(n / bins) for n in shape[2:])
        pad = tuple((k * bins - n + 1) // 2 for k, n in zip(kernel, shape[2:]))
        if any(pad) and not all(p < k for p, k in zip(pad, kernel)):
            raise self.error(f"bottom[0] of shape {shape} is too small for {bins} x {bins} bins: lower pyramid_height")
        self.check(
            not any(pad) or self.layer_param.spp_param.pool != self.layer_param.spp_param.STOCHASTIC,
            f"STOCHASTIC needs a map of a multiple of {bins}, got shape {shape}",
        )
        return PoolWindow((kernel[0], kernel[1]), (kernel[0], kernel[1]), (pad[0], pad[1]))

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        if not bottom[0].count:
            return
        x = bottom[0].read(self._layout)
        memory = torch.channels_last if self._layout == CHANNELS_LAST else torch.contiguous_format
        levels = top[0].write().view(x.shape[0], -1).split_with_sizes(self._lengths, dim=1)
        for pool, shape, level in zip(self._pools, self._shapes, levels):
            y = torch.empty(shape, device=x.device, memory_format=memory)
            pool.forward(x, y)
            level.view(shape).copy_(y)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if not propagate_down[0] or not bottom[0].count:
            return
        x = bottom[0].read(self._layout)
        d_levels = top[0].read_diff().view(x.shape[0], -1).split_with_sizes(self._lengths, dim=1)
        d_x = bottom[0].write_diff(self._layout).zero_()
        d_x_of_level = torch.empty_like(x)
        for pool, shape, d_level in zip(self._pools, self._shapes, d_levels):
            pool.backward(d_level.view(shape), x, d_x_of_level)
            d_x.add_(d_x_of_level)
