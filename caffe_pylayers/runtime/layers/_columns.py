"""Windows over any number of axes as columns, Caffe's im2col, and convolution as a product with them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import torch

from caffe_pylayers.runtime.layers._window import Window
from caffe_pylayers.runtime.memory import allocator
from caffe_pylayers.runtime.memory.limits import Shape

MANY_PLACES = 1 << 10  # in a kernel: from here on a window of few positions is added up position by position


class Columns:
    """What a window sees at each of its positions: shape (num, channels, kernel..., positions...)."""

    def __init__(self, window: Window, shape: Shape) -> None:
        num, channels, *sizes = shape
        self.window = window = window.tight(sizes)
        self.out = window.slide(sizes)
        self.shape = (num, channels, *window.kernel, *self.out)
        self._padded_shape = (num, channels, *map(sum, zip(sizes, window.pad, window.pad, window.missing(sizes))))
        self._inside: Any = (..., *(slice(p, p + n) for p, n in zip(window.pad, sizes)))
        self._padded = torch.zeros(0)

    def unfold(self, x: torch.Tensor, columns: torch.Tensor) -> None:
        """Write the columns of x."""
        padded = self._scratch(x)
        padded[self._inside].copy_(x)
        num, channels, *steps = padded.stride()
        within = [step * d for step, d in zip(steps, self.window.dilation)]
        between = [step * s for step, s in zip(steps, self.window.stride)]
        # Every window, overlapping, without a copy.
        columns.copy_(padded.as_strided(self.shape, (num, channels, *within, *between)))

    def fold(self, columns: torch.Tensor, x: torch.Tensor) -> None:
        """Write the transpose to x: for each value, the sum over the columns that have it."""
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
        """The padded map's memory, zero."""
        if self._padded.device != like.device or self._padded.shape != self._padded_shape:
            self._padded = allocator.zeros(self._padded_shape, like.device)
        return self._padded.zero_()


def _comb(start: Sequence[int], unit: Sequence[int], count: Sequence[int], apart: Sequence[int]) -> Any:
    """Along each of the last axes, the ``count`` places that are ``apart``, from ``start`` units on."""
    return (..., *(slice(i * u, i * u + a * (n - 1) + 1, a) for i, u, n, a in zip(start, unit, count, apart)))


class ColumnConvolution:
    """Convolution, or its transpose, over any number of axes, as products with columns, Caffe's own way.

    wide is the side that the window slides over, narrow the side of its positions.
    """

    def __init__(self, window: Window, wide: Shape, narrow_channels: int, group: int, transposed: bool) -> None:
        self._columns = Columns(window, wide)
        self._wide = wide
        self._narrow = (wide[0], narrow_channels, *self._columns.out)
        self._group, self._transposed = group, transposed
        self._height = wide[1] // group * math.prod(window.kernel)  # of a column

    def forward(self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        """The top."""
        y = self._spread(x, weight) if self._transposed else self._gather(x, weight)
        return y if bias is None else y.add_(bias.view(-1, *[1] * (y.dim() - 2)))

    def backward(self, d_y: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, mask: Sequence[bool]) -> Any:
        """The gradients of x, weight and bias that the mask asks for."""
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
        """(group, narrow channels of a group, values in a column)"""
        return weight.view(self._group, self._narrow[1] // self._group, self._height)

    def _rows(self, narrow: torch.Tensor) -> torch.Tensor:
        """(num, group, channels of a group, positions)"""
        return narrow.view(self._narrow[0], self._group, self._narrow[1] // self._group, math.prod(self._columns.out))

    def _unfolded(self, wide: torch.Tensor) -> torch.Tensor:
        """(num, group, values in a column, positions)"""
        columns = allocator.empty(self._columns.shape, wide.device)
        self._columns.unfold(wide, columns)
        return columns.view(self._narrow[0], self._group, self._height, math.prod(self._columns.out))
