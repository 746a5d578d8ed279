"""YOLO, in MobileNet-YOLO's Caffe."""

from __future__ import annotations

from caffe_pylayers._nets.forks.dialects import Dialect

_DETECTED = "num_classes confidence_threshold nms_threshold biases=anchors"

ROWS = [
    Dialect(
        "Reorg",
        "shuffles.PixelShuffle",
        "reorg_param",
        "stride=upscale",
        ignored="reverse",
        more=lambda layer: {"channel_order": "block"},
        meant=lambda layer: layer.reorg_param.reverse,
    ),
    Dialect(
        "Reorg",
        "shuffles.SpaceToDepth",
        "reorg_param",
        "stride=block",
        more=lambda layer: {"channel_order": "darknet"},
    ),
    Dialect(
        "Yolov3DetectionOutput",
        "yolo.Yolov3DetectionOutput",
        "yolov3_detection_output_param",
        f"{_DETECTED} anchors_scale=strides mask gaussian_box",
        ignored="num_box mask_group_num",
    ),
    Dialect(
        "YoloDetectionOutput",
        "yolo.YoloDetectionOutput",
        "yolo_detection_output_param",
        _DETECTED,
        ignored="side num_box coords label_map_file",
    ),
]
