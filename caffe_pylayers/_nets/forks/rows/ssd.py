"""SSD, and what is built on it."""

from __future__ import annotations

from caffe_pylayers._nets.forks.dialects import Dialect

ROWS = [
    Dialect("Permute", "shapes.Permute", "permute_param", "order"),
    Dialect(
        "Normalize",
        "ssd.Normalize",
        "norm_param",
        "across_spatial channel_shared eps scale_filler.value=scale",
        meant=lambda layer: not layer.HasField("normalize_param") and len(layer.top) < 2,
    ),
    Dialect(
        "PriorBox",
        "ssd.PriorBox",
        "prior_box_param",
        "min_size max_size aspect_ratio flip clip variance img_size img_h img_w step step_h step_w offset",
    ),
    Dialect(
        "DetectionOutput",
        "ssd.DetectionOutput",
        "detection_output_param",
        "num_classes share_location background_label_id=background_label code_type variance_encoded_in_target "
        "confidence_threshold nms_param.nms_threshold nms_param.top_k nms_param.eta keep_top_k objectness_score",
        ignored="visualize visualize_threshold save_file save_output_param",
    ),
]
