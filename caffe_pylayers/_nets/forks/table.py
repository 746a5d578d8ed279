"""What each layer type of a fork is here: a layer of the library, or a type of stock Caffe that equals it.

The one table of it: a fork's net as it is, its port to stock Caffe, and the errors read it.
"""

from __future__ import annotations

from typing import Any

from caffe_pylayers._nets.forks.dialects import Dialect, short_float


def _one_group_each(layer: Any) -> None:
    layer.convolution_param.group = layer.convolution_param.num_output


def _by_factors(layer: Any) -> bool:
    """Return True for an Interp whose factors give the size: one that is there alone, or both without a size."""
    param = layer.interp_param
    factors = param.HasField("zoom_factor") + param.HasField("shrink_factor")
    return factors == 1 or (factors == 2 and not (param.HasField("height") and param.HasField("width")))


_ROI = "pooled_h pooled_w spatial_scale"

DIALECTS = [
    # SSD
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
    # faces, domains
    Dialect(
        "CenterLoss",
        "center_loss.CenterLoss",
        "center_loss_param",
        "num_output=num_classes",
        filler="center_filler",
    ),
    Dialect(
        "MarginInnerProduct",
        "margin_heads.MarginInnerProduct",
        "margin_inner_product_param",
        "num_output=num_classes base gamma power lambda_min iteration=start_iter type=margin",
        filler="weight_filler",
        values={"single": 1, "double": 2, "triple": 3, "quadruple": 4},
        more=lambda layer: {"legacy_version": True},
    ),
    # sequences, flow
    Dialect("Transpose", "shapes.Permute", "transpose_param", "dim=order"),
    Dialect("ChannelNorm", "shapes.Reduce", more=lambda layer: {"operation": "norm", "axes": [1], "keepdims": True}),
    # R-CNN
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
    # segmentation
    Dialect(
        "Interp",
        "resizing.ResizeFeatures",
        "interp_param",
        "zoom_factor shrink_factor pad_beg pad_end",
        ignored="height width",
        meant=_by_factors,
    ),
    Dialect(
        "Interp",
        "resizing.ResizeFeatures",
        "interp_param",
        "height+width=size pad_beg pad_end",
        ignored="zoom_factor shrink_factor",
    ),
    # classification, mobile nets
    Dialect("DepthwiseConvolution", equal="Convolution"),
    Dialect("ConvolutionDepthwise", equal="Convolution", change=_one_group_each),
    Dialect("ShuffleChannel", "shuffles.ChannelShuffle", "shuffle_channel_param", "group=groups"),
    Dialect("ReLU6", "activations.ReLU6", "relu6_param", "negative_slope"),
    Dialect("Mish", "activations.Mish"),
]

KINDS = frozenset(row.kind for row in DIALECTS)
_IN_PYTHON = {"Python"} | {row.kind for row in DIALECTS if row.layer}


def dialect_of(layer: Any) -> Dialect | None:
    """Return the row of a layer, in messages that have the forks' fields; None for a type of Caffe, or one without."""
    return next((row for row in DIALECTS if row.kind == layer.type and row.meant(layer)), None)


def in_python(layer: Any) -> bool:
    """Return True for a layer that its python_param's class computes: of the type Python, or lowered from a fork's."""
    return layer.type in _IN_PYTHON and layer.HasField("python_param")
