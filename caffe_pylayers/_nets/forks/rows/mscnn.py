"""MS-CNN and Cascade R-CNN."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._nets.forks.dialects import Dialect
from caffe_pylayers._nets.forks.normalize import NORMALIZATIONS, by_normalize
from caffe_pylayers._nets.forks.reading import short_float

_BOXES = "fg_thr=conf_thr iou_thr field_whr field_xyr max_nms_num max_post_nms_num min_size"


def _groups(layer: Any) -> dict[str, Any]:
    groups = layer.box_group_output_param.box_group_param
    return {
        "field_w": [[short_float(w) for w in group.field_w] for group in groups],
        "field_h": [[short_float(h) for h in group.field_h] for group in groups],
        "stride": [short_float(group.stride) for group in groups],
    }


def _scales(layer: Any) -> dict[str, Any]:
    param = layer.image_gt_data_param
    names = "min_scale", "max_scale"
    if not param.do_multiple_scale or not all(param.HasField(name) for name in names):
        return {}
    return {name: getattr(param, name) for name in names}


def _shuffled(layer: Any) -> dict[str, Any]:
    param = layer.detection_data_param
    found: dict[str, Any] = {"shuffle": param.HasField("shuffle")}
    if param.shuffle == "random_aspect":
        found["aspect_run"] = 0
    elif param.shuffle == "random_mix_aspect":
        found["aspect_run"] = param.mix_group_size
    if param.HasField("distort_param"):
        found["distort"] = {known.name: short_float(value) for known, value in param.distort_param.ListFields()}
    return found


def _one_field(layer: Any) -> dict[str, Any]:
    """Return the field of a map as a list, and of the loss which it is."""
    more: dict[str, Any] = {}
    param = layer.detection_accuracy_param
    if layer.type == "DetectionLoss":
        param, more = layer.detection_loss_param, {"legacy_gradient": True}
        if not param.bb_smooth:
            more["bbox_loss_type"] = "Euclidean_L2"
    return {"field_w": [param.field_w], "field_h": [param.field_h], **more}


def _batch_size(param: str) -> Any:
    """Return what reads a batch_size in a field of a layer: -1 stands for all."""

    def read(layer: Any) -> dict[str, int]:
        size = getattr(layer, param).batch_size
        return {} if size == -1 else {"batch_size": size}

    return read


_CODES = "bbox_mean bbox_std"
_IMAGES = "source root_folder=root batch_size resize_height+resize_width=resize scale mean_value=mean"
_LABELS = "crop_height+crop_width=crop mirror field_w field_h fg_threshold min_gt_width min_gt_height"
_CELLS = f"cls_num=num_classes field_whr field_xyr bg_threshold objectness ignore_label {_CODES}"

ROWS = [
    Dialect(
        "ImageGtData",
        "mscnn_data.ImageGtData",
        "image_gt_data_param transform_param",
        f"{_IMAGES} {_LABELS} downsample_rate=stride shuffle",
        read="do_multiple_scale min_scale max_scale",
        ignored="coord_num output_gt_boxes cache_images",
        more=_scales,
    ),
    Dialect(
        "DetectionData",
        "mscnn_data.DetectionData",
        "detection_data_param transform_param",
        f"{_IMAGES} {_LABELS} short_size=shorter long_size=longer stride ignore_fg_threshold "
        "anchor_ignore_margin_ratio pickup_iou_thr",
        read="shuffle mix_group_size distort_param",
        ignored="coord_num output_gt_boxes cache_images",
        more=_shuffled,
    ),
    Dialect(
        "EvalData",
        "mscnn_data.EvalData",
        "eval_data_param transform_param",
        f"{_IMAGES} short_size=shorter long_size=longer",
        ignored="mirror",
    ),
    Dialect(
        "DetectionLoss",
        "mscnn_losses.DetectionLoss",
        "detection_loss_param bbox_reg_param loss_param",
        f"{_CELLS} lambda=loc_weight downsample_rate=stride bg_multiple pos_neg_weighted sample_mode",
        read="field_w field_h bb_smooth",
        ignored="coord_num cls_aware",
        more=_one_field,
    ),
    Dialect(
        "DetectionGroupLoss",
        "mscnn_losses.DetectionGroupLoss",
        "detection_group_loss_param bbox_reg_param loss_param",
        f"{_CELLS} lambda=loc_weight field_w field_h stride bg_multiple pos_neg_weighted neg_mining_type "
        "min_num_neg bbox_loss_type",
        read="batch_size",
        # The largest loss of the background and the largest probability of an object rank cells alike.
        ignored="cls_aware neg_ranking_type",
        more=lambda layer: {**_batch_size("detection_group_loss_param")(layer), "legacy_gradient": True},
    ),
    Dialect(
        "DetectionAccuracy",
        "mscnn_metrics.DetectionAccuracy",
        "detection_accuracy_param bbox_reg_param loss_param",
        f"{_CELLS} downsample_rate=stride",
        read="field_w field_h",
        ignored="coord_num cls_aware",
        more=_one_field,
    ),
    Dialect(
        "DetectionGroupAccuracy",
        "mscnn_metrics.DetectionGroupAccuracy",
        "detection_group_accuracy_param bbox_reg_param loss_param",
        f"{_CELLS} field_w field_h stride",
        ignored="cls_aware",
    ),
    Dialect(
        "ProposalTarget",
        "mscnn_targets.StageTarget",
        "proposal_target_param bbox_reg_param",
        "cls_num=num_classes fg_fraction num_img_per_batch=images fg_thr=fg_threshold bg_thr_hg bg_thr_lw img_width "
        f"img_height iou_weighted bbox_thr_lw bbox_thr_hg pickup_discard append_gtbox cls_aware {_CODES}",
        read="batch_size",
        more=_batch_size("proposal_target_param"),
    ),
    Dialect("BboxAccuracy", "mscnn_metrics.BboxAccuracy", "bbox_reg_param", f"cls_aware {_CODES}"),
    Dialect("HardMining", "mscnn_targets.HardMining", "hard_mining_param", "num_roi_per_image num_image=images"),
    # Its top with a loss for each ROI is what HardMining takes.
    Dialect(
        "SoftmaxWithLoss",
        "cross_entropy.SoftmaxCrossEntropyLoss",
        "loss_param softmax_param",
        "axis ignore_label normalization",
        read="normalize",
        values=NORMALIZATIONS,
        more=by_normalize,
        meant=lambda layer: len(layer.top) > 2,
        unmarked=True,
    ),
    Dialect(
        "BoxOutput",
        "mscnn.BoxOutput",
        "box_output_param bbox_reg_param",
        f"field_w field_h downsample_rate=stride {_BOXES} bbox_mean bbox_std",
        ignored="cls_aware",
    ),
    Dialect(
        "BoxGroupOutput",
        "mscnn.BoxGroupOutput",
        "box_group_output_param bbox_reg_param",
        f"{_BOXES} bbox_mean bbox_std",
        read="box_group_param",
        ignored="cls_aware",
        more=_groups,
    ),
    Dialect(
        "DecodeBBox",
        "mscnn.DecodeBBox",
        "bbox_reg_param decode_bbox_param",
        "bbox_mean bbox_std gt_iou_thr",
        ignored="cls_aware",
    ),
    Dialect("ScaleRoute", "roi_levels.ScaleRoute", "scale_route_param", "low_scale high_scale"),
    Dialect(
        "FrcnnOutput",
        "mscnn.FrcnnOutput",
        "frcnn_output_param bbox_reg_param",
        f"conf_thr iou_thr max_det_num cls_aware {_CODES}",
        ignored="save_output_param",
    ),
    Dialect(
        "DetectionEvaluate",
        "detection_metrics.DetectionEvaluate",
        "detection_evaluate_param",
        "num_classes overlap_threshold evaluate_difficult_gt name_size_file",
        more=lambda layer: {"form": "cascade"},
        meant=lambda layer: len(layer.bottom) > 2,
    ),
]
