"""What the layers of Fast R-CNN's and R-FCN's forks become."""

import numpy as np
import pytest

from tests.layers import opencv
from tests.nets.forks.lowered import computed_by


@pytest.mark.parametrize(
    ("text", "layer", "expected"),
    [
        (
            "type: 'ROIPooling' roi_pooling_param { pooled_size: 7 spatial_scale: 0.0625 }",
            "roi_pooling.ROIPooling",
            {"pooled_h": 7, "pooled_w": 7, "spatial_scale": 0.0625, "pad_ratio": 0},
        ),
        (
            "type: 'ROIPooling' roi_pooling_param { pooled_size: 7 pooled_size: 5 pad_ratio: 0.25 }",
            "roi_pooling.ROIPooling",
            {"pooled_h": 7, "pooled_w": 5, "spatial_scale": 1, "pad_ratio": 0.25},
        ),
        (
            "type: 'ROIAlign' roi_align_param { pooled_h: 7 pooled_w: 5 spatial_scale: 0.25 sampling_ratio: 2 }",
            "roi_pooling.ROIAlign",
            {"pooled_h": 7, "pooled_w": 5, "spatial_scale": 0.25, "sampling_ratio": 2},
        ),
        (
            "type: 'PSROIPooling' psroi_pooling_param { spatial_scale: 0.0625 output_dim: 21 group_size: 7 }",
            "position_sensitive.PSROIPooling",
            {"spatial_scale": 0.0625, "output_dim": 21, "group_size": 7},
        ),
        (
            "type: 'PSROIAlign' psroi_align_param { spatial_scale: 0.0625 output_dim: 10 group_size: 7 }",
            "position_sensitive.PSROIAlign",
            {"spatial_scale": 0.0625, "output_dim": 10, "group_size": 7, "sample_num": 2},
        ),
        (
            "type: 'Proposal' proposal_param { ratio: 0.5 ratio: 1 scale: 8 min_size: 8 post_nms_topn: 100 }",
            "proposals.Proposal",
            {
                "feat_stride": 16,
                "base_size": 16,
                "ratios": [0.5, 1],
                "scales": [8],
                "RPN_MIN_SIZE": 8,
                "RPN_PRE_NMS_TOP_N": 6000,
                "RPN_POST_NMS_TOP_N": 100,
                "RPN_NMS_THRESH": 0.7,
            },
        ),
        (
            "type: 'BoxOutput' box_output_param { fg_thr: -5 iou_thr: 0.65 field_w: 20 field_w: 28 "
            "field_h: 40 field_h: 56 downsample_rate: 8 downsample_rate: 8 field_xyr: 2 max_nms_num: 2000 }",
            "mscnn.BoxOutput",
            {
                "field_w": [20, 28],
                "field_h": [40, 56],
                "stride": [8, 8],
                "conf_thr": -5,
                "iou_thr": 0.65,
                "field_whr": 2,
                "field_xyr": 2,
                "max_nms_num": 2000,
                "max_post_nms_num": 0,
                "min_size": 15,
            },
        ),
        (
            "type: 'BoxGroupOutput' box_group_output_param { box_group_param { field_w: 44 field_w: 22 field_h: 22 "
            "field_h: 44 stride: 4 } box_group_param { field_w: 64 field_h: 64 stride: 8 } nms_type: 'IOU' }",
            "mscnn.BoxGroupOutput",
            {
                "conf_thr": 0,
                "iou_thr": 0.5,
                "field_whr": 2,
                "field_xyr": 2,
                "max_nms_num": 0,
                "max_post_nms_num": 0,
                "min_size": 15,
                "field_w": [[44, 22], [64]],
                "field_h": [[22, 44], [64]],
                "stride": [4, 8],
            },
        ),
        (
            "type: 'DecodeBBox' bbox_reg_param { bbox_std: 0.1 bbox_std: 0.1 bbox_std: 0.2 bbox_std: 0.2 }",
            "mscnn.DecodeBBox",
            {"bbox_std": [0.1, 0.1, 0.2, 0.2], "gt_iou_thr": 0.95},
        ),
        (
            "type: 'ROIAlign' roi_pooling_param { pooled_h: 7 pooled_w: 7 spatial_scale: 0.25 }",
            "roi_grids.ROIGrid",
            {"pooled_h": 7, "pooled_w": 7, "spatial_scale": 0.25, "pad_ratio": 0},
        ),
        ("type: 'ScaleRoute' scale_route_param { low_scale: 112 }", "roi_levels.ScaleRoute", {"low_scale": 112}),
        (
            "type: 'ROIWarping' roi_warping_param { pooled_h: 28 pooled_w: 28 spatial_scale: 0.0625 }",
            "roi_grids.ROIWarping",
            {"pooled_h": 28, "pooled_w": 28, "spatial_scale": 0.0625},
        ),
        (
            "type: 'MaskResize' mask_resize_param { output_height: 14 output_width: 16 }",
            "resizing.ResizeFeatures",
            {"size": [14, 16], "coordinates": "asymmetric"},
        ),
        ("type: 'FrcnnProposal' proposal_param { feat_stride: 8 }", "proposals.Proposal", {"feat_stride": 8}),
        (
            "type: 'BoxAnnotatorOHEM' box_annotator_ohem_param { roi_per_img: 128 }",
            "hard_examples.BoxAnnotatorOHEM",
            {"roi_per_img": 128, "ignore_label": -1},
        ),
        (
            "type: 'SoftmaxWithLossOHEM' loss_param { ignore_label: -1 normalize: false } softmax_param { axis: 2 }",
            "cross_entropy.SoftmaxCrossEntropyLoss",
            {"normalization": "batch", "ignore_label": -1, "axis": 2},
        ),
        ("type: 'SoftmaxWithLossOHEM'", "cross_entropy.SoftmaxCrossEntropyLoss", {"normalization": "valid", "axis": 1}),
        (
            "type: 'SmoothL1LossOHEM' loss_param { normalization: PRE_FIXED pre_fixed_normalizer: 128 }",
            "regression.SmoothL1Loss",
            {"normalization": "pre_fixed", "pre_fixed_normalizer": 128},
        ),
        (
            "type: 'SmoothL1Loss' loss_param { normalization: PRE_FIXED }",
            "regression.SmoothL1Loss",
            {"normalization": "pre_fixed", "pre_fixed_normalizer": 1},
        ),
        (
            "type: 'SmoothL1LossOHEM' loss_param { normalize: false }",
            "regression.SmoothL1Loss",
            {"normalization": "batch", "pre_fixed_normalizer": 1},
        ),
        ("type: 'SmoothL1LossOHEM'", "regression.SmoothL1Loss", {"normalization": "places", "pre_fixed_normalizer": 1}),
    ],
)
def test_layers(text, layer, expected):
    assert computed_by(text) == (layer, expected)


PROPOSAL = """
input: "scores" input_shape { dim: 1 dim: 18 dim: 6 dim: 8 }
input: "deltas" input_shape { dim: 1 dim: 36 dim: 6 dim: 8 }
input: "im_info" input_shape { dim: 1 dim: 3 }
layer { name: "rois" type: "Proposal" bottom: "scores" bottom: "deltas" bottom: "im_info" top: "rois"
  proposal_param { ratio: 0.5 ratio: 1 ratio: 2 scale: 2 scale: 4 scale: 8 base_size: 16 feat_stride: 16 min_size: 4
    pre_nms_topn: 400 post_nms_topn: 40 nms_thresh: 0.7 } }
"""


def test_proposals_are_opencvs(tmp_path):
    pytest.importorskip("torch")
    from caffe_pylayers import pycaffe

    rng = np.random.RandomState(0)
    scores = rng.permutation(18 * 48).reshape(1, 18, 6, 8) / (18 * 48.0)
    inputs = {"scores": scores, "deltas": 0.2 * rng.standard_normal((1, 36, 6, 8)), "im_info": np.array([[96, 128, 1]])}
    (theirs,) = opencv.forward(PROPOSAL, inputs, ["rois"])
    (tmp_path / "net.prototxt").write_text(PROPOSAL)
    net = pycaffe.Net(str(tmp_path / "net.prototxt"), pycaffe.TEST)
    net.forward(**inputs)
    np.testing.assert_allclose(net.blobs["rois"].data, theirs, atol=1e-3)
