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
"""

from __future__ import annotations

import numpy as np

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.bases.no_gradient import NoGradient
from caffe_pylayers._layer.detection import box_blobs
from caffe_pylayers._layer.detection.boxes import areas, plus_one_parameter

__all__ = ["ROIsToLevels", "pyramid_levels"]


def pyramid_levels(boxes, k_min, k_max, k0=4, canonical_size=224, plus_one=True):
    """Return the level of each box, int64 (R,): floor(k0 + log2(sqrt(w h) / canonical_size)), in [k_min, k_max]."""
    sizes = np.sqrt(areas(boxes.astype(np.float64), plus_one)) / canonical_size
    # The small number, Detectron's, keeps a box of the canonical size on its level in spite of rounding.
    levels = np.floor(k0 + np.log2(sizes + 1e-6))
    return levels.clip(k_min, k_max).astype(np.int64)


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
