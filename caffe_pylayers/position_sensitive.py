"""Features of regions of interest from position-sensitive maps: each bin of a ROI has maps of its own.

layer {
  name: "psroi_pool"  type: "Python"
  bottom: "rfcn_cls"  bottom: "rois"  top: "psroi_pool"
  python_param {
    module: "caffe_pylayers.position_sensitive"  layer: "PSROIPooling"
    param_str: "{output_dim: 21, group_size: 7, spatial_scale: 0.0625}"
  }
}
layer {
  name: "psroi_align"  type: "Python"
  bottom: "rfcn_cls"  bottom: "rois"  top: "psroi_align"
  python_param {
    module: "caffe_pylayers.position_sensitive"  layer: "PSROIAlign"
    param_str: "{output_dim: 21, group_size: 7, spatial_scale: 0.0625, sample_num: 2}"
  }
}
"""

from __future__ import annotations

import math

import numpy as np

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.detection.roi_layer import ROILayer, flat_bins, in_reach, rounded
from caffe_pylayers._layer.functions.range_sums import range_sums, range_sums_backward

__all__ = [
    "PSROIAlign",
    "PSROIPooling",
    "psroi_align_backward",
    "psroi_align_forward",
    "psroi_align_points",
    "psroi_pooling_backward",
    "psroi_pooling_bins",
    "psroi_pooling_forward",
]


def psroi_pooling_bins(rois, group_size, spatial_scale, size):
    """Return ((top, bottom), (left, right)), the bins of ROIs on a map, int64 (R, g) each.

    ROIs are rounded to pixels, half away from zero, and have their last one; their bins, of equal size in cells, reach
    to the whole cells around them, cut to the map. All in float32, as R-FCN's C++ has it.

    size: (height, width) of the map.
    """
    corners = rounded(in_reach(rois, spatial_scale).astype(np.float32))
    place = np.arange(group_size + 1, dtype=np.float32)
    bins = []
    for axis in range(2):
        start, length = _starts_and_lengths(corners, axis, group_size, spatial_scale)
        edges = np.floor(place[:-1] * length + start), np.ceil(place[1:] * length + start)
        bins.append(tuple(edge.clip(0, size[axis]).astype(np.int64) for edge in edges))
    return bins


def _starts_and_lengths(corners, axis, group_size, spatial_scale):
    """Return where ROIs start on an axis, and how long their bins are, in cells, float32 (R, 1) each."""
    scale = np.float32(spatial_scale)
    start, end = corners[:, 1 - axis, None] * scale, (corners[:, 3 - axis, None] + 1) * scale
    return start, np.maximum(end - start, np.float32(0.1)) / np.float32(group_size)


def psroi_pooling_forward(xp, data, rois, bins):
    """Return the mean of each bin over its own map, (R, D, g, g); 0 for an empty bin.

    data: maps (N, D g g, H, W).
    rois: numpy (R, 5), of which the map's index counts. bins: of psroi_pooling_bins.
    """
    shape, which, (rows, columns), shares = _maps_of_bins(data, rois, bins)
    means = range_sums(xp, _grouped(xp, data, shape), which, rows, columns) * shares[:, None]
    return xp.moveaxis(means.reshape(*shape, means.shape[1]), -1, 1)


def psroi_pooling_backward(xp, rois, bins, d_pooled, d_data):
    """Write to d_data each bin's gradient, spread evenly over its cells, summed over the ROIs."""
    shape, which, (rows, columns), shares = _maps_of_bins(d_data, rois, bins)
    d_sums = xp.moveaxis(d_pooled, 1, -1).reshape(len(which), d_pooled.shape[1]) * shares[:, None]
    range_sums_backward(xp, which, rows, columns, d_sums, _grouped(xp, d_data, shape))


def _grouped(xp, data, shape):
    """Return a view (N, g g, H, W, D) of maps (N, D g g, H, W)."""
    groups = shape[1] * shape[2]
    sizes = data.shape[0], data.shape[1] // groups, groups, *data.shape[2:]
    return xp.moveaxis(data.reshape(sizes), 1, -1)


def _maps_of_bins(data, rois, bins):
    """Return (R, g, g), the map of each bin, its edges, and 1 over its number of cells."""
    shape, (image, rows, columns) = flat_bins(rois, bins)
    groups = shape[1] * shape[2]
    cells = (rows[1] - rows[0]) * (columns[1] - columns[0])
    which = image * groups + np.tile(np.arange(groups), shape[0])
    shares = arrays.from_numpy(np.where(cells > 0, 1 / np.maximum(cells, 1), 0), data)
    return shape, which, (rows, columns), shares


def psroi_align_points(rois, group_size, spatial_scale, size, sample_num=2):
    """Return ((low, part), (low, part)) of the rows and of the columns of the points of ROIs' bins, each (R, g, s).

    The points of a bin lie evenly inside it, from its start on, which is moved to the map; those beyond the bin, or
    the middle of the last cell, count nothing.

    low: the cell before a point, int64. part: float64 (2, R, g, s): the weights of it and of the one after.
    """
    corners = in_reach(rois, spatial_scale).astype(np.float32)
    place = np.arange(group_size + 1, dtype=np.float32)
    found = []
    for axis in range(2):
        start, length = _starts_and_lengths(corners, axis, group_size, spatial_scale)
        edges = (place * length + start).clip(0, max(size[axis] - 1, 0))
        steps = np.arange(1, sample_num + 1, dtype=np.float32) / np.float32(sample_num + 1)
        points = edges[:, :-1, None] + steps * length[:, :, None]
        counts = points < edges[:, 1:, None]
        points = np.where(counts, points, 0)
        low = points.astype(np.int64)
        found.append((low, np.stack([1 - (points - low), points - low]) * counts / sample_num))
    return found


def psroi_align_forward(xp, data, rois, points):
    """Return the mean of each bin's points, bilinear between cells of its own map, (R, D, g, g).

    data: maps (N, D g g, H, W). points: of psroi_align_points.
    """
    return sum(data.reshape(-1)[places] * weights for places, weights in _taps(data, rois, points))


def psroi_align_backward(xp, rois, points, d_pooled, d_data):
    """Write to d_data each bin's gradient, times the weights of its cells, summed over the ROIs."""
    flat = arrays.new(d_data, (math.prod(d_data.shape),))
    arrays.fill(flat, 0)
    for places, weights in _taps(d_data, rois, points):
        arrays.add_at(flat, places.reshape(-1), (d_pooled * weights).reshape(-1))
    d_data[...] = flat.reshape(d_data.shape)


def _taps(data, rois, points):
    """Yield for each point of a bin, and each of the four cells around it, flat places (R, D, g, g) and weights."""
    (rows, down), (columns, along) = points
    height, width = data.shape[2:]
    group_size, samples = rows.shape[1:] if height * width else (rows.shape[1], 0)
    dims = data.shape[1] // group_size**2
    channel = np.arange(dims * group_size**2).reshape(dims, group_size, group_size)
    maps = (rois[:, 0].astype(np.int64)[:, None, None, None] * data.shape[1] + channel) * (height * width)
    for i, j, y, x in np.ndindex(samples, samples, 2, 2):
        row = np.minimum(rows[:, :, i] + y, height - 1)
        column = np.minimum(columns[:, :, j] + x, width - 1)
        weights = down[y, :, :, i][:, None, :, None] * along[x, :, :, j][:, None, None, :]
        places = maps + (row[:, :, None] * width + column[:, None])[:, None]
        yield arrays.index_like(places, data), arrays.from_numpy(weights, data)


class _PositionSensitive(ROILayer):
    """A layer whose bins have maps of their own: of the channel d g g + i g + j bin (i, j) of the top's channel d."""

    output_dim = Parameter(int, low=1, doc="D, the channels of the top: classes, or deltas of boxes")
    group_size = Parameter(int, low=1, doc="g, bins of a ROI from top to bottom, and from left to right")

    def pooled(self, shape):
        maps = self.output_dim * self.group_size**2
        if shape[1] != maps:
            raise checks.error(
                self,
                f"bottom[0] (data) must have output_dim group_size**2 = {maps} channels, got shape {shape}",
            )
        return self.output_dim, self.group_size, self.group_size


class PSROIPooling(_PositionSensitive):
    """The mean over each bin of a ROI of the bin's own map, R-FCN's position-sensitive ROI pooling.

    top[r, d, i, j] = mean of data[n, (d g + i) g + j] over the cells of bin (i, j), 0 for an empty one (see
    psroi_pooling_bins); where bins have many cells by sums of all above and left of a place, so that a bin's size does
    not matter

    Bottom:
        [0] data (N, D g g, H, W), g = group_size
        [1] ROIs (R, 5): the map's index, x1, y1, x2, y2 in pixels
    Top:
        [0] features (R, D, g, g); their mean, by Pooling, is the ROI's score
    Backward:
        Each bin's gradient is spread evenly over its cells; ROIs get zeros.
    Raises:
        ValueError for shapes that do not fit, for an index outside [0, N), and for a corner that is no
        finite number.
    References:
        Dai, Li, He, Sun, "R-FCN: Object Detection via Region-based Fully Convolutional Networks", 2016,
        arXiv:1605.06409. PSROIPooling of R-FCN's Caffe, whose parameters have these names in psroi_pooling_param,
        here on the CPU too. torchvision's ps_roi_pool.
    Example:
        >>> import numpy as np
        >>> from caffe_pylayers.testing import LayerRun
        >>> data = np.arange(64.0).reshape(1, 4, 4, 4)
        >>> text = "{output_dim: 1, group_size: 2}"
        >>> LayerRun(PSROIPooling, [data, [[0, 0, 0, 3, 3]]], param_str=text).forward()[0][0, 0]
        array([[ 2.5, 20.5],
               [42.5, 60.5]])
    """

    def pool(self, xp, data, rois, features):
        features[...] = psroi_pooling_forward(xp, data, rois, self._bins(rois, data))

    def pool_backward(self, xp, data, rois, d_features, d_data):
        psroi_pooling_backward(xp, rois, self._bins(rois, data), d_features, d_data)

    def _bins(self, rois, data):
        return psroi_pooling_bins(rois, self.group_size, self.spatial_scale, data.shape[2:])


class PSROIAlign(_PositionSensitive):
    """The mean of points in each bin of a ROI, bilinear between cells of the bin's own map: nothing is rounded.

    top[r, d, i, j] = mean over the points (y, x) of bin (i, j) of data[n, (d g + i) g + j, y, x], see
    psroi_align_points

    Bottom:
        [0] data (N, D g g, H, W), g = group_size
        [1] ROIs (R, 5): the map's index, x1, y1, x2, y2 in pixels
    Top:
        [0] features (R, D, g, g)
    Backward:
        The gradient of the data; ROIs get zeros.
    Raises:
        ValueError for shapes that do not fit, for an index outside [0, N), and for a corner that is no
        finite number.
    References:
        Dai et al., "R-FCN", 2016, arXiv:1605.06409, with the sampling of He et al., "Mask R-CNN", 2017,
        arXiv:1703.06870. PSROIAlign of makefile/frcnn, whose parameters have these names in psroi_align_param; its
        own gradient leaves out cells beyond the bin that a point is between, this is the true one.
    Example:
        >>> import numpy as np
        >>> from caffe_pylayers.testing import LayerRun
        >>> data = np.arange(64.0).reshape(1, 4, 4, 4)
        >>> text = "{output_dim: 1, group_size: 2, sample_num: 1}"
        >>> LayerRun(PSROIAlign, [data, [[0, 0, 0, 2, 2]]], param_str=text).forward()[0][0, 0]
        array([[ 3.75, 21.25],
               [41.75, 59.25]])
    """

    sample_num = Parameter(int, 2, low=1, high=100, doc="points of a bin on each axis")

    def pool(self, xp, data, rois, features):
        features[...] = psroi_align_forward(xp, data, rois, self._points(rois, data))

    def pool_backward(self, xp, data, rois, d_features, d_data):
        psroi_align_backward(xp, rois, self._points(rois, data), d_features, d_data)

    def _points(self, rois, data):
        options = self.group_size, self.spatial_scale, data.shape[2:], self.sample_num
        return psroi_align_points(rois, *options)
