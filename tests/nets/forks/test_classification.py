"""Classification nets of forks: fields that forks add to Caffe's layers, and layers of their own."""

import pytest

from caffe_pylayers import _engine
from caffe_pylayers._nets.forks.table import engine_type
from tests.nets.forks.lowered import computed_by, in_library, layer_of, layers_of


@pytest.mark.parametrize(
    ("hole", "dilation"), [("hole: 4", [4]), ("hole_h: 2 hole_w: 3", [2, 3]), ("hole_w: 2", [1, 2]), ("hole: 1", [1])]
)
@pytest.mark.parametrize("kind", ["Convolution", "Deconvolution"])
def test_holes_are_dilation(kind, hole, dilation):
    layer = layer_of(f"type: '{kind}' convolution_param {{ num_output: 2 kernel_size: 3 {hole} }}")
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
    layer, relu = layers_of(f"bottom: 'x' top: 'y' {text}")
    assert (relu.name, relu.type, list(relu.bottom), list(relu.top)) == ("a.relu", "ReLU", ["y"], ["y"])
    assert relu.relu_param.negative_slope == slope
    assert "relu" not in str(layer)


def test_dropout_that_scales_in_test():
    layer, scale = layers_of("type: 'Dropout' top: 'y' dropout_param { dropout_ratio: 0.75 scale_train: false }")
    assert (layer.dropout_param.dropout_ratio, layer.HasField("phase")) == (0.75, False)
    assert (scale.type, scale.power_param.scale, list(scale.bottom), list(scale.top)) == ("Power", 0.25, ["y"], ["y"])


def test_dropout_that_samples_in_test():
    layer = layer_of("type: 'Dropout' dropout_param { sample_weights_test: true }")
    assert layer.HasField("phase")
    assert layer.phase == 0


@pytest.mark.parametrize(
    ("text", "parameters"), [("", ""), ("selu_param { lambda: 2 alpha: 1 }", '{"alpha": 1.0, "scale": 2.0}')]
)
def test_selu(text, parameters):
    layer = layer_of(f"type: 'SeLu' {text}")
    assert (layer.python_param.layer, layer.python_param.param_str) == ("SELU", parameters)


@pytest.mark.parametrize("kind", ["Gather", "Scatter"])
def test_one_process_has_nothing_to_gather(kind):
    first, second = layers_of(f"type: '{kind}' bottom: 'x' bottom: 'label' top: 'y' top: 'z'")
    assert (first.name, engine_type(first), list(first.bottom), list(first.top)) == ("a", "Split", ["x"], ["y"])
    assert (second.name, second.type, list(second.bottom), list(second.top)) == ("a.1", "Split", ["label"], ["z"])


@pytest.mark.parametrize("text", ["ceil_mode: false", "ceil_mode: false kernel_h: 3 kernel_w: 2 pad: 1 stride_h: 2"])
def test_pooling_that_rounds_down(text):
    layer = layer_of(f"type: 'Pooling' pooling_param {{ pool: AVE kernel_size: 3 {text} }}")
    if "round_mode" in _engine.messages().PoolingParameter.DESCRIPTOR.fields_by_name:
        assert (layer.type, layer.HasField("python_param"), layer.pooling_param.round_mode) == ("Pooling", False, 1)
        return
    name, found = in_library(layer)
    sides = {"kernel_size": [3, 2], "stride": [2, 1], "pad": [1]} if "kernel_h" in text else {"kernel_size": [3]}
    assert {**found, **sides} == found
    assert (name, found["round_mode"], found["pool"]) == ("nd_pooling.NdPooling", "floor", "ave")


@pytest.mark.parametrize(
    ("text", "tops", "layer", "parameters"),
    [
        ("type: 'Axpy'", 1, "products.Axpy", {}),
        ("type: 'HSwish'", 1, "activations.HardSwish", {}),
        ("type: 'InnerProductBlob'", 1, "products.InnerProductBlob", {}),
        ("type: 'ReLU6' relu6_param { threshold: 4 }", 1, "activations.ReLU6", {"threshold": 4}),
        (
            "type: 'SeLuDropout' selu_dropout_param { dropout_ratio: 0.2 }",
            1,
            "noise.AlphaDropout",
            {"dropout_ratio": 0.2},
        ),
        (
            "type: 'MatMul' matmul_param { dim_1: 2 dim_2: 3 dim_3: 4 }",
            1,
            "products.MatMul",
            {"sizes": [2, 3, 4], "transpose_b": True, "transpose_a": False},
        ),
        (
            "type: 'MatMul' matmul_param { transpose_a: true }",
            1,
            "products.MatMul",
            {"transpose_a": True, "transpose_b": False},
        ),
        (
            "type: 'Padding' padding_param { pad_l: 1 pad_value: 2 }",
            1,
            "resizing.Pad",
            {"pad_l": 1, "pad_r": 0, "fill_value": 2},
        ),
        (
            "type: 'Parameter' parameter_param { shape { dim: 9 dim: 4 } blob_filler { type: 'xavier' } }",
            1,
            "learned.LearnedParameter",
            {"shape": [9, 4], "filler": "xavier"},
        ),
        ("type: 'Normalize' softmax_param { normalize_type: 'L1' }", 1, "embeddings.LpNormalize", {"p": 1}),
        (
            "type: 'Normalize' softmax_param { normalize_type: 'L7' }",
            1,
            "embeddings.LpNormalize",
            {"p": "L7"},
        ),  # refused by it
        (
            "type: 'Normalize'",
            1,
            "embeddings.LpNormalize",
            {"p": 2, "eps": 1e-6, "bp_norm": False, "fix_gradient": False},
        ),
        (
            "type: 'Normalize'",
            2,
            "embeddings.LpNormalize",
            {"p": 2, "eps": 1e-6, "bp_norm": False, "fix_gradient": False},
        ),
        (
            "type: 'Normalize' normalize_param { normalize_type: 'L1' bp_norm: true }",
            1,
            "embeddings.LpNormalize",
            {"p": 1, "bp_norm": True},
        ),
    ],
)
def test_layers(text, tops, layer, parameters):
    name, given = computed_by(" ".join([text, *(f"top: '{i}'" for i in range(tops))]))
    assert name == layer
    assert {**given, **parameters} == given
