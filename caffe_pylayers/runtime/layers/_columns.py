"""Caffe's im2col over any number of axes, and convolution as a product with its columns."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import torch

from caffe_pylayers.runtime.layers._window import Window
from caffe_pylayers.runtime.memory import allocator
from caffe_pylayers.runtime.memory.limits import Shape

MANY_PLACES = 1 << 10  # of a kernel: above, fold adds position by position, where that takes fewer steps


class Columns:
    """The values that a window covers at each of its positions: shape (num, channels, kernel..., positions...).

    window: the sliding window. shape: of the map that it slides over, (num, channels, sizes...).
    """

    def __init__(self, window: Window, shape: Shape) -> None:
        num, channels, *sizes = shape
        self.window = window = window.tight(sizes)
        self.out = window.slide(sizes)
        self.shape = (num, channels, *window.kernel, *self.out)
        self._padded_shape = (num, channels, *map(sum, zip(sizes, window.pad, window.pad, window.missing(sizes))))
        self._inside: Any = (..., *(slice(p, p + n) for p, n in zip(window.pad, sizes)))
        self._padded = torch.zeros(0)

    def unfold(self, x: torch.Tensor, columns: torch.Tensor) -> None:
        """Write the columns of a map x, of shape (num, channels, sizes...), to ``columns``."""
        padded = self._scratch(x)
        padded[self._inside].copy_(x)
        num, channels, *steps = padded.stride()
        within = [step * d for step, d in zip(steps, self.window.dilation)]
        between = [step * s for step, s in zip(steps, self.window.stride)]
        # A view of all windows, which overlap in memory.
        columns.copy_(padded.as_strided(self.shape, (num, channels, *within, *between)))

    def fold(self, columns: torch.Tensor, x: torch.Tensor) -> None:
        """Write to each value of the map x the sum of its copies in ``columns``: the gradient of ``unfold``."""
        padded = self._scratch(columns)
        kernel, stride, dilation = self.window.kernel, self.window.stride, self.window.dilation
        places, positions = itertools.product(*map(range, kernel)), itertools.product(*map(range, self.out))
        if math.prod(kernel) <= max(MANY_PLACES, math.prod(self.out)):
            for place in places:
                column: Any = (slice(None), slice(None), *place)
                padded[_comb(place, dilation, self.out, stride)].add_(columns[column])
        else:
            for position in positions:
                seen: Any = (..., *position)
                padded[_comb(position, stride, kernel, dilation)].add_(columns[seen])
        x.copy_(padded[self._inside])

    def _scratch(self, like: torch.Tensor) -> torch.Tensor:
        """Return memory for the padded map, all zero, on the device of ``like``."""
        if self._padded.device != like.device or self._padded.shape != self._padded_shape:
            self._padded = allocator.zeros(self._padded_shape, like.device)
        return self._padded.zero_()


def _comb(start: Sequence[int], unit: Sequence[int], count: Sequence[int], apart: Sequence[int]) -> Any:
    """Return the index of every apart-th place along each of the last axes, ``count`` of them, from start * unit on."""
    return (..., *(slice(i * u, i * u + a * (n - 1) + 1, a) for i, u, n, a in zip(start, unit, count, apart)))


class ColumnConvolution:
    """Convolution, or its transpose, over any number of axes, as products with columns: the way of Caffe itself.

    The window slides over the wide side, a Convolution's bottom or a Deconvolution's top; the narrow side has a value
    for each of its positions. wide: the wide side's shape, (num, channels, sizes...).
    """

    def __init__(self, window: Window, wide: Shape, narrow_channels: int, group: int, transposed: bool) -> None:
        self._columns = Columns(window, wide)
        self._wide = wide
        self._narrow = (wide[0], narrow_channels, *self._columns.out)
        self._group, self._transposed = group, transposed
        self._height = wide[1] // group * math.prod(window.kernel)  # of a column

    def forward(self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        """Return the top of x, (num, channels, sizes...). bias: (channels of the top), or None."""
        y = self._spread(x, weight) if self._transposed else self._gather(x, weight)
        return y if bias is None else y.add_(bias.view(-1, *[1] * (y.dim() - 2)))

    def backward(self, d_y: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, mask: Sequence[bool]) -> Any:
        """Return the gradients of x, weight and bias, None for those that the mask leaves out."""
        d_x = d_weight = d_bias = None
        if mask[0]:
            d_x = self._gather(d_y, weight) if self._transposed else self._spread(d_y, weight)
        if mask[1]:
            wide, narrow = (d_y, x) if self._transposed else (x, d_y)
            d_weights = self._rows(narrow) @ self._unfolded(wide).mT
            d_weight = d_weights[0] if len(d_weights) == 1 else d_weights.sum(dim=0)
        if mask[2]:
            d_bias = d_y.flatten(2).sum(dim=(0, 2))
        return d_x, d_weight, d_bias

    def _gather(self, wide: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return (self._matrix(weight) @ self._unfolded(wide)).view(self._narrow)

    def _spread(self, narrow: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        wide = narrow.new_empty(self._wide)
        self._columns.fold((self._matrix(weight).mT @ self._rows(narrow)).view(self._columns.shape), wide)
        return wide

    def _matrix(self, weight: torch.Tensor) -> torch.Tensor:
        """Return the weight as (group, narrow channels of a group, values in a column)."""
        return weight.view(self._group, self._narrow[1] // self._group, self._height)

    def _rows(self, narrow: torch.Tensor) -> torch.Tensor:
        """Return the narrow side as (num, group, channels of a group, positions)."""
        return narrow.view(self._narrow[0], self._group, self._narrow[1] // self._group, math.prod(self._columns.out))

    def _unfolded(self, wide: torch.Tensor) -> torch.Tensor:
        """Return the columns of the wide side as (num, group, values in a column, positions)."""
        columns = allocator.empty(self._columns.shape, wide.device)
        self._columns.unfold(wide, columns)
        return columns.view(self._narrow[0], self._group, self._height, math.prod(self._columns.out))
