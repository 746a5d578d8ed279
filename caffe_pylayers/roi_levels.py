"""ROIs to the levels of a feature pyramid, and back into their order.

layer {
  name: "levels"  type: "Python"
  bottom: "rois"  top: "rois_p2"  top: "rois_p3"  top: "rois_p4"  top: "rois_p5"  top: "order"
  python_param { module: "caffe_pylayers.roi_levels"  layer: "ROIsToLevels"  param_str: "k_min: 2" }
}

layer {
  name: "pool_p2"  type: "Python"
  bottom: "p2"  bottom: "rois_p2"  top: "pool_p2"  # and so on, to pool_p5
  python_param {
    module: "caffe_pylayers.roi_pooling"  layer: "ROIAlign"
    param_str: "{pooled_h: 7, pooled_w: 7, spatial_scale: 0.25, sampling_ratio: 2}"
  }
}
layer {
  name: "pool_levels"  type: "Concat"
  bottom: "pool_p2"  bottom: "pool_p3"  bottom: "pool_p4"  bottom: "pool_p5"  top: "pool_levels"
  concat_param { axis: 0 }
}
layer {
  name: "pool"  type: "BatchReindex"
  bottom: "pool_levels"  bottom: "order"  top: "pool"
  propagate_down: true  propagate_down: false
}
layer {
  name: "proposals_to_fpn3"  type: "Python"
  bottom: "proposals"  top: "proposals_to_fpn3"
  python_param {
    module: "caffe_pylayers.roi_levels"  layer: "ScaleRoute"  param_str: "{low_scale: 112, high_scale: 224}"
  }
}
"""

from __future__ import annotations

import math

import numpy as np

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.bases.no_gradient import NoGradient
from caffe_pylayers._layer.detection import box_blobs
from caffe_pylayers._layer.detection.boxes import areas, plus_one_parameter

__all__ = ["ROIsToLevels", "ScaleRoute", "of_scale", "pyramid_levels"]


def pyramid_levels(boxes, k_min, k_max, k0=4, canonical_size=224, plus_one=True):
    """Return the level of each box, int64 (R,): floor(k0 + log2(sqrt(w h) / canonical_size)), in [k_min, k_max]."""
    sizes = np.sqrt(areas(boxes.astype(np.float64), plus_one)) / canonical_size
    # The small number, Detectron's, keeps a box of the canonical size on its level in spite of rounding.
    levels = np.floor(k0 + np.log2(sizes + 1e-6))
    return levels.clip(k_min, k_max).astype(np.int64)


def of_scale(rois, low_scale=None, high_scale=None):
    """Return the indices of the ROIs (R, 5) of a scale in [low_scale, high_scale), or of the one nearest to it.

    The scale is the root of the area, x2 and y2 being the last pixel inside.
    """
    scales = np.sqrt(np.where((rois[:, 3:] < rois[:, 1:3]).any(1), 0, areas(rois[:, 1:], True)))
    low, high = low_scale or 0, math.inf if high_scale is None else high_scale
    found = np.flatnonzero((scales >= low) & (scales < high))
    if len(found) or not len(rois):
        return found
    middle = math.sqrt(low * high) if low and high < math.inf else low or (256 if high_scale is None else high)
    with np.errstate(divide="ignore"):  # the logarithm of 0
        return np.array([np.abs(np.log(scales / middle)).argmin()])


class ROIsToLevels(NoGradient):
    """ROIs spread over the levels of a feature pyramid by their size.

    k = floor(k0 + log2(sqrt(w h) / canonical_size)), moved into [k_min, k_max]

    Bottom:
        [0] ROIs (R, 5)
    Top:
        [0 .. L-1] ROIs (R_k, 5) of each of the L levels k_min, k_min + 1, .., in their order
        [L] order (R,): where in all levels' ROIs together each ROI of the bottom is, for
            BatchReindex
    Backward:
        Zeros. Caffe takes ``order`` for learned where the ROIs are proposed: BatchReindex needs
        ``propagate_down: true  propagate_down: false``.
    Raises:
        ValueError for a bottom that is no ROIs, for one that is not finite, and for fewer than two tops.
    References:
        Lin et al., "Feature Pyramid Networks for Object Detection" (FPN), 2017, arXiv:1612.03144,
        equation 1; Detectron's distribution, collect and restore layers.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> rois = [[0, 0, 0, 223, 223], [0, 0, 0, 31, 31], [0, 0, 0, 299, 299]]
        >>> run = LayerRun(ROIsToLevels, [rois], tops=4, param_str="k_min: 2")
        >>> [len(top) for top in run.forward()]
        [1, 1, 2, 3]
        >>> run.forward()[3]  # the second level has a row of zeros, no ROI
        array([2., 0., 3.])
    """

    k_min = Parameter(int, 2, doc="the level of the first top")
    k0 = Parameter(int, 4, doc="the level of a ROI of the canonical size")
    canonical_size = Parameter(float, 224.0, above=0, doc="in pixels of the input")
    pad_empty = Parameter(
        bool, True, doc="a level without ROIs has one of zeros, which order leaves out: Caffe's GPU layers need a row"
    )
    legacy_plus_one = plus_one_parameter()

    def setup(self, bottom, top):
        if len(top) < 2:
            raise checks.error(self, f"needs 2 or more tops (a level's rois, .., order), got {len(top)}")
        self._levels = len(top) - 1

    def plan(self, rois):
        box_blobs.rows(self, "bottom[0] (rois)", rois, 5)
        return [(1, 5)] * self._levels + [(1,)]

    def forward(self, bottom, top):
        rois = box_blobs.rows(self, "bottom[0] (rois)", bottom[0].data, 5)
        checks.numbers(self, "bottom[0] (rois)", rois)
        k_max = self.k_min + self._levels - 1
        level = pyramid_levels(rois[:, 1:], self.k_min, k_max, self.k0, self.canonical_size, self.legacy_plus_one)
        order = np.zeros(len(rois), np.int64)
        start = 0
        for i in range(self._levels):
            mine = np.flatnonzero(level == self.k_min + i)
            rows = max(len(mine), int(self.pad_empty))
            top[i].reshape(rows, 5)
            top[i].data[...] = rois[mine] if len(mine) else 0
            order[mine] = start + np.arange(len(mine))
            start += rows
        top[self._levels].reshape(len(rois))
        top[self._levels].data[...] = order


class ScaleRoute(NoGradient):
    """The ROIs of a range of scales, and what belongs to them: those for a level of a pyramid.

    Where there is none, it is the one whose scale, the root of its area, is nearest to the range's middle.

    Bottom:
        [0] ROIs (R, 5): the image's index, x1, y1, x2, y2
        [i] more: blobs (R, ...), a row for each ROI
    Top:
        [i] the rows of bottom[i] that are taken
    Backward:
        Zeros.
    Raises:
        ValueError for another number of bottoms than of tops, of rows than of ROIs, and for ROIs that are not finite.
    References:
        Cai and Vasconcelos, "Cascade R-CNN", 2018, arXiv:1712.00726, for Lin et al., "Feature Pyramid Networks for
        Object Detection", 2017, arXiv:1612.03144. ScaleRoute of its Caffe, with its scale_route_param. ROIsToLevels
        gives all levels at once.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> rois = [[0, 0, 0, 99, 99], [0, 0, 0, 199, 199]]
        >>> LayerRun(ScaleRoute, [rois], param_str="{low_scale: 112}").forward()[0]
        array([[  0.,   0.,   0., 199., 199.]])
    """

    low_scale = Parameter(float, None, above=0, doc="least scale, in pixels; default: none")
    high_scale = Parameter(float, None, above=0, doc="scale from which on ROIs are too large; default: none")

    def setup(self, bottom, top):
        checks.bottoms(self, bottom, "rois", *(f"rows_{i}" for i in range(1, len(top))))

    def plan(self, *blobs):
        count = len(box_blobs.rows(self, "bottom[0] (rois)", blobs[0], 5))
        for i, blob in enumerate(blobs):
            if blob.shape[:1] != (count,):
                raise checks.error(
                    self, f"bottom[{i}] must have a row for each of {count} ROIs, got {tuple(blob.shape)}"
                )
        return [(1, *blob.shape[1:]) for blob in blobs]

    def forward(self, bottom, top):
        rois = box_blobs.rows(self, "bottom[0] (rois)", bottom[0].data, 5)
        checks.numbers(self, "bottom[0] (rois)", rois)
        kept = of_scale(rois, self.low_scale, self.high_scale)
        for i in range(len(top)):
            values = bottom[i].data[kept]
            top[i].reshape(*values.shape)
            top[i].data[...] = values
