"""Fast R-CNN, R-FCN and their kin."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._nets.forks.dialects import Dialect, short_float


def _pooled_size(layer: Any) -> dict[str, int]:
    sizes = list(layer.roi_pooling_param.pooled_size) or [0]
    return {"pooled_h": sizes[0], "pooled_w": sizes[-1]}


ROWS = [
    Dialect(
        "ROIPooling",
        "roi_pooling.ROIPooling",
        "roi_pooling_param",
        "pooled_size=pooled_h spatial_scale pad_ratio",
        more=_pooled_size,
        meant=lambda layer: len(layer.roi_pooling_param.pooled_size) > 0,
    ),
    Dialect("ROIPooling", "roi_pooling.ROIPooling", "roi_pooling_param", "pooled_h pooled_w spatial_scale pad_ratio"),
    Dialect(
        "ROIAlign",
        "roi_pooling.ROIAlign",
        "roi_align_param",
        "pooled_h pooled_w spatial_scale sampling_ratio",
        meant=lambda layer: layer.HasField("roi_align_param"),
    ),
    Dialect(
        "PSROIPooling",
        "position_sensitive.PSROIPooling",
        "psroi_pooling_param",
        "spatial_scale output_dim group_size",
    ),
    Dialect(
        "PSROIAlign",
        "position_sensitive.PSROIAlign",
        "psroi_align_param",
        "spatial_scale output_dim group_size sample_num",
    ),
    Dialect(
        "SmoothL1Loss",
        "regression.SmoothL1Loss",
        "smoothl1_param",
        "turn_point=sigma",
        more=lambda layer: {"sigma": short_float(layer.smoothl1_param.turn_point**-0.5)},
        meant=lambda layer: layer.HasField("smoothl1_param"),
    ),
    Dialect("SmoothL1Loss", "regression.SmoothL1Loss", "smooth_l1_loss_param", "sigma"),
]
