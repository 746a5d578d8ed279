"""Fast R-CNN, R-FCN and their kin."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._nets.forks.dialects import Dialect
from caffe_pylayers._nets.forks.normalize import NORMALIZATIONS, by_normalize
from caffe_pylayers._nets.forks.reading import short_float


def _pooled_size(layer: Any) -> dict[str, int]:
    sizes = list(layer.roi_pooling_param.pooled_size) or [0]
    return {"pooled_h": sizes[0], "pooled_w": sizes[-1]}


def _pre_fixed(layer: Any) -> bool:
    value = layer.loss_param.DESCRIPTOR.fields_by_name["normalization"].enum_type.values_by_name["PRE_FIXED"]
    return bool(layer.loss_param.normalization == value.number)


def _frcnn_stride(layer: Any) -> dict[str, int]:
    """Return what the prototxt says; all else is in a file of settings, whose defaults are py-faster-rcnn's."""
    return {"feat_stride": layer.proposal_param.feat_stride} if layer.proposal_param.HasField("feat_stride") else {}


def _corners_of_bins(layer: Any) -> bool:
    """Return True for Cascade R-CNN's ROIAlign; makefile/frcnn's has other fields."""
    fields = "bi_type", "is_multi_interpolate"
    return layer.HasField("roi_pooling_param") and not any(layer.roi_pooling_param.HasField(name) for name in fields)


def _turn_point(layer: Any) -> dict[str, float]:
    """Return the sigma that turns at 1 / sigma**2; a point that is none as it is, for the layer to refuse."""
    point = layer.smoothl1_param.turn_point
    return {"sigma": short_float(point**-0.5 if point > 0 else point)}


ROWS = [
    Dialect(
        "BoxAnnotatorOHEM",
        "hard_examples.BoxAnnotatorOHEM",
        "box_annotator_ohem_param",
        "roi_per_img ignore_label",
    ),
    Dialect(
        "SoftmaxWithLossOHEM",
        "cross_entropy.SoftmaxCrossEntropyLoss",
        "loss_param softmax_param",
        "normalization ignore_label axis",
        read="normalize",
        values=NORMALIZATIONS,
        more=by_normalize,
    ),
    *(
        Dialect(
            kind,
            "regression.SmoothL1Loss",
            "loss_param",
            "normalization pre_fixed_normalizer",
            read="normalize",
            values={**NORMALIZATIONS, "valid": "places", "full": "places"},  # all of a map's count, valid ones too
            more=lambda layer: by_normalize(layer, "places"),
            meant=meant,
        )
        for kind, meant in (("SmoothL1LossOHEM", lambda layer: True), ("SmoothL1Loss", _pre_fixed))
    ),
    Dialect(
        "ROIPooling",
        "roi_pooling.ROIPooling",
        "roi_pooling_param",
        "spatial_scale pad_ratio",
        read="pooled_size=pooled_h pooled_size=pooled_w",
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
    Dialect("FrcnnProposal", "proposals.Proposal", "proposal_param", read="feat_stride", more=_frcnn_stride),
    Dialect(
        "Proposal",
        "proposals.Proposal",
        "proposal_param",
        "feat_stride base_size ratio=ratios scale=scales min_size=RPN_MIN_SIZE pre_nms_topn=RPN_PRE_NMS_TOP_N "
        "post_nms_topn=RPN_POST_NMS_TOP_N nms_thresh=RPN_NMS_THRESH",
    ),
    Dialect(
        "ROIAlign",
        "roi_grids.ROIGrid",
        "roi_pooling_param",
        "pooled_h pooled_w spatial_scale pad_ratio",
        meant=_corners_of_bins,
    ),
    Dialect("ROIWarping", "roi_grids.ROIWarping", "roi_warping_param", "pooled_h pooled_w spatial_scale"),
    Dialect("MaskPooling", "products.OuterProduct", more=lambda layer: {"flatten": True}),
    Dialect(
        "MaskResize",
        "resizing.ResizeFeatures",
        "mask_resize_param",
        "output_height+output_width=size",
        more=lambda layer: {"coordinates": "asymmetric"},
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
        read="turn_point=sigma",
        more=_turn_point,
        meant=lambda layer: layer.HasField("smoothl1_param"),
    ),
    Dialect("SmoothL1Loss", "regression.SmoothL1Loss", "smooth_l1_loss_param", "sigma"),
]
