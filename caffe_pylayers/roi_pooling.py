"""Features of regions of interest: a map of one size for each, whatever the region's.

layer {
  name: "roi_pool5"  type: "Python"
  bottom: "conv5_3"  bottom: "rois"  top: "pool5"
  python_param {
    module: "caffe_pylayers.roi_pooling"  layer: "ROIPooling"
    param_str: "{pooled_h: 7, pooled_w: 7, spatial_scale: 0.0625}"
  }
}
layer {
  name: "roi_align"  type: "Python"
  bottom: "conv5_3"  bottom: "rois"  top: "pool5"
  python_param {
    module: "caffe_pylayers.roi_pooling"  layer: "ROIAlign"
    param_str: "{pooled_h: 7, pooled_w: 7, spatial_scale: 0.0625, sampling_ratio: 2}"
  }
}
"""

from __future__ import annotations

import numpy as np

from caffe_pylayers._layer import arrays
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.detection.roi_layer import PooledROILayer, flat_bins, in_reach, padded, rounded
from caffe_pylayers._layer.detection.roi_weights import channels_last, roi_align_backward, roi_align_forward
from caffe_pylayers._layer.functions.range_maxima import key_places, place_keys, range_maxima

__all__ = [
    "ROIAlign",
    "ROIPooling",
    "roi_align_backward",
    "roi_align_forward",
    "roi_align_weights",
    "roi_pooling_backward",
    "roi_pooling_bins",
    "roi_pooling_forward",
]

_BLOCK = 1 << 17  # values of the maps in a part: what fits a core's cache


def roi_pooling_bins(rois, pooled, spatial_scale, size, pad_ratio=0):
    """Return ((top, bottom), (left, right)), the bins of ROIs on a map, int64 (R, ph) and (R, pw).

    ROIs are rounded to cells, half away from zero; the i-th of p bins of n cells reaches from
    floor(i n / p) to ceil((i + 1) n / p), cut to the map. All in float32, as Caffe's C++ has it.

    pooled, size: (height, width), of the top and of the map.
    pad_ratio: by which share of its size a ROI grows on each side before.
    """
    corners = in_reach(rois, spatial_scale).astype(np.float32)
    if pad_ratio:
        corners = padded(corners, pad_ratio)
    corners = rounded(corners * np.float32(spatial_scale))
    return [_axis_bins(corners[:, 1 - axis], corners[:, 3 - axis], pooled[axis], size[axis]) for axis in range(2)]


def _axis_bins(first, last, pooled, size):
    start = first[:, None].astype(np.float64)
    length = np.maximum(last - first + 1, 1)[:, None] / np.float32(pooled)
    place = np.arange(pooled + 1, dtype=np.float32)
    edges = np.floor(place[:-1] * length) + start, np.ceil(place[1:] * length) + start
    return tuple(edge.clip(0, size).astype(np.int64) for edge in edges)


def roi_pooling_forward(xp, data, rois, bins):
    """Return the maximum of each bin of each ROI, (R, C, ph, pw); 0 for an empty bin.

    data: maps (N, C, H, W).
    rois: numpy (R, 5), of which the map's index counts. bins: of roi_pooling_bins.
    """
    shape, places = flat_bins(rois, bins)
    found = range_maxima(xp, channels_last(xp, data), *places)
    return xp.moveaxis(found.reshape(*shape, data.shape[1]), -1, 1)


def roi_pooling_backward(xp, data, rois, bins, d_pooled, d_data):
    """Write to d_data the sum, over ROIs and bins, of each bin's gradient at its first maximum in row-major order."""
    _, places = flat_bins(rois, bins)
    cells = max(data.shape[0] * data.shape[2] * data.shape[3], 1)
    step = max(_BLOCK // cells, 16) if isinstance(data, np.ndarray) else max(data.shape[1], 1)
    for start in range(0, data.shape[1], step):
        part = slice(start, start + step)
        d_data[:, part] = _d_maxima(xp, data[:, part], places, d_pooled[:, part])


def _d_maxima(xp, data, bins, d_pooled):
    """Return the gradient of maps, of the maxima of their bins."""
    images, channels, height, width = data.shape
    image, rows, columns = bins
    places = key_places(range_maxima(xp, place_keys(xp, channels_last(xp, data)), image, rows, columns))
    values = channels_last(xp, d_pooled).reshape(places.shape)
    empty = np.flatnonzero((rows[1] <= rows[0]) | (columns[1] <= columns[0]))
    if len(empty):
        empty = arrays.index_like(empty, data)
        places[empty], values[empty] = 0, 0
    d_maps = arrays.new(data, (images * height * width * channels,))
    arrays.fill(d_maps, 0)
    arrays.add_at(d_maps, places.ravel(), values.ravel())
    return xp.moveaxis(d_maps.reshape(images, height, width, channels), -1, 1)


def roi_align_weights(rois, pooled, spatial_scale, size, sampling_ratio=0, aligned=False):
    """Return (first, count, weights) of the rows and of the columns that ROIs are averages of.

    A bin's value is that of sampling_ratio x sampling_ratio points, evenly spread, on average; 0 takes
    one for each cell that the bin is long, rounded up. At a point it is bilinear between cells;
    0 beyond one cell from the map. As rows and columns enter one by one, weights of each suffice:

        value[i, j] = sum(weights_y[i, y] weights_x[j, x] data[first_y + y, first_x + x])

    pooled, size: (height, width), of the top and of the map.
    first, count: int64 (R,); weights: (R, p, the largest count), 0 from its ROI's own count on.
    """
    scaled = in_reach(rois, spatial_scale) * rois.dtype.type(spatial_scale) - rois.dtype.type(0.5 if aligned else 0)
    found = []
    for axis in range(2):
        start, length = scaled[:, 1 - axis], scaled[:, 3 - axis] - scaled[:, 1 - axis]
        if not aligned:
            length = np.maximum(length, 1)
        bins = length / pooled[axis]
        points = np.full(len(rois), float(sampling_ratio)) if sampling_ratio > 0 else np.ceil(bins).clip(0, None)
        found.append(_axis_weights(start, bins, points, pooled[axis], size[axis]))
    return found


def _axis_weights(start, bins, points, pooled, size):
    """Return (first, count, weights) for bins of these lengths from start, each with so many points, (R,) all."""
    start, bins = start.astype(np.float64), bins.astype(np.float64)
    step = bins / np.maximum(points, 1)
    ends = np.stack([start + step / 2, start + bins * pooled - step / 2]).clip(0, max(size - 1, 0))
    first, last = np.floor(ends.min(0)).astype(np.int64), np.floor(ends.max(0)).astype(np.int64)
    count = np.minimum(last + 2, size) - first
    longest = int(count.max(initial=1))
    # Points are made only where they may count: a ROI may be larger than the map by any factor.
    begin = (start[:, None] + bins[:, None] * np.arange(pooled)).ravel()
    step, points = step.repeat(pooled), points.repeat(pooled)
    lowest, many = _near(begin, step, points, size)
    of = np.arange(len(begin)).repeat(many)  # the bin of each point
    place = np.arange(len(of)) - (many.cumsum() - many)[of] + lowest[of]
    at = begin[of] + (place + 0.5) * step[of]
    counts = (at >= -1) & (at <= size) & (size > 0)
    of, at = of[counts], at[counts].clip(0, max(size - 1, 0))
    low = at.astype(np.int64)
    row = of * longest - first[of // pooled]
    weights = np.zeros(len(begin) * longest)
    for cell, weight in ((low, 1 - (at - low)), (np.minimum(low + 1, size - 1), at - low)):
        weights += np.bincount(row + cell, weight / points[of], len(weights))
    return first, count, weights.reshape(len(start), pooled, longest)


def _near(begin, step, points, size):
    """Return the number of the first point of each bin that may be within a cell of the map, and how many may.

    A bin's points are at begin + (k + 0.5) step, for k from 0 to points - 1; one or two more on each side are taken.
    """
    pace = np.where(step == 0, 1, step)
    ends = np.sort([(-1 - begin) / pace, (size - begin) / pace], 0)
    ends = np.stack([np.floor(ends[0]) - 1, np.ceil(ends[1]) + 1]).clip(0, points)
    low, high = np.where(step == 0, [np.zeros_like(points), points], ends).astype(np.int64)
    return low, high - low


class ROIPooling(PooledROILayer):
    """The maximum in each bin of a ROI, Fast R-CNN's ROI pooling.

    top[r, c, i, j] = max of data[n, c] over the cells of bin (i, j), 0 for an empty one; a ROI's
    corners are rounded to cells, and bins to whole cells, which overlap (see roi_pooling_bins).

    Bottom:
        [0] data (N, C, H, W)
        [1] ROIs (R, 5): the map's index, x1, y1, x2, y2 in pixels
    Top:
        [0] features (R, C, pooled_h, pooled_w)
    Backward:
        Each bin's gradient goes to its maximum, the first in row-major order of equal ones; ROIs get
        zeros.
    Raises:
        ValueError for shapes that do not fit, for an index outside [0, N), and for a corner that is no
        finite number.
    References:
        Girshick, "Fast R-CNN", 2015, arXiv:1504.08083. ROIPooling of caffe-fast-rcnn, whose parameters
        have these names in roi_pooling_param.
    Example:
        >>> import numpy as np
        >>> from caffe_pylayers.testing import LayerRun
        >>> data = np.arange(36.0).reshape(1, 1, 6, 6)
        >>> text = "{pooled_h: 2, pooled_w: 2, spatial_scale: 0.5}"
        >>> LayerRun(ROIPooling, [data, [[0, 0, 0, 6, 6]]], param_str=text).forward()[0][0, 0]
        array([[ 7.,  9.],
               [19., 21.]])
    """

    pad_ratio = Parameter(float, 0.0, low=0, doc="a ROI becomes larger on each side by this share of its size")

    def pool(self, xp, data, rois, features):
        bins = self._bins(rois, data)
        features[...] = roi_pooling_forward(xp, data, rois, bins)

    def pool_backward(self, xp, data, rois, d_features, d_data):
        roi_pooling_backward(xp, data, rois, self._bins(rois, data), d_features, d_data)

    def _bins(self, rois, data):
        pooled = self.pooled_h, self.pooled_w
        return roi_pooling_bins(rois, pooled, self.spatial_scale, data.shape[2:], self.pad_ratio)


class ROIAlign(PooledROILayer):
    """The average of a map, bilinear between cells, at points spread over each bin of a ROI: nothing is rounded.

    top[r, c, i, j] = mean over the points (y, x) of bin (i, j) of data[n, c, y, x], see roi_align_weights

    Bottom:
        [0] data (N, C, H, W)
        [1] ROIs (R, 5): the map's index, x1, y1, x2, y2 in pixels
    Top:
        [0] features (R, C, pooled_h, pooled_w)
    Backward:
        The gradient of the data; ROIs get zeros, as everywhere in R-CNN.
    Raises:
        ValueError for shapes that do not fit, for an index outside [0, N), and for a corner that is no
        finite number.
    References:
        He et al., "Mask R-CNN", 2017, arXiv:1703.06870. Caffe2's RoIAlign and torchvision's
        roi_align.
    Example:
        >>> import numpy as np
        >>> from caffe_pylayers.testing import LayerRun
        >>> data = np.arange(16.0).reshape(1, 1, 4, 4)
        >>> text = "{pooled_h: 2, pooled_w: 2, sampling_ratio: 2}"
        >>> LayerRun(ROIAlign, [data, [[0, 0, 0, 3, 3]]], param_str=text).forward()[0][0, 0]
        array([[ 3.75,  5.25],
               [ 9.75, 11.25]])
    """

    sampling_ratio = Parameter(
        int, 0, low=-1, high=1000, doc="points of a bin on each axis; 0 and -1: its length in cells, rounded up"
    )
    aligned = Parameter(
        bool, False, doc="a cell's centre is at half a pixel: ROIs move by half a cell, and may be shorter than one"
    )

    def pool(self, xp, data, rois, features):
        pooled = self.pooled_h, self.pooled_w
        self._weights = roi_align_weights(
            rois, pooled, self.spatial_scale, data.shape[2:], self.sampling_ratio, self.aligned
        )
        roi_align_forward(xp, data, rois, self._weights, features)

    def pool_backward(self, xp, data, rois, d_features, d_data):
        roi_align_backward(xp, rois, self._weights, d_features, d_data)
