"""Maps at a grid of points of regions of interest, bilinear between cells: one point for each bin, or its corners.

layer {
  name: "roi_interpolate_conv5"  type: "Python"
  bottom: "conv5_3"  bottom: "rois"  top: "roi_interpolate_conv5"
  python_param {
    module: "caffe_pylayers.roi_grids"  layer: "ROIWarping"
    param_str: "{pooled_h: 28, pooled_w: 28, spatial_scale: 0.0625}"
  }
}
layer {
  name: "roi_grid"  type: "Python"
  bottom: "fpn2"  bottom: "rois"  top: "roi_grid"
  python_param {
    module: "caffe_pylayers.roi_grids"  layer: "ROIGrid"
    param_str: "{pooled_h: 7, pooled_w: 7, spatial_scale: 0.25}"
  }
}
"""

from __future__ import annotations

import numpy as np

from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.detection.roi_layer import PooledROILayer, in_reach, padded, rounded
from caffe_pylayers._layer.detection.roi_weights import roi_align_backward, roi_align_forward

__all__ = ["ROIGrid", "ROIWarping", "roi_grid_weights"]


def roi_grid_weights(start, step, points, size):
    """Return (first, count, weights) of the rows, or columns, that so many points of each ROI are made of.

    A point at start + k step is bilinear between two cells, that of a border beyond it, and 0 half a cell from the map
    on. The three are as roi_align_weights has them.

    start, step: float (R,), in cells. size: of the map.
    """
    at = start[:, None] + np.arange(points) * step[:, None]
    counts = (at >= -0.5) & (at <= size - 0.5)
    at = at.clip(0, max(size - 1, 0))
    low = at.astype(np.int64)
    high = np.minimum(low + 1, max(size - 1, 0))
    first = low.min(1)
    count = np.minimum(high.max(1) + 1, size) - first
    weights = np.zeros((*at.shape, int(count.max(initial=1))))
    roi, place = np.arange(len(at))[:, None], np.arange(points)
    for cell, weight in ((low, 1 - (at - low)), (high, at - low)):
        weights[roi, place, cell - first[:, None]] += weight * counts
    return first, count, weights


class _Grid(PooledROILayer):
    """A layer whose subclass has windows(rois): their upper left corners x, y and their sizes (R, 2), in cells."""

    beyond = 0  # points on each axis beyond one for each bin

    def pooled(self, shape):
        return shape[1], self.pooled_h + self.beyond, self.pooled_w + self.beyond

    def windows(self, rois):
        raise NotImplementedError(f"{type(self).__name__}: windows is not defined")

    def pool(self, xp, data, rois, features):
        starts, lengths = self.windows(rois)
        self._weights = [
            roi_grid_weights(starts[:, i], lengths[:, i] / bins, bins + self.beyond, size)
            for i, bins, size in ((1, self.pooled_h, data.shape[2]), (0, self.pooled_w, data.shape[3]))
        ]
        roi_align_forward(xp, data, rois, self._weights, features)

    def pool_backward(self, xp, data, rois, d_features, d_data):
        roi_align_backward(xp, rois, self._weights, d_features, d_data)


class ROIWarping(_Grid):
    """A ROI warped to a size: the map at the upper left corner of each of its bins, bilinear between cells.

    top[r, c, i, j] = data[n, c] at y1 + i (y2 - y1) / pooled_h, x1 + j (x2 - x1) / pooled_w, corners in whole cells

    Bottom:
        [0] data (N, C, H, W)
        [1] ROIs (R, 5): the map's index, x1, y1, x2, y2 in pixels
    Top:
        [0] features (R, C, pooled_h, pooled_w); 0 half a cell from the map on
    Backward:
        The gradient of the data; ROIs get zeros: corners in whole cells have none.
    Raises:
        ValueError for shapes that do not fit, for an index outside [0, N), and for a corner that is no finite number.
    References:
        Dai, He, Sun, "Instance-aware Semantic Segmentation via Multi-task Network Cascades", 2016, arXiv:1512.04412.
        ROIWarping of MNC's Caffe, with the fields of its roi_warping_param; that one passes a gradient on to the ROIs,
        as if their corners were not rounded.
    Example:
        >>> import numpy as np
        >>> from caffe_pylayers.testing import LayerRun
        >>> data = np.arange(16.0).reshape(1, 1, 4, 4)
        >>> text = "{pooled_h: 2, pooled_w: 2}"
        >>> LayerRun(ROIWarping, [data, [[0, 0, 0, 3, 3]]], param_str=text).forward()[0][0, 0]
        array([[0. , 1.5],
               [6. , 7.5]])
    """

    def windows(self, rois):
        corners = in_reach(rois, self.spatial_scale).astype(np.float32) * np.float32(self.spatial_scale)
        corners = rounded(corners).astype(np.float64)
        return corners[:, :2], (corners[:, 2:] - corners[:, :2]).clip(0, None)


class ROIGrid(_Grid):
    """The map at the corners of all bins of a ROI, bilinear between cells, whose centres are at half a pixel.

    top[r, c, i, j] = data[n, c] at y1 + i (y2 - y1) / pooled_h, x1 + j (x2 - x1) / pooled_w, corners less half a cell

    A Pooling AVE of kernel_size 2 and stride 1 above makes a value of each bin.

    Bottom:
        [0] data (N, C, H, W)
        [1] ROIs (R, 5): the map's index, x1, y1, x2, y2 in pixels
    Top:
        [0] features (R, C, pooled_h + 1, pooled_w + 1); 0 half a cell from the map on, and for a ROI without a size
    Backward:
        The gradient of the data; ROIs get zeros.
    Raises:
        ValueError for shapes that do not fit, for an index outside [0, N), and for a corner that is no finite number.
    References:
        Cai and Vasconcelos, "Cascade R-CNN: Delving into High Quality Object Detection", 2018, arXiv:1712.00726.
        ROIAlign of its Caffe, with the fields of its roi_pooling_param.
    Example:
        >>> import numpy as np
        >>> from caffe_pylayers.testing import LayerRun
        >>> data = np.arange(16.0).reshape(1, 1, 4, 4)
        >>> text = "{pooled_h: 1, pooled_w: 2}"
        >>> LayerRun(ROIGrid, [data, [[0, 1, 1, 3, 2]]], param_str=text).forward()[0][0, 0]
        array([[2.5, 3.5, 4.5],
               [6.5, 7.5, 8.5]])
    """

    pad_ratio = Parameter(float, 0.0, low=0, doc="a ROI becomes larger on each side by this share of its size")

    beyond = 1

    def windows(self, rois):
        corners = padded(in_reach(rois, self.spatial_scale), self.pad_ratio).astype(np.float64)
        corners = corners * self.spatial_scale - 0.5
        starts, lengths = corners[:, :2], corners[:, 2:] - corners[:, :2]
        starts[~(lengths > 0).all(1)] = -np.inf  # a ROI without a size: outside the map, where all is 0
        return starts, lengths
