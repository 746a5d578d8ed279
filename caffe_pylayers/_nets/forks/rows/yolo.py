"""YOLO, in MobileNet-YOLO's Caffe and Intel's."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._nets.forks.dialects import Dialect
from caffe_pylayers._nets.forks.reading import short_float

_DETECTED = "num_classes confidence_threshold nms_threshold biases=anchors"

_LEARNED = "num_class=num_classes biases=anchors thresh coord_scale class_scale"


def _yolov3(layer: Any) -> dict[str, Any]:
    """Return what a Yolov3 has besides: its object_scale counts with squared errors alone."""
    scale = layer.yolov3_param.object_scale if layer.yolov3_param.use_logic_gradient else 1
    return {"object_scale": short_float(scale), "legacy_version": True}


ROWS = [
    Dialect(
        "Reorg",
        "shuffles.PixelShuffle",
        "reorg_param",
        "stride=upscale",
        read="reverse",
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
    Dialect(
        "EvalDetection",
        "yolo.YoloEvaluate",
        "eval_detection_param",
        "num_class=num_classes biases=anchors threshold=overlap_threshold nms=nms_threshold score_type=score",
        ignored="side num_object sqrt constriant",
        values={"obj": "object", "prob": "class", "multiply": "product"},
        more=lambda layer: {"legacy_version": True},
    ),
    Dialect(
        "Yolov3",
        "yolo_losses.Yolov3Loss",
        "yolov3_param",
        f"{_LEARNED} anchors_scale=stride mask label_smooth_eps=label_smoothing iou_loss iou_normalizer iou_thresh "
        "accumulate max_delta use_focal_loss use_logic_gradient",
        read="object_scale",
        ignored="side num noobject_scale",
        more=_yolov3,
    ),
    Dialect(
        "RegionLoss",
        "yolo_losses.RegionLoss",
        "region_loss_param",
        f"{_LEARNED} object_scale noobject_scale",
        read="rescore bias_match",
        ignored="side coords num softmax jitter absolute random softmax_tree class_map",
        more=lambda layer: {
            "rescore": bool(layer.region_loss_param.rescore),
            "bias_match": bool(layer.region_loss_param.bias_match),
            "legacy_version": True,
        },
    ),
]
