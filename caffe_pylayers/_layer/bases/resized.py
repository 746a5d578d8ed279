"""What layers share that give maps of a size: a parameter's, or a reference's; and what resizes maps to it."""

from __future__ import annotations

import math
from typing import Any

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Layer, Parameter
from caffe_pylayers._layer.functions.interpolation import COORDINATES

__all__ = ["Resized", "Sized"]

INT_MAX = 2**31 - 1  # values of a blob


class Sized(Layer):
    """A layer whose top has the height and width of the parameter size, or of bottom[1], the reference."""

    array_api = True

    size = Parameter((int, int), None, low=1, doc="height and width of the top; default: the reference's")

    def setup(self, bottom: Any, top: Any) -> None:
        if (len(bottom) == 1) == (self.size is None):
            raise checks.error(self, "needs either bottom[1] (reference) or the parameter size")

    def height_and_width(self, reference: Any) -> Any:
        """Return the size of the top."""
        if reference is None:
            return self.size
        if len(reference.shape) < 2:
            raise checks.error(self, f"bottom[1] (reference) must have shape (..., H, W), got {tuple(reference.shape)}")
        return tuple(reference.shape[-2:])


class Resized(Sized):
    """A layer that resizes the last two axes: by parameters, or to the size of a reference."""

    zoom_factor = Parameter(int, None, low=1, doc="z: n becomes (n - 1) z + 1 with align_corners, else n z")
    shrink_factor = Parameter(
        int,
        None,
        low=1,
        doc="s: n becomes (n - 1) // s + 1 with align_corners, else n // s; z comes after it, or n z // s",
    )
    pad_beg = Parameter(int, 0, high=0, doc="-1, -2, ...: as many rows and columns are left out at the beginning")
    pad_end = Parameter(int, 0, high=0, doc="-1, -2, ...: as many rows and columns are left out at the end")
    coordinates = Parameter(
        str,
        "align_corners",
        choices=COORDINATES,
        doc="where value i of m lies among n: i (n - 1) / (m - 1), half_pixel: (i + 0.5) n / m - 0.5, "
        "asymmetric: i n / m",
    )

    def setup(self, bottom: Any, top: Any) -> None:
        checks.tops(self, top, "resized")
        by_factors = self.zoom_factor is not None or self.shrink_factor is not None
        ways = (self.size is not None) + by_factors + (len(bottom) == 2)
        if ways > 1:
            raise checks.error(
                self, "size, factors and bottom[1] (reference) each give the size: only one may be there"
            )
        if not ways and len(bottom) == 1:
            raise checks.error(self, "needs size, zoom_factor or shrink_factor, or bottom[1] (reference)")

    def resized(self, maps: Any, reference: Any) -> Any:
        """Return the size of maps, that of what is not left out, and that of the top, each (height, width)."""
        if len(maps.shape) < 3:
            raise checks.error(self, f"bottom[0] (maps) must have shape (N, ..., H, W), got {tuple(maps.shape)}")
        before = tuple(maps.shape[-2:])
        inside = tuple(max(n + self.pad_beg + self.pad_end, 0) for n in before)
        if 0 in inside and 0 not in before:
            raise checks.error(
                self, f"pad_beg {self.pad_beg} and pad_end {self.pad_end} leave nothing of bottom[0] (maps) of {before}"
            )
        after = self.height_and_width(reference) or tuple(self._by_factors(n) for n in inside)
        if 0 in inside and 0 not in after:
            raise checks.error(self, f"bottom[0] (maps) of {before} leaves {inside} to resize to {after}")
        top = (*maps.shape[:-2], *after)
        if math.prod(top) > INT_MAX:  # said before the weights of so many rows are made
            raise checks.error(self, f"the top would be {top}, of more than {INT_MAX} values, a blob's most")
        return before, inside, after

    def _by_factors(self, n: int) -> int:
        zoom, shrink = self.zoom_factor or 1, self.shrink_factor or 1
        if not n:
            return 0
        return (n - 1) // shrink * zoom + 1 if self.coordinates == "align_corners" else max(n * zoom // shrink, 1)
