"""Maps resized so that what is too fine for the new size is averaged: images, and flows that are not known everywhere.

layer {
  name: "small"  type: "Python"
  bottom: "img"  bottom: "reference"  top: "small"
  python_param { module: "caffe_pylayers.resampling"  layer: "Resample" }
}
layer {
  name: "small_flow"  type: "Python"
  bottom: "flow_gt"  bottom: "predicted_flow"  top: "small_flow"
  python_param { module: "caffe_pylayers.resampling"  layer: "Downsample" }
}
"""

from __future__ import annotations

import math

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.bases.interpolated import Interpolated
from caffe_pylayers._layer.functions.interpolation import filter_taps, tent_taps

__all__ = ["Downsample", "Resample", "filter_taps", "tent_taps"]

_LEAST = 2 / 3 - 1e-6  # of the weights: what is not known is then half of what is, up to rounding


class _Resampled(Interpolated):
    """Maps of any shape whose last two axes are resized by self.taps."""

    def setup(self, bottom, top):
        checks.tops(self, top, "resized")
        super().setup(bottom, top)

    def plan(self, maps, reference=None):
        if len(maps.shape) < 3:
            raise checks.error(self, f"bottom[0] (maps) must have shape (N, ..., H, W), got {tuple(maps.shape)}")
        before, after = tuple(maps.shape[-2:]), self.height_and_width(reference)
        if 0 in before and 0 not in after:
            raise checks.error(self, f"bottom[0] (maps) of {before} has nothing to resize to {after}")
        return self.plan_taps(maps, after, self.taps(before, after))


class Resample(_Resampled):
    """Maps resized without aliasing: each value is a mean of those around it, weighed by a kernel as wide as the step.

    top[y, x] = sum over the map's (i, j) of k((i - y') / r) k((j - x') / s) map[i, j], with weights that add up to 1:
    y' = (y + 1/2) H / h - 1/2, x' likewise; k is a tent (bilinear), a cubic (bicubic) or the nearest value alone;
    r = H / h and s = W / w where the map shrinks and antialias is set, else 1.

    Bottom:
        [0] maps (N, C, H, W), or of any shape whose last two axes are H, W
        [1] reference, in place of the parameter size: only its last two sizes are used
    Top:
        [0] resized (N, C, h, w)
    Backward:
        d_maps, the transposed weights; the reference gets zeros.
    Raises:
        ValueError for no size, or for one given twice.
    References:
        With antialias PyTorch's interpolate(antialias=True), Pillow's resize with a = -0.5. Resample of
        lmb-freiburg/flownet2, here on the CPU too and with a gradient, has the offsets of the axes, H / (2 h) and
        W / (2 w), exchanged, and r and s below 1 where one axis grows and the other shrinks: with legacy_offsets that
        is so here. Where both have one scale it makes no difference.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(Resample, [[[[1, 3, 5, 7]]]], param_str="{size: [1, 2]}").forward()[0].round(4)
        array([[[2.4286, 5.5714]]])
    """

    mode = Parameter(str, "bilinear", choices=("nearest", "bilinear", "bicubic"), doc="k")
    antialias = Parameter(bool, True, doc="the kernel is as much wider as the map shrinks")
    legacy_offsets = Parameter(bool, False, doc="each axis begins where the other's scale says, as in flownet2")

    def taps(self, before, after):
        """Return the taps of rows and columns."""
        scales = [n / max(m, 1) for n, m in zip(before, after)]
        shrinks = [scale > 1 for scale in scales]
        if self.legacy_offsets:
            scales, shrinks = scales[::-1], [any(shrinks)] * 2
        return [
            filter_taps(n, m, self.mode, self.antialias and smaller, shift)
            for n, m, smaller, shift in zip(before, after, shrinks, scales)
        ]


class Downsample(_Resampled):
    """Maps made smaller, with the means of what is known: values that are NaN count nothing.

    top[y, x] = mean over the map's (i, j) of map[i, j], weighed by (1 - |i - y'| / r) (1 - |j - x'| / s) where these
    are positive: y' = y r, r = (H - 1) / (h - 1), and x', s likewise. NaN where the weight of NaN is more than half of
    that of the others.

    Bottom:
        [0] maps (N, C, H, W), or of any shape whose last two axes are H, W
        [1] reference, in place of the parameter size: only its last two sizes are used
    Top:
        [0] resized (N, C, h, w)
    Backward:
        d_maps, the transposed weights; 0 for what is NaN, and from what is NaN in the top. The reference gets zeros.
    Raises:
        ValueError for no size, one given twice, and a height or width that is 1 or larger than the map's, unless it is
        the map's.
    References:
        Downsample of lmb-freiburg/flownet2, here on the CPU too and with a gradient.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> maps = [[[[0, 1, 2, float("nan"), float("nan")], [4, 5, 6, 7, 8]]]]
        >>> LayerRun(Downsample, maps, param_str="{size: [2, 3]}").forward()[0].round(4)
        array([[[0.3333, 1.6667,    nan],
                [4.3333, 6.    , 7.6667]]])
    """

    def forward(self, bottom, top):
        xp, maps, resized = self.xp, bottom[0].data, top[0].data
        self._known = self._unknown = self._share = None
        known = maps == maps  # noqa: PLR0124 - NaN is not
        if not arrays.on_device(maps) and xp.count_nonzero(known) == math.prod(maps.shape):
            self.resize(maps, resized)
            return
        self._known, self._share = known, xp.empty_like(resized)
        self.resize(arrays.astype(known, maps), self._share)
        self._unknown = self._share < _LEAST
        self._share[...] = xp.where(self._unknown, xp.ones_like(self._share), self._share)
        self.resize(xp.where(known, maps, xp.zeros_like(maps)), resized)
        resized /= self._share
        resized[...] = xp.where(self._unknown, xp.full_like(resized, math.nan), resized)

    def backward(self, top, propagate_down, bottom):
        xp, d_resized = self.xp, top[0].diff
        if propagate_down[0] and self._known is not None:
            d_maps = bottom[0].diff
            self.resize_backward(xp.where(self._unknown, xp.zeros_like(d_resized), d_resized) / self._share, d_maps)
            d_maps[...] = xp.where(self._known, d_maps, xp.zeros_like(d_maps))
            propagate_down = [False, *list(propagate_down)[1:]]
        super().backward(top, propagate_down, bottom)

    def taps(self, before, after):
        """Return the taps of rows and columns."""
        if any(n != m and not 2 <= m <= n for n, m in zip(before, after)):
            raise checks.error(self, f"makes maps smaller, to 2 or more rows and columns, got {before} and {after}")
        return [None if n == m else tent_taps(n, m) for n, m in zip(before, after)]
