"""Batch normalization of forks: which layer it is, told by fields and by blobs, and what a net of it learns."""

import numpy as np
import pytest

from caffe_pylayers import _engine
from caffe_pylayers._nets.forks.lowering import lower, parse
from caffe_pylayers._nets.prototxt import parse_net
from tests.nets.forks.lowered import in_library, layer_of, layers_of

FOUR, FIVE = "scale shift mean variance", "mean variance correction scale shift"


def batch_norm(text):
    """What param_str of a layer says, and the rates of its blobs."""
    layer = layers_of(text)[0]
    name, parameters = in_library(layer)
    assert name == "batch_norm.BatchNorm"
    return parameters, [(spec.lr_mult, spec.decay_mult) for spec in layer.param]


@pytest.mark.parametrize(
    ("fields", "learned", "parameters"),
    [
        ("", FOUR, {"scale": 0, "shift": 0, "variance": 0, "moving_average_fraction": 0.9, "eps": 1e-5}),
        (
            "slope_filler { value: 1 } bias_filler { value: 0.5 } momentum: 0.95 frozen: true engine: CUDNN",
            FOUR,
            {"scale": 1, "shift": 0.5, "variance": 1, "moving_average_fraction": 0.95, "frozen": True},
        ),
        ("slope_filler { value: 1 } inverse_std: true", "scale shift mean inverse_std", {"scale": 1, "variance": 1}),
        ("scale_filler { value: 1 }", "scale shift", {"scale": 1, "eps": 1e-9, "use_global_stats": False}),
        ("bn_mode: INFERENCE", "scale shift", {"use_global_stats": True}),
        (
            "scale_filler { value: 1 } decay: 0.1 axis: 2 var_eps: 1e-8",
            FOUR,
            {"scale": 1, "axis": 2, "eps": 1e-8, "moving_average_fraction": 0.9, "use_global_stats": False},
        ),
        ("moving_average: true", FOUR, {"use_global_stats": None, "moving_average_fraction": 0.95, "eps": 1e-10}),
    ],
)
def test_bn(fields, learned, parameters):
    found, rates = batch_norm(f"type: 'BN' bn_param {{ {fields} }}")
    assert found.pop("learned", FOUR.split()) == learned.split()
    assert found.pop("blob_axes") == 4
    assert {name: found[name] for name in parameters} == parameters
    held = range(4) if found.get("frozen") else [2, 3]
    assert [i for i, rate in enumerate(rates) if rate == (0, 0)] == (list(held) if "mean" in learned else [])


@pytest.mark.parametrize(
    ("fields", "learned", "parameters"),
    [
        ("scale_bias: true moving_average_fraction: 0.9", FIVE, {"averaging": "from_first"}),
        ("scale_filler { value: 2 } bias_filler { value: 1 } eps: 1e-7", FIVE, {"scale": 2, "shift": 1, "eps": 1e-5}),
        ("filler { value: 2 } bias_term: false engine: MKLDNN", FIVE[:-6], {"averaging": "sum", "scale": 2}),
    ],
)
def test_batch_norm(fields, learned, parameters):
    found, rates = batch_norm(f"type: 'BatchNorm' batch_norm_param {{ {fields} }}")
    assert found.pop("learned") == learned.split()
    assert {name: found[name] for name in parameters} == parameters
    assert rates == [(0, 0)] * 3 + [(1, 1)] * (len(learned.split()) - 3)


@pytest.mark.parametrize(
    ("kind", "shapes", "learned", "axes"),
    [
        ("BN", [(1, 6)] * 4, FOUR, 2),
        ("BN", [(1, 6, 1, 1)] * 2, "scale shift", 4),
        ("BatchNorm", [(6,), (6,), (1,), (6,), (6,)], FIVE, 1),
        ("BatchNorm", [(1, 6, 1, 1)] * 4 + [(1,)], "scale shift mean variance correction", 4),
        ("BatchNorm", [(6,), (6,), (1,)], None, None),
    ],
)
def test_told_by_blobs(kind, shapes, learned, axes):
    net = parse(f"layer {{ name: 'a' type: '{kind}' }}", "NetParameter", _engine.messages())
    for shape in shapes:
        net.layer[0].blobs.add().shape.dim.extend(shape)
    (layer,) = lower(net, _engine.messages(), "net").layer
    if learned is None:
        assert not layer.HasField("python_param")
        return
    _, found = in_library(layer)
    assert (found["learned"], found["blob_axes"]) == (learned.split(), axes)


def test_what_makes_no_difference_is_left_out():
    layer = layer_of("type: 'BatchNorm' batch_norm_param { eps: 1 use_weight_bias: false icnet: true engine: MKL2017 }")
    assert [field.name for field, _ in layer.ListFields()] == ["name", "type", "batch_norm_param"]
    assert [field.name for field, _ in layer.batch_norm_param.ListFields()] == ["eps"]


def test_a_relu_in_it():
    net = parse_net(
        "layer { name: 'bn' type: 'BatchNorm' bottom: 'x' top: 'y' batch_norm_param { scale_bias: true relu: true } "
        "include { phase: TEST } } layer { name: 'next' type: 'ReLU' bottom: 'y' top: 'z' }"
    )
    assert [layer.name for layer in net.layer] == ["bn", "bn.relu", "next"]
    relu = net.layer[1]
    assert (relu.type, list(relu.bottom), list(relu.top)) == ("ReLU", ["y"], ["y"])
    assert relu.include == net.layer[0].include


def test_what_has_no_equal():
    with pytest.raises(ValueError, match=r"nothing here does what bn_param.slope_filler.type asks for"):
        layer_of("type: 'BN' bn_param { slope_filler { type: 'gaussian' } }")
    with pytest.raises(ValueError, match=r"nothing here does what batch_norm_param.relu asks for"):
        layer_of("type: 'BatchNorm' batch_norm_param { stats_batch_size: 8 relu: true }")


@pytest.mark.parametrize(("said", "doubts"), [("", 1), ("bn_param { inverse_std: false }", 0)])
def test_a_net_of_caffe_windows_is_asked_which_bn_it_has(caplog, said, doubts):
    norm = f"layer {{ name: 'bn' type: 'BN' {said} }}"
    parse_net(norm + "layer { name: 'center' type: 'InnerDistance' inner_distance_param { num_output: 2 } }", "my")
    assert len(caplog.messages) == doubts
    for message in caplog.messages:
        assert message.startswith('my: layer "bn" (BN): read as PSPNet\'s, which keeps the variance. layer "center" ')
    caplog.clear()
    parse_net(norm)
    assert not caplog.messages


INTEL = """
bn_stats_batch_size: 2
input: "x" input_shape { dim: 5 dim: 3 dim: 2 dim: 2 }
layer { name: "bn" type: "BatchNorm" bottom: "x" top: "bn" PARAM }
layer { name: "fixed" type: "BatchNorm" bottom: "x" top: "fixed" batch_norm_param { use_global_stats: true } }
"""


@pytest.mark.parametrize(
    "param", ["", "batch_norm_param { stats_batch_size: 8 eps: 1e-3 moving_average_fraction: 0.9 }"]
)
def test_statistics_of_parts_of_a_batch(param):
    """The net's number counts for each BatchNorm that takes a batch's statistics."""
    *_, parts, fixed = parse_net(INTEL.replace("PARAM", param), "my.prototxt").layer
    name, found = in_library(parts)
    given = {"eps": 1e-3, "moving_average_fraction": 0.9} if param else {"eps": 1e-5, "moving_average_fraction": 0.999}
    assert name == "batch_norm.BatchNorm"
    assert found == {
        "learned": FIVE.split()[:3],
        "variance": 0,
        "averaging": "sum",
        "unbiased": True,
        "stats_batch_size": 2,
        **given,
    }
    assert [spec.lr_mult for spec in parts.param] == [0, 0, 0]
    assert not fixed.HasField("python_param")


def test_parts_of_a_batch_by_caffes_batch_norm(tmp_path):
    """Of a net as it is, the parts and what they leave of the running sums are those of stock batches in turn."""
    pytest.importorskip("torch")
    from caffe_pylayers import pycaffe

    x = np.random.RandomState(4).standard_normal((4, 3, 2, 2))
    nets = []
    for i, text in enumerate([INTEL, INTEL.replace("bn_stats_batch_size: 2", "").replace("dim: 5", "dim: 2")]):
        (tmp_path / f"{i}.prototxt").write_text(text.replace("PARAM", "").replace("dim: 5", "dim: 4"))
        nets.append(pycaffe.Net(str(tmp_path / f"{i}.prototxt"), pycaffe.TRAIN))
    whole, stock = nets
    whole.blobs["x"].data[...] = x
    whole.forward()
    for part in (slice(0, 2), slice(2, 4)):
        stock.blobs["x"].data[...] = x[part]
        stock.forward()
        assert whole.blobs["bn"].data[part] == pytest.approx(stock.blobs["bn"].data, abs=1e-6)
    for mine, theirs in zip(whole.params["bn"], stock.params["bn"]):
        assert mine.data == pytest.approx(theirs.data, rel=1e-5)


def test_weights_of_no_such_layer():
    net = parse("layer { name: 'n' type: 'Normalize' }", "NetParameter", _engine.messages())
    for _ in range(2):
        net.layer[0].blobs.add().shape.dim.append(3)
    message = r'^net: layer "n" \(Normalize\): none has 2 learned blobs, as its weights have them; .* this net\?$'
    with pytest.raises(ValueError, match=message):
        lower(net, _engine.messages(), "net")
