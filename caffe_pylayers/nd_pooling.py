"""Pooling over any number of axes, of videos and volumes: Caffe's own does for maps.

layer {
  name: "pool2"  type: "Python"  bottom: "conv2a"  top: "pool2"
  python_param {
    module: "caffe_pylayers.nd_pooling"  layer: "NdPooling"
    param_str: "{pool: max, kernel_size: [2, 2, 2], stride: [2, 2, 2]}"
  }
}
"""

from __future__ import annotations

import math

import numpy as np

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Layer, Parameter
from caffe_pylayers._layer.functions import fused
from caffe_pylayers._layer.functions.windows import Window

__all__ = [
    "NdPooling",
    "average_pool_backward",
    "average_pool_forward",
    "max_pool_backward",
    "max_pool_forward",
]


def max_pool_forward(xp, x, windows, y):
    """Write y, the maxima of x, pooled along one axis after another; return what max_pool_backward needs of it."""
    if fused.has_max_pool(xp, x, windows):
        return fused.max_pool_forward(xp, x, windows, y)
    stages = [x]
    for window in windows:
        pooled = window.pooled(stages[-1])
        arrays.fill(pooled, -math.inf)
        for at, of in window.places():
            xp.maximum(pooled[at], stages[-1][of], out=pooled[at])
        stages.append(pooled)
    y[...] = stages[-1]
    return stages


def max_pool_backward(xp, x, kept, windows, d_y, d_x):
    """Write d_x of max_pool_forward: the first maximum of a window gets its gradient."""
    if fused.has_max_pool(xp, x, windows):
        fused.max_pool_backward(xp, x, kept, windows, d_y, d_x)
        return
    nothing = arrays.new(d_y, ())
    arrays.fill(nothing, 0)
    for number in range(len(windows) - 1, -1, -1):
        window, pooled_of, pooled = windows[number], kept[number], kept[number + 1]
        into, rest = d_x if number == 0 else xp.empty_like(pooled_of), arrays.astype(d_y, d_y)
        arrays.fill(into, 0)
        for at, of in window.places():
            first = xp.where(pooled_of[of] == pooled[at], rest[at], nothing)
            into[of] += first
            rest[at] -= first
        d_y = into


def average_pool_forward(xp, x, windows, sizes):
    """Return the sum over each window, divided by its size; sizes broadcast to the result."""
    for window in windows:
        y = window.pooled(x)
        arrays.fill(y, 0)
        for at, of in window.places():
            y[at] += x[of]
        x = y
    return x / sizes


def average_pool_backward(xp, windows, sizes, d_y, d_x):
    """Write d_x of average_pool_forward."""
    d_y = d_y / sizes
    for number in range(len(windows) - 1, -1, -1):
        window, shape = windows[number], list(d_y.shape)
        shape[window.axis] = window.size
        into = d_x if number == 0 else arrays.new(d_y, shape)
        arrays.fill(into, 0)
        for at, of in window.places():
            into[of] += d_y[at]
        d_y = into


class NdPooling(Layer):
    """The maximum or the mean of each window of a video, a volume, or anything else behind the channels.

    On each axis ceil((size + 2 pad - kernel_size) / stride) + 1 windows, or floor, as round_mode says; with a pad less
    one that would begin behind it. A mean counts the zeros of the pad, not what is outside it.

    Bottom:
        [0] x (N, C, ...), such as (N, C, L, H, W) with L frames
    Top:
        [0] (N, C, windows on each axis ...)
    Backward:
        max: all of a window's gradient to its first maximum; ave: to each value its share.
    Raises:
        ValueError for sizes of another number than the bottom's axes, a window outside the values, and in place.
    References:
        NdPooling of chuckcho/video-caffe, whose kernel_shape, stride_shape and pad_shape are kernel_size, stride and
        pad; Pooling3D of facebook/C3D. video-caffe's runs on cuDNN, which divides every mean by the product of
        kernel_size. On two axes it is Caffe's Pooling, with the round_mode of Caffe after 1.0, and the ceil_mode of
        forks.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(NdPooling, [[[[1, 4, 2, 3, 0]]]], param_str="{kernel_size: [2], stride: [2]}").forward()[0]
        array([[[4., 3., 0.]]])
    """

    array_api = True

    pool = Parameter(str, "max", choices=("max", "ave"), doc="what is taken of a window")
    kernel_size = Parameter([int], (), low=1, doc="of the window, on each axis after the channels; one: on all")
    stride = Parameter([int], (1,), low=1, doc="from window to window, likewise")
    pad = Parameter([int], (0,), low=0, doc="zeros around the values, which no maximum sees, likewise")
    global_pooling = Parameter(bool, False, doc="the window is the whole array, in place of kernel_size")
    round_mode = Parameter(
        str,
        "ceil",
        choices=("ceil", "floor"),
        doc="ceil: windows for all values; floor: those within the pads",
    )

    def setup(self, bottom, top):
        checks.tops(self, top, "pooled")
        if bool(self.kernel_size) == self.global_pooling:
            raise checks.error(self, "needs one of kernel_size and global_pooling")

    def plan(self, x):
        shape = tuple(x.shape)
        if len(shape) < 3 or 0 in shape[2:]:
            raise checks.error(self, f"bottom[0] must have the shape (N, C, ...) with values behind C, got {shape}")
        kernels = shape[2:] if self.global_pooling else self._on_axes("kernel_size", len(shape) - 2)
        strides, pads = (self._on_axes(name, len(shape) - 2) for name in ("stride", "pad"))
        whole = self.round_mode == "floor"
        along = zip(range(2, len(shape)), shape[2:], kernels, strides, pads)
        windows = [Window.along(*sizes, whole=whole) for sizes in along]
        for window in windows:
            last = (window.outputs - 1) * window.stride - window.pad
            if window.pad >= window.kernel or not -window.pad <= last < window.size:
                raise checks.error(
                    self,
                    f"a window of {window.kernel} with stride {window.stride} and pad {window.pad} sees no value at "
                    f"an end of axis {window.axis} of size {window.size}",
                )
        # The last axis first, so that of equal maxima the first one in memory is found.
        self._windows = [window for window in reversed(windows) if (window.kernel, window.stride) != (1, 1)]
        sizes = np.ones((1, 1))
        for window in windows:
            sizes = sizes[..., None] * window.sizes()
        self._sizes = arrays.from_numpy(sizes, x)
        return [(*shape[:2], *(window.outputs for window in windows))]

    def forward(self, bottom, top):
        x = bottom[0].data
        if self.pool == "max":
            self._kept = max_pool_forward(self.xp, x, self._windows, top[0].data)
        else:
            top[0].data[...] = average_pool_forward(self.xp, x, self._windows, self._sizes)

    def backward(self, top, propagate_down, bottom):
        if not propagate_down[0]:
            return
        d_y, d_x = top[0].diff, bottom[0].diff
        if not self._windows:
            d_x[...] = d_y
        elif self.pool == "max":
            max_pool_backward(self.xp, bottom[0].data, self._kept, self._windows, d_y, d_x)
        else:
            average_pool_backward(self.xp, self._windows, self._sizes, d_y, d_x)

    def _on_axes(self, name, axes):
        given = getattr(self, name)
        if len(given) not in (1, axes):
            raise checks.error(self, f"{name} must have one value, or {axes} for the axes of bottom[0], got {given}")
        return given * axes if len(given) == 1 else given
