"""The places of two maps that a cost volume compares, in dense blocks."""

from __future__ import annotations

import math
from typing import Any, Iterator, NamedTuple

__all__ = ["Axis", "Places", "band", "gather", "scatter"]


class Places(NamedTuple):
    """Evenly spaced places on an axis of a map: first, first + step, ...; so many of them."""

    first: int
    step: int
    size: int

    def within(self, axis: int) -> tuple[slice, slice]:
        """Return the slices of those that lie on an axis of this size, of the places and of the axis."""
        low = max(0, -(self.first // self.step))
        high = max(low, min(self.size, -((self.first - axis) // self.step)))
        start = self.first + self.step * low
        return slice(low, high), slice(start, start + self.step * (high - low), self.step)


class Axis(NamedTuple):
    """An axis of a cost volume: where its places are on the first map, and what they meet on the second one.

    Place i is at start + stride i, and at displacement d it meets what is first + spacing d from there.
    """

    places: int
    start: int
    stride: int
    first: int
    spacing: int
    displacements: int

    def whole(self, offset: int) -> tuple[Places, Places, list[slice]]:
        """Return the places of both maps, and for each displacement the second's that the first's meet.

        offset: by which both maps are shifted.
        """
        common = math.gcd(self.stride, self.spacing)
        stride, spacing = self.stride // common, self.spacing // common
        span, start = stride * (self.places - 1) + 1, self.start + offset
        met = [slice(spacing * d, spacing * d + span, stride) for d in range(self.displacements)]
        second = Places(start + self.first, common, span + spacing * (self.displacements - 1))
        return Places(start, self.stride, self.places), second, met

    def classes(self, offset: int) -> Iterator[tuple[Places, Places, int, slice]]:
        """Yield classes of places, those of each a multiple of spacing apart, so that displacements are neighbours.

        Each is (the places of the first map, those of the second, step, the places in the volume), and place i of it
        and displacement d are at step i + d of the second's. All have the same numbers of places.
        """
        period = self.stride * self.spacing // math.gcd(self.stride, self.spacing)
        classes, step = period // self.stride, period // self.spacing
        count = -(-self.places // classes)
        for k in range(min(classes, self.places)):
            start = self.start + offset + self.stride * k
            met = Places(start + self.first, self.spacing, step * count + max(self.displacements - step, 0))
            yield Places(start, period, count), met, step, slice(k, None, classes)


def gather(xp: Any, maps: Any, at: tuple[Places, Places], block: Any) -> None:
    """Write what maps (N, C, H, W) hold at rows and columns into a block (rows, N, columns, C): zeros outside."""
    block[...] = 0
    rows, columns = at
    (inner_rows, outer_rows), (inner_columns, outer_columns) = rows.within(maps.shape[2]), columns.within(maps.shape[3])
    block[inner_rows, :, inner_columns] = xp.moveaxis(maps[:, :, outer_rows, outer_columns], (0, 1), (1, 3))


def scatter(xp: Any, block: Any, at: tuple[Places, Places], maps: Any) -> None:
    """Add a block to maps at rows and columns."""
    rows, columns = at
    (inner_rows, outer_rows), (inner_columns, outer_columns) = rows.within(maps.shape[2]), columns.within(maps.shape[3])
    maps[:, :, outer_rows, outer_columns] += xp.moveaxis(block[inner_rows, :, inner_columns], (1, 3), (0, 1))


def band(products: Any, step: int, displacements: int) -> Any:
    """Return products[b, i, step i + d] as [b, i, d], in the same memory.

    products: (B, n + 1, M), M >= step n: a row too many makes room for the shift of the others.
    """
    count, places, size = products.shape[0], products.shape[1] - 1, products.shape[2] + step
    flat = products.reshape(count, (places + 1) * products.shape[2])[:, : places * size]
    return flat.reshape(count, places, size)[:, :, :displacements]
