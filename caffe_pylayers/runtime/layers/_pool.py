"""Pooling over the last two axes, for Pooling, SPP and LRN: Caffe's windows on PyTorch's kernels.

PyTorch drops a last window that lies outside the map and takes no pad beyond half a window; Caffe
has both. Where the two agree, the kernels work on the map itself; elsewhere on a padded copy.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.nn import functional

from caffe_pylayers.runtime import rng
from caffe_pylayers.runtime.layers import _kernels
from caffe_pylayers.runtime.layers._elementwise import scratch
from caffe_pylayers.runtime.memory import allocator
from caffe_pylayers.runtime.memory.limits import Shape

Pair = tuple[int, int]
MOST_INDICES = 1 << 19  # PyTorch's have 64 bits: more take more memory than it is worth to have them at once
MOST_ON_DEVICE = 1 << 25  # on a GPU, which has more memory, and where each part costs a start
LOWEST = torch.finfo(torch.float32).min


@dataclass(frozen=True)
class PoolWindow:
    """A pooling window: its kernel, stride and pad, each (height, width). ceil: round the number of positions up."""

    kernel: Pair
    stride: Pair
    pad: Pair
    ceil: bool = True

    def slide(self, sizes: Pair) -> Pair:
        """Return the number of positions, (down, across), over a map of these sizes."""
        out = []
        for n, k, s, p in zip(sizes, self.kernel, self.stride, self.pad):
            steps = (n + 2 * p - k) / s
            positions = (math.ceil(steps) if self.ceil else math.floor(steps)) + 1
            # With a pad the last window starts inside the map or the pad before it.
            out.append(positions - (any(self.pad) and (positions - 1) * s >= n + p))
        return out[0], out[1]

    def tight(self, sizes: Pair) -> PoolWindow:
        """Return a window that sees the same of such a map, with the least kernel and strides that do."""
        kernel = [min(k, max(1, n + p)) for k, n, p in zip(self.kernel, sizes, self.pad)]
        return replace(self.near(sizes), kernel=(kernel[0], kernel[1]))

    def near(self, sizes: Pair) -> PoolWindow:
        """Return the window with strides no longer than the padded map, from which they lead out all the same."""
        stride = [max(1, min(s, n + 2 * p)) for s, n, p in zip(self.stride, sizes, self.pad)]
        return replace(self, stride=(stride[0], stride[1]))

    def as_torch(self, sizes: Pair) -> bool:
        """Return True if PyTorch's pooling has the same windows over a map of these sizes."""
        for n, k, s, p, out in zip(sizes, self.kernel, self.stride, self.pad, self.slide(sizes)):
            if 2 * p > k or (out - 1) * s >= n + p or n + 2 * p < k:
                return False
        return True


class MapPool:
    """Pooling of maps of one shape, (N, C, H, W), with one window. A subclass says how.

    same: True if PyTorch's kernel has Caffe's windows; else it works on a padded copy of the map.
    """

    outside = 0.0  # the value around the map in the padded copy

    def __init__(self, window: PoolWindow, shape: Shape) -> None:
        sizes = shape[2], shape[3]
        self.out = window.slide(sizes)
        self.same = window.as_torch(sizes)
        self.window = window = window.near(sizes) if self.same else window.tight(sizes)
        self._arguments = (window.kernel, window.stride, window.pad if self.same else (0, 0))
        self._ceil = window.ceil if self.same else False
        covered = [(out - 1) * s + k for out, s, k in zip(self.out, window.stride, window.kernel)]
        self._padded_shape = (*shape[:2], *covered)
        seen = [min(n, end - p) for n, end, p in zip(sizes, covered, window.pad)]
        self._seen: Any = (..., *(slice(0, max(0, n)) for n in seen))
        self._inside: Any = (..., *(slice(p, p + max(0, n)) for p, n in zip(window.pad, seen)))

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> None:
        """Pool x into y."""
        raise NotImplementedError

    def backward(self, d_y: torch.Tensor, x: torch.Tensor, d_x: torch.Tensor) -> None:
        """Write the gradient of x to d_x; x is as it was in forward."""
        raise NotImplementedError

    def _padded(self, x: torch.Tensor) -> torch.Tensor:
        """Return the map, or a copy that is padded as far as the windows reach."""
        if self.same:
            return x
        padded = allocator.empty(self._padded_shape, x.device).fill_(self.outside)
        padded[self._inside] = x[self._seen]
        return padded

    def _crop(self, d_padded: torch.Tensor, d_x: torch.Tensor) -> None:
        d_x.zero_()
        d_x[self._seen] = d_padded[self._inside]


class MaxPool(MapPool):
    """The largest value, the first of equals; the lowest float where a window sees none."""

    outside = -math.inf

    def __init__(self, window: PoolWindow, shape: Shape, training: bool) -> None:
        super().__init__(window, shape)
        self._width = shape[3]
        self._training = training
        # PyTorch's indices have 64 bits; kept until backward are as many as a map needs, of few and on a GPU all.
        small = math.prod(self._padded_shape[2:]) <= torch.iinfo(torch.int16).max
        self._small = torch.int16 if small else torch.int32
        self._kept = torch.empty(0)
        halves = [2 * out for out in self.out] == [*shape[2:]] and window.kernel == window.stride == (2, 2)
        self._halves = halves and not training and not any(window.pad)

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> None:
        if self._halves and x.device.type == "cpu":
            for part in _parts(y):
                _halve(_of(x, part), _of(y, part))
            return
        padded = self._padded(x)
        kept = self._kept_like(y) if self._training else y
        for part in _parts(y):
            if kept.dtype == torch.int64:
                _kernels.max_pool(_of(padded, part), self._arguments, self._ceil, _of(y, part), _of(kept, part))
                continue
            indices = self._pool(_of(padded, part), _of(y, part))
            if self._training:
                _of(kept, part).copy_(indices)
        if not self.same:
            y.clamp_(min=LOWEST)

    def mask(self, x: torch.Tensor, y: torch.Tensor, mask: torch.Tensor) -> None:
        """Write each maximum's position in its map, -1 where there is none."""
        padded, width = self._padded(x), self._padded_shape[3]
        for part in _parts(y):
            indices = self._indices(padded[part], y[part], part)
            if self.same:
                mask[part].copy_(indices)
                continue
            row = indices // width - self.window.pad[0]
            column = indices % width - self.window.pad[1]
            mask[part].copy_(torch.where(y[part] > LOWEST, row * self._width + column, -1))

    def backward(self, d_y: torch.Tensor, x: torch.Tensor, d_x: torch.Tensor) -> None:
        padded = self._padded(x)
        d_padded = d_x if self.same else torch.empty_like(padded)
        for part in _parts(d_y):
            x, d_y_part = _of(padded, part), _of(d_y, part)
            indices = self._indices(x, d_y_part, part)
            _kernels.max_pool_backward(d_y_part, x, self._arguments, self._ceil, indices, _of(d_padded, part))
        if not self.same:  # a window that sees nothing points at the pad, which is cropped
            self._crop(d_padded, d_x)

    def _pool(self, padded: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        indices = self._scratch(y)
        _kernels.max_pool(padded, self._arguments, self._ceil, y, indices)
        return indices

    def _kept_like(self, y: torch.Tensor) -> torch.Tensor:
        """Return memory for y's indices, kept until backward, laid out as y is."""
        kept = self._kept
        if kept.shape != y.shape or kept.stride() != y.stride() or kept.device != y.device:
            many = y.device.type == "cpu" and y.numel() > MOST_INDICES
            self._kept = torch.empty_like(y, dtype=self._small if many else torch.int64)
        return self._kept

    def _indices(self, padded: torch.Tensor, y: torch.Tensor, part: slice) -> torch.Tensor:
        """Return the positions of the maxima in a part of the padded maps: kept in training, else found once more."""
        if self._training:
            kept = _of(self._kept, part)
            return kept if kept.dtype == torch.int64 else self._scratch(y).copy_(kept)
        return self._pool(padded, torch.empty_like(y))

    def _scratch(self, y: torch.Tensor) -> torch.Tensor:
        """Return scratch for y's indices, laid out as y is; contiguous where y is a slice of a larger tensor."""
        indices = scratch(y.numel(), y.device, torch.int64)
        dense = y.is_contiguous() or y.is_contiguous(memory_format=torch.channels_last)
        return indices.as_strided(y.shape, y.stride()) if dense else indices.view(y.shape)


def _halve(x: torch.Tensor, y: torch.Tensor) -> None:
    """Write the largest value of each 2 x 2 window: of pairs of rows, then of columns.

    Twice as fast as PyTorch's pooling for maps that fit the cache, as no places are found.
    """
    rows = torch.maximum(x[:, :, ::2], x[:, :, 1::2])
    torch.maximum(rows[..., ::2], rows[..., 1::2], out=y)


def _parts(y: torch.Tensor) -> Iterator[slice]:
    """Give the images of y in runs that have about MOST_INDICES values, or MOST_ON_DEVICE."""
    images, most = y.shape[0], MOST_INDICES if y.device.type == "cpu" else MOST_ON_DEVICE
    step = max(1, images * most // max(1, y.numel()))
    return (slice(start, start + step) for start in range(0, images, step))


def _of(values: torch.Tensor, part: slice) -> torch.Tensor:
    """Return a part of the images; the values themselves, without a call, where it is all of them."""
    return values if part.start == 0 and part.stop >= values.shape[0] else values[part]


class AveragePool(MapPool):
    """The sum over the window's size, clipped to the padded map; NaN where that is zero."""

    def __init__(self, window: PoolWindow, shape: Shape) -> None:
        super().__init__(window, shape)
        self._given, self._map = window, shape[2:]
        self._sizes = torch.zeros(0)

    def _window_sizes(self, place: torch.device) -> torch.Tensor:
        """Return the number of places of the padded map in each window, in the top's shape."""
        along = []
        for k, s, p, n, out in zip(self._given.kernel, self._given.stride, self._given.pad, self._map, self.out):
            start = torch.arange(out, device=place) * s - p
            along.append((start + k).clamp_max_(n + p) - start)
        return torch.outer(*along).float()

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> None:
        if self.same:
            _kernels.average_pool(x, self._arguments, self._ceil, y)
            return
        sums = functional.avg_pool2d(self._padded(x), *self._arguments, divisor_override=1)
        if self._sizes.device != x.device or not self._sizes.numel():
            self._sizes = self._window_sizes(x.device)
        torch.div(sums, self._sizes, out=y)

    def backward(self, d_y: torch.Tensor, x: torch.Tensor, d_x: torch.Tensor) -> None:
        if self.same:
            _kernels.average_pool_backward(d_y, x, self._arguments, self._ceil, None, d_x)
        else:
            # Where the size is zero the gradient is infinite, all of it in the pad, which is cropped.
            padded = self._padded(x)
            d_padded = torch.empty_like(padded)
            _kernels.average_pool_backward(d_y / self._sizes, padded, self._arguments, False, 1, d_padded)
            self._crop(d_padded, d_x)


class StochasticPool(MapPool):
    """In training, a value drawn with a probability in proportion to it; else the mean, so weighted.

    The values must not be negative.
    """

    def __init__(self, window: PoolWindow, shape: Shape, training: bool) -> None:
        super().__init__(window, shape)
        self.same = False
        self.training = training

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> None:
        windows = self._windows(self._padded(x))
        if self.training:
            sums = windows.cumsum(dim=-1)
            drawn = torch.rand(y.shape, device=y.device, generator=rng.generator()).unsqueeze(-1)
            # The first at which the running sum reaches its share; 1 - drawn is in (0, 1].
            self._chosen = (sums >= (1 - drawn) * sums[..., -1:]).to(torch.uint8).argmax(dim=-1, keepdim=True)
            y.copy_(windows.gather(-1, self._chosen).squeeze(-1))
        else:
            total = windows.sum(dim=-1)
            y.copy_(torch.where(total > 0, windows.square().sum(dim=-1) / total, 0))

    def backward(self, d_y: torch.Tensor, x: torch.Tensor, d_x: torch.Tensor) -> None:
        place = torch.arange(math.prod(self._padded_shape), device=x.device).view(self._padded_shape)
        chosen = self._windows(place).gather(-1, self._chosen).flatten()
        d_padded = x.new_zeros(self._padded_shape)
        d_padded.view(-1).index_add_(0, chosen, d_y.reshape(-1))
        self._crop(d_padded, d_x)

    def _windows(self, padded: torch.Tensor) -> torch.Tensor:
        (height, width), (down, right) = self.window.kernel, self.window.stride
        return padded.unfold(2, height, down).unfold(3, width, right).flatten(4)
