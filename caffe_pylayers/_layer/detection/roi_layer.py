"""The base of layers that give each region of interest of a map features of one size."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Layer, Parameter
from caffe_pylayers._layer.detection import box_blobs


def rounded(values: Any) -> Any:
    """Return float32 values rounded to integers, half away from zero, as float32."""
    # float64: to add 0.5 to the float32 below it gives 1
    return np.copysign(np.floor(np.abs(values.astype(np.float64)) + 0.5), values).astype(np.float32)


def in_reach(rois: Any, spatial_scale: float) -> Any:
    """Return the corners of ROIs (R, 4), cut where no map reaches and no arithmetic overflows."""
    reach = 1e9 / spatial_scale
    return rois[:, 1:5].clip(-reach, reach)


def padded(corners: Any, pad_ratio: float) -> Any:
    """Return corners (R, 4) moved outwards by this share of a ROI's width and height."""
    pads = (corners[:, 2:] - corners[:, :2] + 1) * corners.dtype.type(pad_ratio)
    return np.concatenate([corners[:, :2] - pads, corners[:, 2:] + pads], 1)


def flat_bins(rois: Any, bins: Any) -> Any:
    """Return (R, ph, pw), and of all bins the map's index, (top, bottom) and (left, right), each (R ph pw,).

    bins: ((top, bottom), (left, right)), int64 (R, ph) and (R, pw).
    """
    (top, bottom), (left, right) = bins
    shape = (*top.shape, left.shape[1])
    image = np.broadcast_to(rois[:, 0].astype(np.int64)[:, None, None], shape).reshape(-1)
    rows = tuple(np.broadcast_to(edge[:, :, None], shape).reshape(-1) for edge in (top, bottom))
    columns = tuple(np.broadcast_to(edge[:, None], shape).reshape(-1) for edge in (left, right))
    return shape, (image, rows, columns)


class ROILayer(Layer):
    """A layer of maps and ROIs, whose gradient is that of the maps.

    A subclass has ``pooled``, the top's axes after the first, in its plan, and:

        def pool(self, xp, data, rois, features):          # write the features
        def pool_backward(self, xp, data, rois, d_features, d_data):
    """

    array_api = True

    spatial_scale = Parameter(float, 1.0, above=0, doc="cells of the map for a pixel of the ROIs: 1 / stride")

    def setup(self, bottom: Any, top: Any) -> None:
        checks.tops(self, top, "features")

    def plan(self, data: Any, rois: Any) -> Any:
        shape = tuple(map(int, data.shape))
        if len(shape) != 4:
            raise checks.error(self, f"bottom[0] (data) must be maps (N, C, H, W), got {shape}")
        return [(len(box_blobs.rows(self, "bottom[1] (rois)", rois, 5)), *self.pooled(shape))]

    def pooled(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of a ROI's features, for maps of this shape."""
        raise NotImplementedError(f"{type(self).__name__}: pooled is not defined")

    def pool(self, xp: Any, data: Any, rois: Any, features: Any) -> None:
        """Write the features."""
        raise NotImplementedError(f"{type(self).__name__}: pool is not defined")

    def pool_backward(self, xp: Any, data: Any, rois: Any, d_features: Any, d_data: Any) -> None:
        """Write the gradient of the maps."""
        raise NotImplementedError(f"{type(self).__name__}: pool_backward is not defined")

    def forward(self, bottom: Any, top: Any) -> None:
        xp, data, rois = self._read(bottom)
        self.pool(xp, data, rois, arrays.host_view(top[0].data))

    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        if propagate_down[0]:
            xp, data, rois = self._read(bottom)
            d_features, d_data = arrays.host_view(top[0].diff), arrays.host_view(bottom[0].diff)
            self.pool_backward(xp, data, rois, d_features, d_data)
        if propagate_down[1]:
            arrays.fill(bottom[1].diff, 0)

    def _read(self, bottom: Any) -> Any:
        """Return what computes on the data, the data, and the ROIs as numpy (R, 5)."""
        data = arrays.host_view(bottom[0].data)
        rois = box_blobs.rows(self, "bottom[1] (rois)", bottom[1].data, 5)
        checks.numbers(self, "bottom[1] (rois)", rois)
        box_blobs.image_index(self, "bottom[1] (rois)", rois[:, 0], data.shape[0])
        return arrays.namespace(data), data, rois


class PooledROILayer(ROILayer):
    """A layer with bins of all channels."""

    pooled_h = Parameter(int, low=1, doc="bins from top to bottom of a ROI, the top's height")
    pooled_w = Parameter(int, low=1, doc="bins from left to right, the top's width")

    def pooled(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return (C, pooled_h, pooled_w)."""
        return shape[1], self.pooled_h, self.pooled_w
