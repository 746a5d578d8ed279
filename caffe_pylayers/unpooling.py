"""Maps put back to where max pooling took them from.

layer {
  name: "pool"  type: "Pooling"  bottom: "conv"  top: "pool"  top: "mask"
  pooling_param { pool: MAX  kernel_size: 2  stride: 2 }
}
layer {
  name: "unpool"  type: "Python"
  bottom: "decoded"  bottom: "mask"  bottom: "conv"  top: "unpool"
  python_param { module: "caffe_pylayers.unpooling"  layer: "MaxUnpool" }
}
"""

from __future__ import annotations

import math

from caffe_pylayers._layer import arrays, checks, late
from caffe_pylayers._layer.base import Layer, Parameter

__all__ = ["MaxUnpool", "kept_values", "unpool_backward", "unpool_forward"]


def unpool_forward(maps, index, unpooled):
    """Write maps (M, n) into zeros (M, m), each row's values at its index; of several at one place the last stays."""
    arrays.fill(unpooled, 0)
    if arrays.on_device(maps):
        kept = kept_values(arrays.namespace(maps), index, unpooled.shape[1])
        unpooled.scatter_add_(1, index, maps.masked_fill(~kept, 0))
    else:
        arrays.put_along(unpooled, index, maps, 1)


def unpool_backward(d_unpooled, index, d_maps, kept=None):
    """Write d_maps (M, n): each value's gradient at its place, 0 where it is not kept.

    kept: which values stayed at their places, see kept_values; None for all.
    """
    d_maps[...] = arrays.take_along(d_unpooled, index, 1)
    if kept is not None:
        d_maps *= kept


def kept_values(xp, index, places):
    """Return which values (M, n) no later one of their row is put over: booleans, None for all.

    index: in [0, places).
    """
    order = arrays.arange_like(index, index.shape[1])
    if arrays.on_device(index):  # which keeps no order among writes to one place, and is not to be waited for
        last = index.new_zeros((len(index), places)).scatter_reduce_(1, index, order.expand_as(index), "amax")
        return arrays.take_along(last, index, 1) == order
    taken = arrays.new(index, (index.shape[0], places), bool)
    arrays.fill(taken, 0)
    arrays.put_along(taken, index, True, 1)
    if xp.count_nonzero(taken) == math.prod(index.shape):  # as where windows do not overlap
        return None
    last = arrays.new(index, (index.shape[0], places))
    arrays.put_along(last, index, xp.broadcast_to(order, tuple(index.shape)), 1)
    return arrays.take_along(last, index, 1) == order


class MaxUnpool(Layer):
    """Values put to where max pooling found its own, zeros around them: the way up of SegNet's decoder.

    top[n, c, mask[n, c, i]] = maps[n, c, i], of maps and top with their positions in one row.

    Bottom:
        [0] maps (N, C, h, w)
        [1] mask (N, C, h, w): the second top of Caffe's Pooling with pool: MAX, a position y W + x each
        [2] reference, optional: only its last two sizes H, W are used; the pooled maps
    Top:
        [0] unpooled (N, C, H, W)
    Backward:
        d_maps = d_unpooled[mask], 0 for a value that another one was put over, which windows that
        overlap can do; mask and reference get zeros.
    Raises:
        ValueError for a mask of another shape, and for one that leads outside the top.
    References:
        Badrinarayanan et al., "SegNet: A Deep Convolutional Encoder-Decoder Architecture for Image
        Segmentation", 2015, arXiv:1511.00561. Upsample of its Caffe, whose upsample_h and upsample_w are
        `size` and whose scale is `zoom_factor` here, and PyTorch's max_unpool2d. Both give each value the
        gradient at its place, whichever stayed there: with legacy_gradient so does this.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(MaxUnpool, [[[[5]]], [[[3]]]]).forward()[0]
        array([[[0., 0.],
                [0., 5.]]])
    """

    array_api = True

    size = Parameter((int, int), None, low=1, doc="H and W; default: zoom_factor gives them, or the reference")
    zoom_factor = Parameter([int], (2,), low=1, length=(1, 2), doc="z: h becomes h z; or one for h and one for w")
    pad_out_h = Parameter(bool, False, doc="h z - 1 in place of h z, as pooling an odd height needs it")
    pad_out_w = Parameter(bool, False, doc="the same of the width")
    legacy_gradient = Parameter(bool, False, doc="a value that another one was put over gets that one's gradient")

    def setup(self, bottom, top):
        checks.tops(self, top, "unpooled")
        if self.size is not None and len(bottom) == 3:
            raise checks.error(self, "takes either bottom[2] (reference) or the parameter size")

    def plan(self, maps, mask, reference=None):
        shape = tuple(maps.shape)
        if len(shape) < 3:
            raise checks.error(self, f"bottom[0] (maps) must have shape (N, ..., h, w), got {shape}")
        checks.same_shape(self, "bottom[1] (mask)", mask.shape, "bottom[0] (maps)", shape)
        size = self._size(shape[-2:], reference)
        rows = math.prod(shape[:-2])
        self._small, self._large = (rows, math.prod(shape[-2:])), (rows, math.prod(size))
        if self._small[1] and not self._large[1]:
            raise checks.error(self, f"bottom[0] (maps) of {shape[-2:]} cannot be put into maps of {size}")
        return [(*shape[:-2], *size)]

    def forward(self, bottom, top):
        mask = bottom[1].data
        checks.numbers(self, "bottom[1] (mask)", mask, None, 0, self._large[1] - 1)
        self._index = arrays.to_int64(mask).reshape(self._small)
        if late.is_collected(mask):  # wrong places are not known yet, and are to do no harm
            self._index = self._index.clip(0, max(self._large[1] - 1, 0))
        unpool_forward(bottom[0].data.reshape(self._small), self._index, top[0].data.reshape(self._large))

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            kept = None if self.legacy_gradient else kept_values(self.xp, self._index, self._large[1])
            d_maps = bottom[0].diff.reshape(self._small)
            unpool_backward(top[0].diff.reshape(self._large), self._index, d_maps, kept)
        for i in range(1, len(bottom)):
            if propagate_down[i]:
                arrays.fill(bottom[i].diff, 0)

    def _size(self, small, reference):
        if self.size is not None:
            return tuple(self.size)
        if reference is None:
            zoom, less = self.zoom_factor, (self.pad_out_h, self.pad_out_w)
            return tuple(max(n * z - out, 0) for n, z, out in zip(small, (*zoom, *zoom), less))
        if len(reference.shape) < 2:
            raise checks.error(self, f"bottom[2] (reference) must have shape (..., H, W), got {tuple(reference.shape)}")
        return tuple(reference.shape[-2:])
