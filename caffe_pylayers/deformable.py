"""Convolution whose windows the net itself deforms: Deformable ConvNets.

layer {
  name: "offset"  type: "Convolution"  bottom: "res5a"  top: "offset"
  convolution_param { num_output: 18  kernel_size: 3  pad: 1  weight_filler { type: "constant" } }
}
layer {
  name: "res5b"  type: "Python"  bottom: "res5a"  bottom: "offset"  top: "res5b"
  param { lr_mult: 1 }  param { lr_mult: 2 }
  python_param {
    module: "caffe_pylayers.deformable"  layer: "DeformableConvolution"
    param_str: "{num_output: 512, kernel_size: [3], pad: [1], filler: msra}"
  }
}
"""

from __future__ import annotations

import math

import numpy as np

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.bases.learned import Filled, learn
from caffe_pylayers._layer.functions.map_sampler import MapSampler

__all__ = [
    "DeformableConvolution",
    "grouped_product_backward",
    "grouped_product_forward",
    "window_places",
]


def window_places(sizes, kernel, stride, pad, dilation):
    """Return (y, x), the place of each value of each window on a map, int (K, L): K values of L windows.

    y = oy stride - pad + i dilation for row i of a window and row oy of windows, x likewise; all sizes are (rows,
    columns), and sizes is how many windows there are.
    """
    along = [
        stride[axis] * np.arange(sizes[axis]) - pad[axis] + dilation[axis] * np.arange(kernel[axis])[:, None]
        for axis in range(2)
    ]
    shape = (*kernel, *sizes)
    grids = along[0][:, None, :, None], along[1][None, :, None, :]
    return [np.broadcast_to(grid, shape).reshape(kernel[0] * kernel[1], -1) for grid in grids]


def grouped_product_forward(xp, weights, columns, out):
    """Write out[n, g] = weights[g] columns[n, g]: (G, O, K) times (N, G, K, L) is (N, G, O, L)."""
    xp.matmul(weights, columns, out=out)


def grouped_product_backward(xp, weights, columns, d_out, d_weights=None, d_columns=None):
    """Add the gradient of the weights to theirs, and write that of the columns, where they are asked for."""
    if d_weights is not None:
        d_weights += xp.matmul(d_out, columns.swapaxes(2, 3)).sum(0)
    if d_columns is not None:
        xp.matmul(weights.swapaxes(1, 2), d_out, out=d_columns)


class DeformableConvolution(Filled):
    """Convolution whose windows are not rows and columns: each value of each window has an offset of its own.

    top[n, o, p] = b[o] + sum over c, k of W[o, c, k] x[n, c] at p stride - pad + k dilation + offset[n, g, k, p],
    over the channels c of the group that o is of, with g the deformable group of c; between cells by bilinear
    interpolation, beyond the last ones by these; where it is outside [0, H) x [0, W), 0

    Bottom:
        [0] x (N, C, H, W)
        [1] offset (N, 2 K deformable_groups, H', W') in cells, of the size of the top: for each group of channels, and
            each of the K values of a window, down and to the right
    Top:
        [0] (N, num_output, H', W'), H' = floor((H + 2 pad - dilation (kernel_size - 1) - 1) / stride) + 1
    Learned:
        [0] W (num_output, C / groups, kernel_size); [1] b (num_output,), with bias_term
    Backward:
        The exact gradients of all; at a cell's centre, where that of the offset has a step, the one to the right and
        below.
    Raises:
        ValueError for shapes that do not fit, for channels that are no multiple of the groups, and in place.
    References:
        Dai et al., "Deformable Convolutional Networks", 2017, arXiv:1703.06211. DeformableConvolution of unsky/FPN and
        makefile/frcnn, whose deformable_convolution_param has these names, group and deformable_group (4 there where it
        is not set), here on the CPU too; they take offsets of the size of x alone, which with a stride of 1 is the
        top's. torchvision's deform_conv2d goes on half a cell around the map, from -1 to H.
    Example:
        >>> import numpy as np
        >>> from caffe_pylayers.testing import LayerRun
        >>> offset = np.array([[0, 0, 0], [0, 0.5, 1]]).reshape(1, 2, 1, 3)
        >>> text = "{num_output: 1, kernel_size: [1], filler: constant, filler_value: 1}"
        >>> LayerRun(DeformableConvolution, [[[[[2, 4, 6]]]], offset], param_str=text).forward()[0]
        array([[[[2., 5., 0.]]]])
    """

    array_api = True

    num_output = Parameter(int, low=1, doc="channels of the top")
    kernel_size = Parameter([int], low=1, length=(1, 2), doc="of the window, rows and columns; one: both")
    stride = Parameter([int], (1,), low=1, length=(1, 2), doc="from window to window, likewise")
    pad = Parameter([int], (0,), low=0, length=(1, 2), doc="zeros around the map, likewise")
    dilation = Parameter([int], (1,), low=1, length=(1, 2), doc="from value to value of a window, likewise")
    groups = Parameter(int, 1, low=1, doc="of channels, each of which gives its share of the top's")
    deformable_groups = Parameter(int, 1, low=1, doc="of channels, each with offsets of its own")
    bias_term = Parameter(bool, True, doc="b is there")
    bias = Parameter(float, 0.0, doc="the biases before training")

    def setup(self, bottom, top):
        checks.bottoms(self, bottom, "x", "offset")
        checks.tops(self, top, "convolved")
        self._kernel, self._stride, self._pad, self._dilation = (
            (*values, *values) if len(values) == 1 else tuple(values)
            for values in (self.kernel_size, self.stride, self.pad, self.dilation)
        )
        channels = self._channels(bottom[0].data)
        if self.num_output % self.groups:
            raise checks.error(self, f"num_output {self.num_output} must be a multiple of groups {self.groups}")
        weights = self.filled(self.num_output, channels // self.groups, *self._kernel)
        learn(self, weights, *[np.full(self.num_output, self.bias)] * self.bias_term)

    def plan(self, x, offset):
        channels, made_for = self._channels(x), self.blobs[0].shape[1] * self.groups
        if channels != made_for:
            raise checks.error(self, f"bottom[0] (x) has {channels} channels, but W was made for {made_for}")
        count, _, *size = x.shape
        windows = self._windows(size)
        values, each, deformed = math.prod(self._kernel), math.prod(windows), self.deformable_groups
        wanted = (count, 2 * values * deformed, *windows)
        if tuple(offset.shape) != wanted:
            raise checks.error(self, f"bottom[1] (offset) must have shape {wanted}, got {tuple(offset.shape)}")
        self._y, self._x = (
            arrays.from_numpy(places, offset)
            for places in window_places(windows, self._kernel, self._stride, self._pad, self._dilation)
        )
        # A map for each group of channels with offsets of its own.
        self._maps = count * deformed, channels // deformed, *size
        self._offsets, self._places = (count * deformed, values, 2, each), (count * deformed, values * each)
        self._sampler = MapSampler(self.xp, x, self._maps, values * each, "inside")
        self._columns = arrays.new(x, (count, self.groups, channels // self.groups * values, each))
        self._out = count, self.groups, self.num_output // self.groups, each
        return [(count, self.num_output, *windows)]

    def forward(self, bottom, top):
        offset = bottom[1].data.reshape(self._offsets)
        y, x = ((place + offset[:, :, i]).reshape(self._places) for i, place in enumerate((self._y, self._x)))
        self._sampler.forward(bottom[0].data.reshape(self._maps), x, y, self._by_map(self._columns))
        out = top[0].data.reshape(self._out)
        grouped_product_forward(self.xp, self._matrix(self.blobs[0].data), self._columns, out)
        if self.bias_term:
            out += self.blobs[1].data.reshape(1, *self._out[1:3], 1)

    def backward(self, top, propagate_down, bottom):
        d_out = top[0].diff.reshape(self._out)
        weights, d_weights = (self._matrix(values) for values in (self.blobs[0].data, self.blobs[0].diff))
        d_columns = self.xp.empty_like(self._columns) if any(propagate_down) else None
        grouped_product_backward(self.xp, weights, self._columns, d_out, d_weights, d_columns)
        if self.bias_term:
            self.blobs[1].diff[...] += d_out.sum(3).sum(0).reshape(-1)
        if d_columns is None:
            return
        d_maps = bottom[0].diff.reshape(self._maps) if propagate_down[0] else None
        d_offset = self._sampler.backward(self._by_map(d_columns), d_maps, propagate_down[1])  # x, y
        if propagate_down[1]:
            maps, values, _, each = self._offsets
            d_offset = d_offset.reshape(maps, values, each, 2).swapaxes(2, 3)
            of = bottom[1].diff.reshape(self._offsets)
            of[:, :, 0], of[:, :, 1] = d_offset[:, :, 1], d_offset[:, :, 0]

    def _channels(self, x):
        shape = tuple(x.shape)
        if len(shape) != 4 or 0 in shape[1:]:
            raise checks.error(self, f"bottom[0] (x) must be maps (N, C, H, W) with values, got shape {shape}")
        for name in ("groups", "deformable_groups"):
            if shape[1] % getattr(self, name):
                raise checks.error(self, f"bottom[0] (x) must have a multiple of {name} channels, got shape {shape}")
        return int(shape[1])

    def _windows(self, size):
        """Return how many windows there are, from top to bottom and from left to right."""
        reach = [dilation * (kernel - 1) + 1 for kernel, dilation in zip(self._kernel, self._dilation)]
        room = [n + 2 * pad - needed for n, pad, needed in zip(size, self._pad, reach)]
        if min(room) < 0:
            raise checks.error(
                self,
                f"windows of {tuple(reach)} cells, kernel_size {self._kernel} with dilation {self._dilation}, need as "
                f"many in bottom[0] (x) with pad, got {tuple(size)} with pad {self._pad}",
            )
        return [n // stride + 1 for n, stride in zip(room, self._stride)]

    def _matrix(self, values):
        return values.reshape(self.groups, self.num_output // self.groups, -1)

    def _by_map(self, columns):
        """Return columns as the values (maps, channels, places) that the sampler writes."""
        return columns.reshape(*self._maps[:2], self._places[1])
