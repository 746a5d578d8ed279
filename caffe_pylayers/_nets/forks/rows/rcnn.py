"""Fast R-CNN, R-FCN and their kin."""

from __future__ import annotations

from caffe_pylayers._nets.forks.dialects import Dialect, short_float

_ROI = "pooled_h pooled_w spatial_scale"

ROWS = [
    Dialect("ROIPooling", "roi_pooling.ROIPooling", "roi_pooling_param", _ROI),
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
