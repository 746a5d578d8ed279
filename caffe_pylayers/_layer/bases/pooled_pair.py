"""The base class of layers that pool products of two blobs' features, or of one blob's with its own."""

from __future__ import annotations

import math
from typing import Any

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Layer, Parameter

__all__ = ["PooledPair"]


class PooledPair(Layer):
    """A layer of one or two bottoms whose positions are pooled: of one, it pairs the blob with itself.

    positions: the number of them. scale: what a sum over them is multiplied by.
    """

    array_api = True

    mean_over_positions = Parameter(bool, False, doc="true: the mean in place of the sum")

    def shapes(self, a: Any, b: Any) -> tuple[int, int, int]:
        """Check the bottoms' shapes, and return N, C and D."""
        b = a if b is None else b
        if a.ndim < 2 or b.ndim < 2 or a.shape[:1] != b.shape[:1] or a.shape[2:] != b.shape[2:]:
            raise checks.error(
                self,
                f"needs shapes (N, C, H, W) and (N, D, H, W), got bottom[0] of shape {tuple(a.shape)} and bottom[1] of "
                f"shape {tuple(b.shape)}",
            )
        self.positions = math.prod(a.shape[2:])
        self.scale = 1 / max(self.positions, 1) if self.mean_over_positions else 1.0
        return a.shape[0], a.shape[1], b.shape[1]

    def sides(self, blobs: Any) -> Any:
        """Return the arrays of one or two bottoms, or None, as (N, C, P); the first one's twice of one."""
        sides = [x if x is None else x.reshape(*x.shape[:2], self.positions) for x in blobs]
        return sides if len(sides) == 2 else sides * 2
