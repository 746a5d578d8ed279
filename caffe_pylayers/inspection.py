"""Layers that look at a blob and its gradient, and pass both on.

    layer {
      name: "look"  type: "Python"
      bottom: "conv1"  top: "conv1"
      python_param { module: "caffe_pylayers.inspection"  layer: "Inspect"  param_str: '{"name": "conv1"}' }
    }
    layer {
      name: "guard"  type: "Python"
      bottom: "conv1"  top: "conv1"
      python_param { module: "caffe_pylayers.inspection"  layer: "NaNGuard"  param_str: '{"name": "conv1"}' }
    }

Caffe tells a Python layer neither its name nor its blobs': the parameter ``name`` does.
"""

from __future__ import annotations

import math
import sys

import numpy as np

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.bases.pass_through import PassThrough
from caffe_pylayers._layer.phases import TRAIN
from caffe_pylayers._layer.quote import plain, quoted

__all__ = ["Inspect", "NaNGuard", "statistics"]


def statistics(xp, values):
    """Return a line on an array: its shape, range, mean, deviation, and how much of it is 0, NaN or infinite."""
    shape, count = tuple(values.shape), math.prod(values.shape)
    if not count:
        return f"{shape} empty"
    finite = xp.isfinite(values)
    good = values[finite]
    parts = [f"{shape}"]
    if len(good):
        mean = float(good.mean())
        deviation = float(((good - mean) * (good - mean)).mean()) ** 0.5
        parts.append(f"min {float(good.min()):.4g} max {float(good.max()):.4g} mean {mean:.4g} std {deviation:.4g}")
    parts.append(f"zero {float((values == 0).sum()) / count:.1%}")
    if len(good) < count:
        nan = int((values != values).sum())  # noqa: PLR0124 - NaN
        parts.append(f"NaN {nan} infinite {count - len(good) - nan}")
    return " ".join(parts)


class _Look(PassThrough):
    """Looks at the values in forward and at the gradient in backward."""

    name = Parameter(str, "", doc="of the blob, for the text")

    _iteration = -1

    def setup(self, bottom, top):
        checks.tops(self, top, "top", optional=1)

    def forward(self, bottom, top):
        self._iteration += 1
        self.look("data", bottom[0].data)
        if len(top):
            super().forward(bottom, top)

    def backward(self, top, propagate_down, bottom):
        if len(top):
            self.look("gradient", top[0].diff)
            super().backward(top, propagate_down, bottom)
        elif propagate_down[0]:
            arrays.fill(bottom[0].diff, 0)

    def _where(self):
        phase = "" if self.phase == TRAIN else "TEST "
        return f"{plain(self.name)}{': ' if self.name else ''}{phase}iteration {self._iteration}"


class Inspect(_Look):
    """Prints statistics of a blob and of its gradient, every so many iterations.

    y = x, d_x = d_y

    Bottom:
        [0] x, any shape
    Top:
        [0] y, optional, the shape of x; may be the bottom. Without it there is no gradient to see.
    Backward:
        d_x = d_y.
    Raises:
        OSError where the file cannot be written.
    References:
        Caffe's debug_info prints the mean absolute value of all blobs, every iteration. Published
        print layers print whole arrays, and many change what they print.
    Example:
        >>> import sys
        >>> from caffe_pylayers.testing import LayerRun
        >>> print(statistics(np, np.array([[1.0, 0.0], [3.0, np.nan]])))
        (2, 2) min 0 max 3 mean 1.333 std 1.247 zero 25.0% NaN 1 infinite 0
        >>> LayerRun(Inspect, [[1, 2]], param_str='{"file": "/dev/null"}').forward()[0]
        array([1., 2.])
    """

    every = Parameter(int, 100, low=1, doc="iterations, which are forward passes, counted from 0")
    file = Parameter(str, "", doc="that lines are added to; default: stderr")

    def look(self, what, values):
        if self._iteration % self.every:
            return
        line = f"{self._where()} {what} {statistics(self.xp, values)}"
        if not self.file:
            print(line, file=sys.stderr, flush=True)
            return
        try:
            with open(self.file, "a", encoding="utf-8") as file:
                print(line, file=file)
        except OSError as error:
            reason = error.strerror or error
            raise OSError(f"{type(self).__name__}: cannot write to the file {quoted(self.file)}: {reason}") from None


class NaNGuard(_Look):
    """Stops where a blob or its gradient is no longer finite, and says where and when.

    y = x, d_x = d_y

    Bottom:
        [0] x, any shape
    Top:
        [0] y, optional, the shape of x; may be the bottom. Without it no gradient is guarded.
    Backward:
        d_x = d_y.
    Raises:
        ValueError for a NaN, an infinity or, with limit, a larger absolute value: with the blob's
        name, the iteration, how many there are, and the first one's place.
    References:
        torch.autograd.detect_anomaly and TensorFlow's check_numerics elsewhere.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(NaNGuard, [[1, 2]], param_str='{"name": "conv1"}').forward()[0]
        array([1., 2.])
    """

    limit = Parameter(float, None, above=0, doc="the largest absolute value; default: any number that is finite")

    def look(self, what, values):
        # A sum is finite only of finite values, and takes one pass and no memory.
        with np.errstate(invalid="ignore", over="ignore"):
            if self.limit is None and math.isfinite(float(values.sum())):
                return
        good = self.xp.isfinite(values)
        if self.limit is not None:
            good &= abs(values) <= self.limit
        bad = np.argwhere(~arrays.to_numpy(good))
        if len(bad):
            place = tuple(int(i) for i in bad[0])
            limit = "not finite" if self.limit is None else f"not within {self.limit:g}"
            raise checks.error(
                self,
                f"{self._where()}: {len(bad)} of {math.prod(values.shape)} values of the {what} are {limit}, "
                f"first {float(values[place]):g} at {place}",
            )
