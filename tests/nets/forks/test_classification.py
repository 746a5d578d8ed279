"""Classification nets of forks: fields that forks add to Caffe's layers, and layers of their own."""

import json

import pytest

from caffe_pylayers import _engine
from caffe_pylayers._nets.prototxt import parse_net


def lowered(text, bottoms=("x",)):
    bottom = " ".join(f"bottom: '{name}'" for name in bottoms)
    return parse_net(f"layer {{ name: 'a' {bottom} top: 'y' {text} }}").layer


@pytest.mark.parametrize(
    ("hole", "dilation"), [("hole: 4", [4]), ("hole_h: 2 hole_w: 3", [2, 3]), ("hole_w: 2", [1, 2]), ("hole: 1", [1])]
)
@pytest.mark.parametrize("kind", ["Convolution", "Deconvolution"])
def test_holes_are_dilation(kind, hole, dilation):
    (layer,) = lowered(f"type: '{kind}' convolution_param {{ num_output: 2 kernel_size: 3 {hole} }}")
    assert (layer.type, list(layer.convolution_param.dilation)) == (kind, dilation)


@pytest.mark.parametrize(
    ("text", "slope"),
    [
        ("type: 'Convolution' convolution_param { relu: true negative_slope: 0.5 engine: MKLDNN }", 0.5),
        ("type: 'DepthwiseConvolution' convolution_param { group: 2 num_output: 2 relu: true }", 0),
        ("type: 'Eltwise' eltwise_param { operation: MAX relu: true }", 0),
    ],
)
def test_a_relu_in_a_layer(text, slope):
    layer, relu = lowered(text)
    assert (relu.name, relu.type, list(relu.bottom), list(relu.top)) == ("a/relu", "ReLU", ["y"], ["y"])
    assert relu.relu_param.negative_slope == slope
    assert "relu" not in str(layer)


def test_dropout_that_scales_in_test():
    layer, scale = lowered("type: 'Dropout' dropout_param { dropout_ratio: 0.75 scale_train: false }")
    assert (layer.dropout_param.dropout_ratio, layer.HasField("phase")) == (0.75, False)
    assert (scale.type, scale.power_param.scale, list(scale.bottom), list(scale.top)) == ("Power", 0.25, ["y"], ["y"])


def test_dropout_that_samples_in_test():
    (layer,) = lowered("type: 'Dropout' dropout_param { sample_weights_test: true }")
    assert layer.HasField("phase")
    assert layer.phase == 0


@pytest.mark.parametrize("kind", ["Gather", "Scatter"])
def test_one_process_has_nothing_to_gather(kind):
    first, second = lowered(f"type: '{kind}' top: 'z'", bottoms=("x", "label"))
    assert (first.name, first.type, list(first.bottom), list(first.top)) == ("a", "Split", ["x"], ["y"])
    assert (second.name, second.type, list(second.bottom), list(second.top)) == ("a/1", "Split", ["label"], ["z"])


@pytest.mark.parametrize("text", ["ceil_mode: false", "ceil_mode: false kernel_h: 3 kernel_w: 2 pad: 1 stride_h: 2"])
def test_pooling_that_rounds_down(text):
    (layer,) = lowered(f"type: 'Pooling' pooling_param {{ pool: AVE kernel_size: 3 {text} }}")
    if "round_mode" in _engine.messages().PoolingParameter.DESCRIPTOR.fields_by_name:
        assert (layer.type, layer.HasField("python_param"), layer.pooling_param.round_mode) == ("Pooling", False, 1)
        return
    found = json.loads(layer.python_param.param_str)
    sides = {"kernel_size": [3, 2], "stride": [2, 1], "pad": [1]} if "kernel_h" in text else {"kernel_size": [3]}
    assert {**found, **sides} == found
    assert (layer.python_param.layer, found["round_mode"], found["pool"]) == ("NdPooling", "floor", "ave")


@pytest.mark.parametrize(
    ("text", "tops", "layer", "parameters"),
    [
        ("type: 'Axpy'", 1, "Axpy", {}),
        ("type: 'HSwish'", 1, "HardSwish", {}),
        ("type: 'InnerProductBlob'", 1, "InnerProductBlob", {}),
        ("type: 'ReLU6' relu6_param { threshold: 4 }", 1, "ReLU6", {"threshold": 4}),
        ("type: 'SeLuDropout' selu_dropout_param { dropout_ratio: 0.2 }", 1, "AlphaDropout", {"dropout_ratio": 0.2}),
        (
            "type: 'MatMul' matmul_param { dim_1: 2 dim_2: 3 dim_3: 4 }",
            1,
            "MatMul",
            {"sizes": [2, 3, 4], "transpose_b": True, "transpose_a": False},
        ),
        ("type: 'MatMul' matmul_param { transpose_a: true }", 1, "MatMul", {"transpose_a": True, "transpose_b": False}),
        (
            "type: 'Padding' padding_param { pad_l: 1 pad_value: 2 }",
            1,
            "Pad",
            {"pad_l": 1, "pad_r": 0, "fill_value": 2},
        ),
        (
            "type: 'Parameter' parameter_param { shape { dim: 9 dim: 4 } blob_filler { type: 'xavier' } }",
            1,
            "LearnedParameter",
            {"shape": [9, 4], "filler": "xavier"},
        ),
        ("type: 'Normalize' softmax_param { normalize_type: 'L1' }", 1, "LpNormalize", {"p": 1}),
        ("type: 'Normalize' softmax_param { normalize_type: 'L7' }", 1, "LpNormalize", {"p": "L7"}),  # refused by it
        ("type: 'Normalize'", 1, "LpNormalize", {"p": 2, "eps": 1e-6, "bp_norm": False, "fix_gradient": False}),
        ("type: 'Normalize'", 2, "LpNormalize", {"p": 2, "eps": 1e-6, "bp_norm": False, "fix_gradient": False}),
        (
            "type: 'Normalize' normalize_param { normalize_type: 'L1' bp_norm: true }",
            1,
            "LpNormalize",
            {"p": 1, "bp_norm": True},
        ),
    ],
)
def test_layers(text, tops, layer, parameters):
    more = " ".join(f"top: '{i}'" for i in range(1, tops))
    (found,) = lowered(f"{text} {more}")
    given = json.loads(found.python_param.param_str or "{}")
    assert found.python_param.layer == layer
    assert {**given, **parameters} == given
