"""What the layers of Fast R-CNN's and R-FCN's forks become."""

import json

import pytest

from caffe_pylayers._nets.prototxt import parse_net


def parameters(layer):
    """Return the class that computes the only layer of a net, and its parameters."""
    (found,) = parse_net(f"layer {{ name: 'a' {layer} }}").layer
    return found.python_param.layer, json.loads(found.python_param.param_str or "{}")


@pytest.mark.parametrize(
    ("text", "layer", "expected"),
    [
        (
            "type: 'ROIPooling' roi_pooling_param { pooled_size: 7 spatial_scale: 0.0625 }",
            "ROIPooling",
            {"pooled_h": 7, "pooled_w": 7, "spatial_scale": 0.0625, "pad_ratio": 0},
        ),
        (
            "type: 'ROIPooling' roi_pooling_param { pooled_size: 7 pooled_size: 5 pad_ratio: 0.25 }",
            "ROIPooling",
            {"pooled_h": 7, "pooled_w": 5, "spatial_scale": 1, "pad_ratio": 0.25},
        ),
        (
            "type: 'ROIAlign' roi_align_param { pooled_h: 7 pooled_w: 5 spatial_scale: 0.25 sampling_ratio: 2 }",
            "ROIAlign",
            {"pooled_h": 7, "pooled_w": 5, "spatial_scale": 0.25, "sampling_ratio": 2},
        ),
        (
            "type: 'PSROIPooling' psroi_pooling_param { spatial_scale: 0.0625 output_dim: 21 group_size: 7 }",
            "PSROIPooling",
            {"spatial_scale": 0.0625, "output_dim": 21, "group_size": 7},
        ),
        (
            "type: 'PSROIAlign' psroi_align_param { spatial_scale: 0.0625 output_dim: 10 group_size: 7 }",
            "PSROIAlign",
            {"spatial_scale": 0.0625, "output_dim": 10, "group_size": 7, "sample_num": 2},
        ),
        (
            "type: 'Proposal' proposal_param { ratio: 0.5 ratio: 1 scale: 8 min_size: 8 post_nms_topn: 100 }",
            "Proposal",
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
            "type: 'BoxAnnotatorOHEM' box_annotator_ohem_param { roi_per_img: 128 }",
            "BoxAnnotatorOHEM",
            {"roi_per_img": 128, "ignore_label": -1},
        ),
        (
            "type: 'SoftmaxWithLossOHEM' loss_param { ignore_label: -1 normalize: false } softmax_param { axis: 2 }",
            "SoftmaxCrossEntropyLoss",
            {"normalization": "batch", "ignore_label": -1, "axis": 2},
        ),
        ("type: 'SoftmaxWithLossOHEM'", "SoftmaxCrossEntropyLoss", {"normalization": "valid", "axis": 1}),
        (
            "type: 'SmoothL1LossOHEM' loss_param { normalization: PRE_FIXED pre_fixed_normalizer: 128 }",
            "SmoothL1Loss",
            {"normalization": "pre_fixed", "pre_fixed_normalizer": 128},
        ),
        (
            "type: 'SmoothL1Loss' loss_param { normalization: PRE_FIXED }",
            "SmoothL1Loss",
            {"normalization": "pre_fixed", "pre_fixed_normalizer": 1},
        ),
        (
            "type: 'SmoothL1LossOHEM' loss_param { normalize: false }",
            "SmoothL1Loss",
            {"normalization": "batch", "pre_fixed_normalizer": 1},
        ),
        ("type: 'SmoothL1LossOHEM'", "SmoothL1Loss", {"normalization": "places", "pre_fixed_normalizer": 1}),
    ],
)
def test_layers(text, layer, expected):
    assert parameters(text) == (layer, expected)
