"""Cost volumes: how alike each place of a map is to the places around it on another, for optical flow and stereo.

layer {
  name: "corr"  type: "Python"
  bottom: "conv3a"  bottom: "conv3b"  top: "corr"
  python_param {
    module: "caffe_pylayers.cost_volume"  layer: "Correlation"
    param_str: "{pad: 20, kernel_size: 1, max_displacement: 20, stride_2: 2}"
  }
}
layer {
  name: "corr"  type: "Python"
  bottom: "left"  bottom: "right"  top: "corr"
  python_param {
    module: "caffe_pylayers.cost_volume"  layer: "Correlation1D"
    param_str: "{pad: 40, kernel_size: 1, max_displacement: 40, single_direction: -1}"
  }
}
"""

from __future__ import annotations

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Layer, Parameter
from caffe_pylayers._layer.functions.displacements import Axis, band, gather, scatter

__all__ = [
    "Correlation",
    "Correlation1D",
    "differences_backward",
    "differences_forward",
    "products_backward",
    "products_forward",
]


def products_forward(xp, near, far, step, displacements, work):
    """Return (B, n, D): [b, i, d] = sum over c of near[b, i, c] far[b, step i + d, c].

    near: (B, n + 1, C), the last row for nothing. far: (B, M, C), M >= step n. work: (B, n + 1, M), receives them.
    """
    xp.matmul(near, far.swapaxes(1, 2), out=work)
    return band(work, step, displacements)


def products_backward(xp, near, far, step, d_values, work, wanted=(True, True)):
    """Return d_near and d_far of products_forward, None where not wanted; work: zeros where there is no band."""
    band(work, step, d_values.shape[2])[...] = d_values
    return (
        xp.matmul(work, far) if wanted[0] else None,
        xp.matmul(work.swapaxes(1, 2), near) if wanted[1] else None,
    )


def differences_forward(xp, near, far, step, displacements, work):
    """Return (B, n, D): [b, i, d] = sum over c of |near[b, i, c] - far[b, step i + d, c]|, as products_forward."""
    near = near[:, :-1]
    for d in range(displacements):
        work[:, :-1, d] = abs(near - far[:, _met(d, step, near)]).sum(-1)
    return work[:, :-1, :displacements]


def differences_backward(xp, near, far, step, d_values, work, wanted=(True, True)):
    """Return d_near and d_far of differences_forward, None where not wanted; of a difference of 0 they are 0."""
    d_near, d_far = (xp.zeros_like(block) if w else None for block, w in zip((near, far), wanted))
    near = near[:, :-1]
    for d in range(d_values.shape[2]):
        there = _met(d, step, near)
        slopes = xp.sign(near - far[:, there]) * d_values[:, :, d, None]
        if d_near is not None:
            d_near[:, :-1] += slopes
        if d_far is not None:
            d_far[:, there] -= slopes
    return d_near, d_far


def _met(displacement, step, near):
    return slice(displacement, displacement + step * (near.shape[1] - 1) + 1, step)


_FORMULAS = {
    "multiply": (products_forward, products_backward),
    "subtract": (differences_forward, differences_backward),
}


def _flat(block):
    """Return (rows, N, ...) as (rows N, ...)."""
    return block.reshape(block.shape[0] * block.shape[1], *block.shape[2:])


class Correlation(Layer):
    """How alike each place of a map is to those around it on another: the mean product, or difference, of windows.

    top[n, q, y, x] = mean over the K x K window and the channels c of a[n, c, s y + m + j, s x + m + i]
    b[n, c, s y + m + j + dy, s x + m + i + dx], on both maps with pad zeros around, m = max_displacement, s = stride_1;
    q = (R + dy / t) (2 R + 1) + R + dx / t over the dy and dx of -R t ... R t, R = m // t, t = stride_2

    Bottom:
        [0] a (N, C, H, W)
        [1] b, the shape of a
    Top:
        [0] (N, (2 R + 1)**2, h, w), h = ceil((H + 2 pad - 2 m - K + 1) / s), and w likewise
    Backward:
        The exact gradients of both; of a difference of 0 it is 0.
    Raises:
        ValueError for shapes that differ, for a kernel_size that is even, and for maps that are too small for it.
    References:
        Dosovitskiy et al., "FlowNet: Learning Optical Flow with Convolutional Networks", 2015, arXiv:1504.06852.
        Correlation of lmb-freiburg/flownet2 and twhui/LiteFlowNet, here on the CPU too, with their correlation_param:
        do_abs there does nothing, and the gradient of SUBTRACT takes its signs from other places than the differences.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> text = "{pad: 1, kernel_size: 1, max_displacement: 1}"
        >>> bottoms = [[[[1, 2], [3, 4]], [[0, 1], [1, 0]]]], [[[[1, 0], [0, 1]], [[2, 2], [2, 2]]]]
        >>> LayerRun(Correlation, bottoms, param_str=text).forward()[0][0, 4]
        array([[0.5, 1. ],
               [1. , 2. ]])
    """

    array_api = True

    kernel_size = Parameter(int, low=1, doc="K, odd: height and width of the windows that are compared")
    max_displacement = Parameter(int, low=0, doc="m")
    pad = Parameter(int, 0, low=0, doc="rows and columns of zeros on each side")
    stride_1 = Parameter(int, 1, low=1, doc="s, between the places of a")
    stride_2 = Parameter(int, 1, low=1, doc="t, between the displacements")
    correlation_type = Parameter(str, "multiply", choices=tuple(_FORMULAS), doc="of the products, or of |a - b|")

    def setup(self, bottom, top):
        checks.tops(self, top, "volume")
        if self.kernel_size % 2 == 0:
            raise checks.error(self, f"kernel_size must be odd, got {self.kernel_size}")

    def plan(self, a, b):
        shape = tuple(a.shape)
        if len(shape) != 4:
            raise checks.error(self, f"bottom[0] (a) must have the shape (N, C, H, W), got {shape}")
        checks.same_shape(self, "bottom[1] (b)", b.shape, "bottom[0] (a)", shape)
        count, channels = shape[:2]
        rows, columns = self._axes = self.axes(*shape[2:])
        if min(rows.places, columns.places) < 1:
            raise checks.error(self, f"maps of {shape[2:]} have no place for the window and its displacements")
        self._view = count, rows.displacements, columns.displacements, rows.places, columns.places
        self._scale = 1 / max(channels * self.kernel_size**2, 1)
        near_rows, far_rows, self._rows = rows.whole(0)
        near, far, _, _ = next(columns.classes(0))
        self._near = arrays.new(a, (near_rows.size, count, near.size + 1, channels))  # with a place more for the band
        self._far = arrays.new(a, (far_rows.size, count, far.size, channels))
        self._work = arrays.new(a, (near_rows.size * count, near.size + 1, far.size))
        return [(count, rows.displacements * columns.displacements, rows.places, columns.places)]

    def forward(self, bottom, top):
        volume, compute = top[0].data.reshape(self._view), _FORMULAS[self.correlation_type][0]
        arrays.fill(volume, 0)
        for *_, step, places in self._blocks(bottom):
            for d, there in enumerate(self._rows):
                far = self._far[there]
                values = compute(self.xp, _flat(self._near), _flat(far), step, self._view[2], self._work)
                part = self._part(volume, d, places)
                part += values.reshape(*far.shape[:2], *values.shape[1:])[:, :, : part.shape[2]]
        volume *= self._scale

    def backward(self, top, propagate_down, bottom):
        d_volume, compute = top[0].diff.reshape(self._view), _FORMULAS[self.correlation_type][1]
        wanted = [bool(propagate_down[i]) for i in range(2)]
        d_near, d_far = self.xp.empty_like(self._near), self.xp.empty_like(self._far)
        d_values = arrays.new(self._near, (*self._near.shape[:2], self._near.shape[2] - 1, self._view[2]))
        for array in (d_values, self._work, *(bottom[i].diff for i in range(2) if wanted[i])):
            arrays.fill(array, 0)
        for near_at, far_at, step, places in self._blocks(bottom):
            arrays.fill(d_near, 0)
            arrays.fill(d_far, 0)
            for d, there in enumerate(self._rows):
                part, far = self._part(d_volume, d, places), self._far[there]
                d_values[:, :, : part.shape[2]] = part * self._scale
                d_values[:, :, part.shape[2] :] = 0
                found = compute(self.xp, _flat(self._near), _flat(far), step, _flat(d_values), self._work, wanted)
                if wanted[0]:
                    d_near += found[0].reshape(d_near.shape)
                if wanted[1]:
                    d_far[there] += found[1].reshape(far.shape)
            if wanted[0]:
                scatter(self.xp, d_near[:, :, :-1], near_at, bottom[0].diff)
            if wanted[1]:
                scatter(self.xp, d_far, far_at, bottom[1].diff)

    def axes(self, height, width):
        """Return the two axes of the volume."""
        return self.searched(height), self.searched(width)

    def searched(self, size, direction=0):
        """Return an axis with displacements to both sides, or to that of direction, -1 or 1."""
        radius = self.max_displacement // self.stride_2
        places = -(-(size + 2 * (self.pad - self.max_displacement) - self.kernel_size + 1) // self.stride_1)
        count = radius + 1 if direction else 2 * radius + 1
        first = {-1: -count, 0: -radius, 1: 0}[direction] * self.stride_2
        return Axis(places, self.max_displacement - self.pad, self.stride_1, first, self.stride_2, count)

    def _blocks(self, bottom):
        """Yield (where a is read, where b is, step, the columns of the volume), with the values in the two blocks."""
        rows, columns = self._axes
        self._near[:, :, -1] = 0
        for j in range(self.kernel_size):
            near_rows, far_rows, _ = rows.whole(j)
            for i in range(self.kernel_size):
                for near, far, step, places in columns.classes(i):
                    gather(self.xp, bottom[0].data, (near_rows, near), self._near[:, :, :-1])
                    gather(self.xp, bottom[1].data, (far_rows, far), self._far)
                    yield (near_rows, near), (far_rows, far), step, places

    def _part(self, volume, row, places):
        """Return the volume (N, Dy, Dx, h, w) at a displacement of rows and some columns, (h, N, columns, Dx)."""
        return self.xp.moveaxis(volume[:, row, :, :, places], (0, 1, 2, 3), (1, 3, 0, 2))


class Correlation1D(Correlation):
    """How alike each place of a map is to those beside it on another, for stereo: Correlation along rows.

    top[n, q, y, x] = mean over the K x K window and the channels c of a[n, c, s y + j, s x + m + i]
    b[n, c, s y + j, s x + m + i + dx], with pad zeros on the left and right; q = R + dx / t, dx = -R t ... R t.
    single_direction -1 has dx = -(R + 1) t ... -t, and 1 has 0 ... R t.

    Bottom:
        [0] a (N, C, H, W)
        [1] b, the shape of a
    Top:
        [0] (N, 2 R + 1, h, w), or R + 1 channels; h = ceil((H - K + 1) / s)
    Backward:
        As Correlation.
    Raises:
        As Correlation.
    References:
        Mayer et al., "A Large Dataset to Train Convolutional Networks for Disparity, Optical Flow, and Scene Flow
        Estimation", 2016, arXiv:1512.02134. Correlation1D of lmb-freiburg/flownet2.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(Correlation1D, [[[[[1, 2, 3]]]], [[[[4, 5, 6]]]]],
        ...     param_str="{pad: 1, kernel_size: 1, max_displacement: 1}")
        >>> run.forward()[0][0, :, 0]
        array([[ 0.,  8., 15.],
               [ 4., 10., 18.],
               [ 5., 12.,  0.]])
    """

    single_direction = Parameter(int, 0, choices=(-1, 0, 1), doc="to the left only, -1; to both sides; to the right, 1")

    def axes(self, height, width):
        rows = -(-(height - self.kernel_size + 1) // self.stride_1)
        return Axis(rows, 0, self.stride_1, 0, self.stride_1, 1), self.searched(width, self.single_direction)
