"""What layers share whose maps are resized by weights along each axis."""

from __future__ import annotations

import math
from typing import Any, Sequence

from caffe_pylayers._layer import arrays
from caffe_pylayers._layer.bases.resized import Sized
from caffe_pylayers._layer.functions.interpolation import (
    bands,
    double_forward,
    doubled_slice,
    repeat_backward,
    repeat_forward,
    repeated_slice,
    resize,
)

__all__ = ["Interpolated"]


class Interpolated(Sized):
    """resized = rows.T @ map @ columns, of the last two axes of bottom[0]; a subclass's plan calls plan_taps.

    Values that only repeat or are left out are copied, and maps of twice the size are made of means.
    """

    def plan_taps(self, maps: Any, after: Sequence[int], taps: Sequence[Any]) -> Any:
        """Return the top's shape, for the height and width after.

        taps: of rows and columns (see functions/interpolation.py); None for an axis that stays as it is.
        """
        before, count = tuple(maps.shape[-2:]), math.prod(maps.shape[:-2])
        self._before, self._after = (count, *before), (count, *after)
        slices = [repeated_slice(found, m) for m, found in zip(after, taps)]
        self._slices = None if None in slices else slices
        if self._slices:
            return [(*maps.shape[:-2], *after)]
        doubled = [doubled_slice(found, m) for m, found in zip(after, taps)]
        self._doubled = None if None in doubled else doubled
        plans, plans_back = [], []
        for n, m, found in zip(before, after, taps):
            source, target, factor = found or (None, None, None)
            plans.append(found and bands(source, target, factor, m, maps))
            plans_back.append(found and bands(target, source, factor, n, maps))
        (self._rows, self._columns), (self._rows_back, self._columns_back) = plans, plans_back
        self._between = arrays.new(maps, (count, before[0], after[1]))
        self._between_back = arrays.new(maps, (count, after[0], before[1]))
        return [(*maps.shape[:-2], *after)]

    def resize(self, maps: Any, resized: Any) -> None:
        """Write maps, of any shape, as resized ones."""
        maps, resized = maps.reshape(self._before), resized.reshape(self._after)
        if self._slices:
            repeat_forward(self.xp, maps, self._slices, resized)
        elif self._doubled:
            double_forward(self.xp, maps, self._doubled, self._between, resized)
        else:
            resize(self.xp, maps, self._rows, self._columns, self._between, resized)

    def resize_backward(self, d_resized: Any, d_maps: Any) -> None:
        """Write the gradient of the maps."""
        d_resized, d_maps = d_resized.reshape(self._after), d_maps.reshape(self._before)
        if self._slices:
            repeat_backward(d_resized, self._slices, d_maps)
        else:
            resize(self.xp, d_resized, self._rows_back, self._columns_back, self._between_back, d_maps)

    def forward(self, bottom: Any, top: Any) -> None:
        self.resize(bottom[0].data, top[0].data)

    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        if propagate_down[0]:
            self.resize_backward(top[0].diff, bottom[0].diff)
        if len(bottom) == 2 and propagate_down[1]:
            arrays.fill(bottom[1].diff, 0)
