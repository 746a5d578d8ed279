"""Windows that go along the axes of an array, as Caffe's pooling has them."""

from __future__ import annotations

from typing import Any, Iterator, NamedTuple

import numpy as np

from caffe_pylayers._layer import arrays

__all__ = ["Window"]


class Window(NamedTuple):
    """A window that goes along one axis.

    axis: of the array. size: of the array on it. outputs: the window's places. kernel: the values in it.
    """

    axis: int
    size: int
    outputs: int
    kernel: int
    stride: int
    pad: int

    @classmethod
    def along(cls, axis: int, size: int, kernel: int, stride: int, pad: int, whole: bool = False) -> Window:
        """Return Caffe's window: as many places as needed to see all values, but none that begins behind the pad.

        whole: as many as lie within the pads, in place of that.
        """
        outputs = ((size + 2 * pad - kernel) // stride if whole else -((kernel - size - 2 * pad) // stride)) + 1
        if pad and (outputs - 1) * stride >= size + pad:
            outputs -= 1
        return cls(axis, size, outputs, kernel, stride, pad)

    def places(self) -> Iterator[tuple[Any, Any]]:
        """Yield for each value of the window (where it is one of the array, that value at these), both as indices."""
        before = (slice(None),) * self.axis
        for k in range(self.kernel):
            first = max(0, -(-(self.pad - k) // self.stride))
            last = min(self.outputs - 1, (self.size - 1 + self.pad - k) // self.stride)
            if first <= last:
                begin, end = (place * self.stride - self.pad + k for place in (first, last))
                yield (*before, slice(first, last + 1)), (*before, slice(begin, end + 1, self.stride))

    def sizes(self) -> Any:
        """Return the number of values at each place, those of the pad among them."""
        begin = np.arange(self.outputs) * self.stride - self.pad
        return np.minimum(begin + self.kernel, self.size + self.pad) - begin

    def pooled(self, x: Any) -> Any:
        """Return an array for what is pooled of x."""
        return arrays.new(x, (*x.shape[: self.axis], self.outputs, *x.shape[self.axis + 1 :]))
