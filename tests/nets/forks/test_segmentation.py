"""Nets of SegNet, PSPNet, DeepLab and HED: what their layers become, and small ones that train."""

import json

import numpy as np
import pytest

from caffe_pylayers import pycaffe
from caffe_pylayers._nets.prototxt import parse_net


def lowered(text):
    """The class and the parameters of the only layer of a net."""
    (found,) = parse_net(f"layer {{ name: 'a' {text} }}").layer
    param = found.python_param
    return f"{param.module}.{param.layer}"[len("caffe_pylayers.") :], json.loads(param.param_str or "{}")


UNPOOL = "type: 'Upsample' bottom: 'x' bottom: 'mask' upsample_param"


@pytest.mark.parametrize(
    ("text", "layer", "parameters"),
    [
        (f"{UNPOOL} {{ scale: 2 upsample_h: 45 upsample_w: 60 }}", "unpooling.MaxUnpool", {"size": [45, 60]}),
        (
            f"{UNPOOL} {{ scale: 2 pad_out_h: true }}",
            "unpooling.MaxUnpool",
            {"zoom_factor": [2], "pad_out_h": True, "pad_out_w": False},
        ),
        (
            f"{UNPOOL} {{ scale_h: 3 scale_w: 2 }}",
            "unpooling.MaxUnpool",
            {"zoom_factor": [3, 2], "pad_out_h": False, "pad_out_w": False},
        ),
        ("type: 'Upsample' bottom: 'x' upsample_param { scale: 4 }", "resizing.ResizeFeatures", {"zoom_factor": 4}),
        ("type: 'Upsample' bottom: 'x'", "resizing.ResizeFeatures", {"zoom_factor": 1}),
    ],
)
def test_upsample(text, layer, parameters):
    fixed = {"mode": "nearest", "coordinates": "asymmetric"}
    if layer == "unpooling.MaxUnpool":
        fixed = {"legacy_gradient": True}
    assert lowered(text) == (layer, {**parameters, **fixed})


def run(tmp_path, text, data):
    """What a net makes of an input; its last top."""
    path = tmp_path / "net.prototxt"
    sizes = " ".join(f"dim: {size}" for size in data.shape)
    path.write_text(f"input: 'data' input_shape {{ {sizes} }} {text}")
    net = pycaffe.Net(str(path), pycaffe.TEST)
    net.blobs["data"].data[...] = data
    net.forward()
    return net.blobs[net.outputs[-1]].data


def test_upsample_of_yolo(tmp_path):
    layer = "layer { name: 'up' type: 'Upsample' bottom: 'data' top: 'up' upsample_param { scale: 2 } }"
    data = np.random.RandomState(0).rand(2, 3, 4, 5).astype(np.float32)
    np.testing.assert_array_equal(run(tmp_path, layer, data), data.repeat(2, 2).repeat(2, 3))


def test_interp_with_a_factor_of_one_crops(tmp_path):
    layer = "layer { name: 'i' type: 'Interp' bottom: 'data' top: 'i' interp_param { zoom_factor: 1 pad_beg: -1 } }"
    data = np.random.RandomState(0).rand(1, 2, 4, 5).astype(np.float32)
    np.testing.assert_array_equal(run(tmp_path, layer, data), data[:, :, 1:, 1:])
