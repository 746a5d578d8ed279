"""Nets of Fast R-CNN's and R-FCN's forks: what their layers become, and their training beside PyTorch's."""

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
    ],
)
def test_layers(text, layer, expected):
    assert parameters(text) == (layer, expected)
