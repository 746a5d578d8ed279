"""Codes of positions in a sequence or a map, for layers that take their input as a set.

layer {
  name: "positions"  type: "Python"  bottom: "words"  top: "placed"
  python_param { module: "caffe_pylayers.position_codes"  layer: "PositionalEncoding"  param_str: "{axis: -1}" }
}
"""

from __future__ import annotations

import numpy as np

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Layer, Parameter

__all__ = ["PositionalEncoding", "positional_encoding"]


def positional_encoding(count, channels, base=10000.0):
    """Return (count, channels): channel 2 i is sin(p / base**(2 i / channels)) at position p, 2 i + 1 the cosine."""
    angles = np.arange(count)[:, None] / base ** (np.arange(0, channels, 2) / channels)
    return np.stack([np.sin(angles), np.cos(angles)], 2).reshape(count, channels)


class PositionalEncoding(Layer):
    """Sines and cosines of the position, added to the features or as a blob of their own.

    top = x + c, of a sequence c[p, 2 i] = sin(p / base**(2 i / E)), c[p, 2 i + 1] = cos(p / base**(2 i / E)) for E
    channels; of a map the first E / 2 channels are such codes of the row, the others of the column.

    Bottom:
        [0] features x (N, E, L) or (N, E, H, W); with axis -1 (N, L, E) or (N, H, W, E); with batch_axis 1 and axis -1
            (L, N, E), as Caffe's recurrent layers have it
    Top:
        [0] the shape of x; may be the bottom where the codes are added
    Backward:
        d_x = d, zeros where the codes are not added.
    Raises:
        ValueError for shapes without one or two axes of positions, and for channels that 2, or 4 for a map, does not
        divide.
    References:
        Vaswani et al., "Attention Is All You Need", 2017, arXiv:1706.03762; of a map as in Carion et al., "End-to-End
        Object Detection with Transformers", 2020, arXiv:2005.12872, rows first, without its normalization. Learned
        codes are LearnedShift of caffe_pylayers.learned.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(PositionalEncoding, [[[[0, 0], [0, 0]]]]).forward()[0].round(3)
        array([[[0.   , 0.841],
                [1.   , 0.54 ]]])
    """

    array_api = True
    in_place = True

    axis = Parameter(int, 1, doc="the channels' axis; negative counts from the end")
    batch_axis = Parameter(int, 0, doc="the samples' axis; the others are positions")
    base = Parameter(float, 10000.0, above=1, doc="the longest wave is 2 pi base positions")
    added = Parameter(bool, True, doc="false: the top has the codes alone")

    def setup(self, bottom, top):
        checks.tops(self, top, "placed")

    def plan(self, features):
        shape, what = tuple(features.shape), f"bottom[0] of shape {tuple(features.shape)}"
        axis, batch = (checks.axis(self, value, len(shape), what) for value in (self.axis, self.batch_axis))
        places = [i for i in range(len(shape)) if i not in (axis, batch)]
        if axis == batch or len(places) not in (1, 2):
            raise checks.error(
                self, f"needs an axis of channels, one of samples and one or two of positions, got {what}"
            )
        channels, divisor = shape[axis], 2 * len(places)
        if channels % divisor:
            raise checks.error(self, f"the channels must be divisible by {divisor}, got {what}, axis {axis}")
        each = channels // len(places)
        whole = np.zeros([shape[i] for i in places] + [channels])
        for i, place in enumerate(places):  # rows, then columns
            codes = positional_encoding(shape[place], each, self.base)
            whole[..., i * each : (i + 1) * each] = codes if place == places[-1] else codes[:, None]
        order = [*places, axis]
        whole = whole.transpose(np.argsort(order)).reshape([1 if i == batch else n for i, n in enumerate(shape)])
        self._codes = arrays.from_numpy(whole, features)
        return [shape]

    def forward(self, bottom, top):
        if self.added:
            self.xp.add(bottom[0].data, self._codes, out=top[0].data)
        else:
            top[0].data[...] = self._codes

    def backward(self, top, propagate_down, bottom):
        if not propagate_down[0]:
            return
        if not self.added:
            arrays.fill(bottom[0].diff, 0)
        elif arrays.address(bottom[0].diff) != arrays.address(top[0].diff):
            bottom[0].diff[...] = top[0].diff
