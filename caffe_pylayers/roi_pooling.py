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

from caffe_pylayers._layer import arrays, box_blobs, checks
from caffe_pylayers._layer.base import Layer, Parameter
from caffe_pylayers._layer.range_maxima import range_maxima

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


def roi_pooling_bins(rois, pooled, spatial_scale, size):
    """Return ((top, bottom), (left, right)), the bins of RoIs on a map, int64 (R, ph) and (R, pw).

    RoIs are rounded to cells, half away from zero; the i-th of p bins of n cells reaches from
    floor(i n / p) to ceil((i + 1) n / p), cut to the map. All in float32, as Caffe's C++ has it.

    pooled, size: (height, width), of the top and of the map.
    """
    scaled = rois[:, 1:5].astype(np.float32) * np.float32(spatial_scale)
    # float64: to add 0.5 to the float32 below it gives 1
    corners = np.copysign(np.floor(np.abs(scaled.astype(np.float64)) + 0.5), scaled)
    bins = []
    for axis in range(2):
        start, end = corners[:, 1 - axis, None], corners[:, 3 - axis, None]
        length = np.maximum(end - start + 1, 1).astype(np.float32) / np.float32(pooled[axis])
        place = np.arange(pooled[axis] + 1, dtype=np.float32)
        edges = np.floor(place[:-1] * length) + start, np.ceil(place[1:] * length) + start
        bins.append(tuple(edge.clip(0, size[axis]).astype(np.int64) for edge in edges))
    return bins


def roi_pooling_forward(xp, data, rois, pooled, spatial_scale):
    """Return the maximum of each bin of each RoI, (R, C, ph, pw); 0 for an empty bin.

    data: maps (N, C, H, W).
    rois: numpy (R, 5), in pixels; see roi_pooling_bins.
    """
    image, rows, columns = _flat_bins(rois, pooled, spatial_scale, data.shape[2:])
    found = range_maxima(xp, _channels_last(xp, data), image, rows, columns)
    return xp.moveaxis(found.reshape(len(rois), *pooled, data.shape[1]), -1, 1)


def roi_pooling_backward(xp, data, rois, d_pooled, spatial_scale, d_data):
    """Write to d_data the sum, over RoIs and bins, of each bin's gradient at its first maximum in row-major order."""
    images, channels, height, width = data.shape
    pooled = tuple(d_pooled.shape[2:])
    image, rows, columns = _flat_bins(rois, pooled, spatial_scale, (height, width))
    # Ranks in place of values say where a maximum is. Sorted from the end, the first of equal values ranks highest.
    order = height * width - 1 - arrays.argsort(xp.flip(data.reshape(images, channels, -1), (2,)), 2)
    ranks = arrays.new(data, order.shape)
    arrays.put_along(ranks, order, xp.broadcast_to(arrays.arange_like(ranks, height * width), order.shape), 2)
    best = range_maxima(xp, _channels_last(xp, ranks.reshape(data.shape)), image, rows, columns)
    # rows of order, then of data: one for each image and channel
    first = arrays.index_like(image, data)[:, None] * channels + arrays.arange_like(order, channels)
    place = first * (height * width) + order.reshape(-1)[first * (height * width) + arrays.to_int64(best)]
    filled = np.flatnonzero((rows[1] > rows[0]) & (columns[1] > columns[0]))
    filled = arrays.index_like(filled, data)
    values = xp.moveaxis(d_pooled, 1, -1).reshape(-1, channels)
    arrays.fill(d_data, 0)
    arrays.add_at(d_data.reshape(-1), place[filled].reshape(-1), values[filled].reshape(-1))


def _flat_bins(rois, pooled, spatial_scale, size):
    """Return image, (top, bottom), (left, right) of the bins of all RoIs, each (R ph pw,)."""
    shape = len(rois), *pooled
    rows, columns = roi_pooling_bins(rois, pooled, spatial_scale, size)
    image = np.broadcast_to(rois[:, 0].astype(np.int64)[:, None, None], shape).reshape(-1)
    rows = tuple(np.broadcast_to(edge[:, :, None], shape).reshape(-1) for edge in rows)
    columns = tuple(np.broadcast_to(edge[:, None], shape).reshape(-1) for edge in columns)
    return image, rows, columns


def _channels_last(xp, data):
    last = xp.moveaxis(data, 1, -1)
    copy = arrays.new(data, last.shape)
    copy[...] = last
    return copy
