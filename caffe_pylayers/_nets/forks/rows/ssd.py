"""SSD, and what is built on it."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._nets.forks.dialects import Dialect
from caffe_pylayers._nets.forks.normalize import NORMALIZATIONS, by_normalize


def _multibox(layer: Any) -> dict[str, Any]:
    """Return what older fields say; and for two classes that all objects are of the second, as RefineDet has it."""
    param = layer.multibox_loss_param
    found: dict[str, Any] = {**by_normalize(layer)}
    if param.HasField("do_neg_mining") and not (param.do_neg_mining or param.HasField("mining_type")):
        found["mining_type"] = "none"
    if (param.num_classes, param.background_label_id) == (2, 0):
        found["map_object_to_agnostic"] = True
    return found


def _outline(layer: Any) -> dict[str, str]:
    """Return what TextBoxes++ has beside a box."""
    param = layer.detection_output_param
    return {"outline": "polygon" if param.use_polygon else "rotated"} if param.HasField("use_polygon") else {}


ROWS = [
    Dialect("Permute", "shapes.Permute", "permute_param", "order"),
    Dialect(
        "Normalize",
        "ssd.Normalize",
        "norm_param",
        "across_spatial channel_shared eps scale_filler.value=scale",
        meant=lambda layer: layer.HasField("norm_param") or len(layer.blobs) == 1,  # a scale, NormFace's learns none
    ),
    Dialect(
        "PriorBox",
        "ssd.PriorBox",
        "prior_box_param",
        "min_size max_size aspect_ratio flip clip variance img_size img_h img_w step step_h step_w offset "
        "denser_prior_boxes",
    ),
    Dialect(
        "DetectionOutput",
        "ssd.DetectionOutput",
        "detection_output_param transform_param",
        "num_classes share_location background_label_id=background_label code_type variance_encoded_in_target "
        "confidence_threshold nms_param.nms_threshold nms_param.top_k nms_param.eta keep_top_k objectness_score",
        read="use_polygon",
        more=_outline,
        # Of transform_param it undoes the changes of what it shows.
        ignored="visualize visualize_threshold save_file save_output_param resize_param mean_value mean_file scale",
    ),
    Dialect(
        "MultiBoxLoss",
        "multibox_loss.MultiBoxLoss",
        "multibox_loss_param loss_param",
        "num_classes share_location background_label_id=background_label code_type encode_variance_in_target "
        "loc_loss_type conf_loss_type loc_weight normalization match_type overlap_threshold "
        "use_prior_for_matching ignore_cross_boundary_bbox use_difficult_gt bp_inside map_object_to_agnostic "
        "mining_type neg_pos_ratio neg_overlap sample_size nms_param.nms_threshold "
        "nms_param.top_k use_prior_for_nms objectness_score",
        read="normalize do_neg_mining",
        values=NORMALIZATIONS,
        more=_multibox,
    ),
    Dialect(
        "DetectionEvaluate",
        "detection_metrics.DetectionEvaluate",
        "detection_evaluate_param",
        "num_classes background_label_id=background_label overlap_threshold evaluate_difficult_gt name_size_file "
        "resize_param.resize_mode resize_param.height=resize_height resize_param.width=resize_width "
        "resize_param.height_scale resize_param.width_scale",
        ignored="resize_param.prob resize_param.pad_mode resize_param.pad_value resize_param.interp_mode",
    ),
]
