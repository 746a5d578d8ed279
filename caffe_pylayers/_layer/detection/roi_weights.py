"""Features of ROIs that are sums of cells by weights of their rows and of their columns, and their gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffe_pylayers._layer import arrays


def channels_last(xp: Any, data: Any) -> Any:
    """Return a copy (N, H, W, C) of maps (N, C, H, W)."""
    last = xp.moveaxis(data, 1, -1)
    copy = arrays.new(data, last.shape)
    copy[...] = last
    return copy


def roi_align_forward(xp: Any, data: Any, rois: Any, weights: Any, pooled: Any) -> None:
    """Write to pooled, (R, C, ph, pw), the average of each bin's points.

    Each ROI is two matrix products on its own part of the map, where it lies: to gather the parts for
    one product of all takes as long again.

    data: maps (N, C, H, W).
    rois: numpy (R, 5).
    weights: (first, count, weights) of the rows and of the columns: int64 (R,) where each ROI's part of the map starts
        and how long it is, and (R, p, the longest), what each of it counts in each bin.
    """
    images, channels, height, width = data.shape
    maps = channels_last(xp, data).reshape(images, height, width * channels)
    (tops, heights, down), (lefts, widths, along) = weights
    down, along = arrays.from_numpy(down, data), arrays.from_numpy(along, data)
    shape = down.shape[1], width, channels
    rows = arrays.new(data, shape)  # memory that is new for each ROI takes as long as a product
    flat = rows.reshape(shape[0], width * channels)
    for r, (image, y, x, h, w) in enumerate(_windows(rois, tops, lefts, heights, widths)):
        part = maps[image, y : y + h, x * channels : (x + w) * channels]
        xp.matmul(down[r, :, :h], part, out=flat[:, : w * channels])
        columns = xp.broadcast_to(along[r, :, :w].T, (shape[0], w, along.shape[1]))
        xp.matmul(xp.swapaxes(rows[:, :w], 1, 2), columns, out=xp.swapaxes(pooled[r], 0, 1))


def roi_align_backward(xp: Any, rois: Any, weights: Any, d_pooled: Any, d_data: Any) -> None:
    """Write to d_data the gradient: each bin's, times the weights of its cells, summed over ROIs and bins."""
    (tops, heights, down), (lefts, widths, along) = weights
    down, along = arrays.from_numpy(down, d_data), arrays.from_numpy(along, d_data)
    images, channels, height, width = d_data.shape
    d_maps = arrays.new(d_data, (images, height, width * channels))
    arrays.fill(d_maps, 0)
    d_rows = arrays.new(d_data, (down.shape[1], width, channels))
    flat, d_part = d_rows.reshape(down.shape[1], width * channels), arrays.new(d_data, d_maps.shape[1:])
    for r, (image, y, x, h, w) in enumerate(_windows(rois, tops, lefts, heights, widths)):
        xp.matmul(along[r, :, :w].T, xp.swapaxes(xp.swapaxes(d_pooled[r], 0, 1), 1, 2), out=d_rows[:, :w])
        xp.matmul(down[r, :, :h].T, flat[:, : w * channels], out=d_part[:h, : w * channels])
        d_maps[image, y : y + h, x * channels : (x + w) * channels] += d_part[:h, : w * channels]
    d_data[...] = xp.moveaxis(d_maps.reshape(images, height, width, channels), -1, 1)


def _windows(rois: Any, *columns: Any) -> Any:
    return zip(rois[:, 0].astype(np.int64).tolist(), *(column.tolist() for column in columns))
