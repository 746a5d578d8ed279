"""Nets of Deformable ConvNets, as unsky/FPN and makefile/frcnn have them."""

import numpy as np
import pytest

pytest.importorskip("torch")  # which the runtime needs

from caffe_pylayers import pycaffe
from tests.nets.forks.lowered import computed_by

NET = """
input: "data" input_shape { dim: 2 dim: 4 dim: 6 dim: 7 }
input: "label" input_shape { dim: 2 }
layer { name: "offset" type: "Convolution" bottom: "data" top: "offset"
  convolution_param { num_output: 72 kernel_size: 3 dilation: 2 pad: 2 weight_filler { type: "xavier" } } }
layer { name: "dec" type: "DeformableConvolution" bottom: "data" bottom: "offset" top: "dec"
  param { lr_mult: 1 } param { lr_mult: 2 }
  deformable_convolution_param { num_output: 5 kernel_size: 3 stride: 1 pad: 2 engine: 1 dilation: 2
    weight_filler { type: "xavier" } bias_filler { type: "constant" } } }
layer { name: "pool" type: "Pooling" bottom: "dec" top: "pool" pooling_param { pool: AVE global_pooling: true } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "pool" bottom: "label" top: "loss" }
"""


def test_it_trains_and_keeps_its_weights(tmp_path):
    (tmp_path / "net.prototxt").write_text(NET)
    net = pycaffe.Net(str(tmp_path / "net.prototxt"), pycaffe.TRAIN)
    assert net.layers[list(net._layer_names).index("dec")].type == "DeformableConvolution"
    assert [blob.data.shape for blob in net.params["dec"]] == [(5, 4, 3, 3), (5,)]
    net.blobs["data"].data[...] = np.random.RandomState(0).standard_normal((2, 4, 6, 7))
    loss = net.forward()["loss"].copy()
    net.backward()
    for name in ("offset", "dec"):
        assert all(blob.diff.any() for blob in net.params[name])
        for blob in net.params[name]:
            blob.data[...] -= 0.1 * blob.diff
    assert net.forward()["loss"] < loss
    net.save(str(tmp_path / "x.caffemodel"))
    again = pycaffe.Net(str(tmp_path / "net.prototxt"), pycaffe.TEST, weights=str(tmp_path / "x.caffemodel"))
    np.testing.assert_array_equal(again.params["dec"][0].data, net.params["dec"][0].data)


def test_fields():
    text = "num_output: 8 kernel_h: 3 kernel_w: 1 pad_h: 1 stride: 2 group: 2 deformable_group: 1 bias_term: false"
    assert computed_by(f"type: 'DeformableConvolution' deformable_convolution_param {{ {text} }}") == (
        "deformable.DeformableConvolution",
        {"num_output": 8, "kernel_size": [3, 1], "pad": [1, 0], "stride": [2], "groups": 2, "deformable_groups": 1}
        | {"bias_term": False, "filler": "constant"},
    )


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ("kernel_size: 3 kernel_h: 3 kernel_w: 1", "takes kernel_size, or kernel_h and kernel_w: not both"),
        ("kernel_size: 3 pad: 1 pad_h: 2", "takes pad, or pad_h and pad_w: not both"),
        ("kernel_size: 3 stride: 1 stride_w: 2", "takes stride, or stride_h and stride_w: not both"),
        ("kernel_h: 3", r"deformable_convolution_param\.kernel_w is missing"),
        ("kernel_size: 3 stride_w: 3", r"deformable_convolution_param\.stride_h is missing"),
    ],
)
def test_sizes_that_caffes_convolution_refuses_too(sizes, message):
    with pytest.raises(ValueError, match=rf'^net: layer "a" \(DeformableConvolution\): .*{message}$'):
        computed_by(f"type: 'DeformableConvolution' deformable_convolution_param {{ num_output: 8 {sizes} }}")
