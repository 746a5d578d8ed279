"""Nets of forks, read as they are: what their layers and fields become."""

import logging
import re
from pathlib import Path

import pytest

from caffe_pylayers import _engine
from caffe_pylayers._layer.parameter import declared
from caffe_pylayers._nets.forks.dialects import LEFT_OUT, always
from caffe_pylayers._nets.forks.lowering import lower
from caffe_pylayers._nets.forks.messages import message_class
from caffe_pylayers._nets.forks.names import fork_of_type
from caffe_pylayers._nets.forks.reading import first_of
from caffe_pylayers._nets.forks.table import DIALECTS, EQUALS, KINDS, engine_type, in_python
from caffe_pylayers._nets.prototxt import parse_net, parse_solver
from caffe_pylayers.cli._layer_pages import all_layers
from tests.nets.forks.lowered import computed_by, in_library, layer_of

# --- the table -----------------------------------------------------------------------------------


@pytest.mark.parametrize("row", DIALECTS, ids=lambda row: row.kind)
def test_a_row_names_what_there_is(row):
    assert fork_of_type(row.kind) or row.kind in _engine.caffe().layer_type_list()
    assert bool(row.layer) != bool(row.equal)
    if row.equal:
        assert row.equal in _engine.caffe().layer_type_list()
        return
    message = message_class(_engine.messages(), "LayerParameter")()
    parameters = declared(all_layers()[row.layer])
    for words in f"{row.names} {row.ignored} {row.read} {row.filler}".split():
        for part in words.partition("=")[0].split("+"):
            *outer, name = part.split(".")
            holders = [getattr(message, param) for param in row.params]
            for step in outer:
                holders = [first_of(each, step) for each in holders if step in each.DESCRIPTOR.fields_by_name]
            assert any(name in each.DESCRIPTOR.fields_by_name for each in holders), words
    assert not LEFT_OUT.intersection(row.ignored.split())
    ours = {words.partition("=")[2] or words.split("+")[0].split(".")[-1] for words in row.names.split()}
    assert ours <= parameters.keys()
    assert not row.filler or {"filler", "filler_value"} <= parameters.keys()
    assert not row.more or row.more(message).keys() <= parameters.keys() - ours


def test_a_forks_type_equals_one_of_caffes():
    equals = {(row.kind, row.equal) for row in DIALECTS if row.kind in KINDS and row.equal}
    assert equals == set(EQUALS.items())


def test_the_guide_has_every_row():
    guide = (Path(__file__).parents[3] / "docs" / "forks.md").read_text().partition("## Layer types")[2]
    for row in DIALECTS:
        assert re.search(rf"^\|.*\b{row.kind}\b.*\|.*{row.layer or row.equal}", guide, re.M), row.kind
    types = [words.lower() for words in re.findall(r"^\| (\w+).*\|$", guide, re.M)]
    assert types[1:] == sorted(types[1:])  # the first is the head


# --- layers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "layer", "parameters"),
    [
        ("type: 'Permute' permute_param { order: 0 order: 2 order: 1 }", "shapes.Permute", {"order": [0, 2, 1]}),
        ("type: 'ReLU6'", "activations.ReLU6", {"negative_slope": 0, "threshold": 6}),
        ("type: 'Mish'", "activations.Mish", {}),
        (
            "type: 'JMMDLoss' jmmd_param { sigma: 2 auto_sigma: true }",
            "domains.JMMDLoss",
            {
                "kernel_num": 5,
                "kernel_mul": 2,
                "fix_gamma": False,
                "label_kernel_num": 5,
                "label_kernel_mul": 2,
                "legacy_gradient": True,
            },
        ),
        ("type: 'Transpose' transpose_param { dim: 1 dim: 0 }", "shapes.Permute", {"order": [1, 0]}),
        ("type: 'ChannelNorm'", "shapes.Reduce", {"operation": "norm", "axes": [1], "keepdims": True}),
        (
            "type: 'CenterLoss' center_loss_param { num_output: 9 center_filler { type: 'gaussian' std: 0.02 } }",
            "center_loss.CenterLoss",
            {"num_classes": 9, "filler": "gaussian", "filler_value": 0.02},
        ),
        (
            "type: 'MarginInnerProduct' margin_inner_product_param { num_output: 9 type: QUADRUPLE base: 1000 "
            "iteration: 5 weight_filler { type: 'xavier' } }",
            "margin_heads.MarginInnerProduct",
            {
                "num_classes": 9,
                "margin": 4,
                "base": 1000,
                "gamma": 0,
                "power": 1,
                "lambda_min": 0,
                "start_iter": 5,
                "filler": "xavier",
                "legacy_version": True,
            },
        ),
        (
            "type: 'Interp' interp_param { height: 33 width: 65 pad_beg: -1 }",
            "resizing.ResizeFeatures",
            {"size": [33, 65], "pad_beg": -1, "pad_end": 0},
        ),
        (
            "type: 'Interp' interp_param { shrink_factor: 2 height: 33 width: 65 }",
            "resizing.ResizeFeatures",
            {"zoom_factor": 1, "shrink_factor": 2, "pad_beg": 0, "pad_end": 0},
        ),
        (
            "type: 'Normalize' norm_param { across_spatial: false scale_filler { type: 'constant' value: 20 } }",
            "ssd.Normalize",
            {"across_spatial": False, "channel_shared": True, "eps": 1e-10, "scale": 20},
        ),
        (
            "type: 'DetectionOutput' detection_output_param { num_classes: 2 code_type: CENTER_SIZE "
            "nms_param { nms_threshold: 0.5 top_k: 400 } }",
            "ssd.DetectionOutput",
            {
                "num_classes": 2,
                "share_location": True,
                "background_label": 0,
                "code_type": "center_size",
                "variance_encoded_in_target": False,
                "nms_threshold": 0.5,
                "top_k": 400,
                "eta": 1,
                "keep_top_k": -1,
                "objectness_score": 0.01,
            },
        ),
    ],
)
def test_layers_of_forks(text, layer, parameters):
    found = layer_of(text)
    assert in_python(found)
    assert f"type: '{found.type}'" in text
    assert in_library(found) == (layer, parameters)


@pytest.mark.parametrize("kind", ["DepthwiseConvolution", "ConvolutionDepthwise"])
def test_depthwise_convolutions(kind):
    group = "group: 6" if kind == "DepthwiseConvolution" else ""
    found = layer_of(f"type: '{kind}' convolution_param {{ num_output: 6 kernel_size: 3 {group} }}")
    assert (found.type, engine_type(found), found.convolution_param.group) == (kind, "Convolution", 6)


# A layer for each row that changes more than python_param, or works on Caffe's own types.
CHANGED = """
DepthwiseConvolution convolution_param { num_output: 6 group: 6 hole: 2 relu: true }
ConvolutionDepthwise convolution_param { num_output: 6 kernel_size: 3 }
Convolution convolution_param { num_output: 6 hole_h: 2 hole_w: 3 relu: true negative_slope: 0.5 }
Deconvolution convolution_param { num_output: 6 hole: 3 }
Eltwise eltwise_param { relu: true }
Gather
Scatter
Dropout dropout_param { sample_weights_test: true scale_train: false }
Pooling pooling_param { kernel_size: 2 ceil_mode: false }
BN bn_param { scale_filler { value: 1 } }
BN bn_param { scale_filler { value: 1 } decay: 0.1 }
BN bn_param { frozen: true }
BatchNorm batch_norm_param { scale_bias: true relu: true }
BatchNorm batch_norm_param { stats_batch_size: 8 }
SoftmaxWithLoss loss_param { class_weighting: 1 class_weighting: 2 weight_by_label_freqs: true }
SoftmaxWithLoss loss_param { class_weighting: 2 }
SigmoidCrossEntropyLoss loss_param { balanced: true }
FrcnnRoiData top: "image" top: "info" top: "boxes" window_data_param { source: "list" }
NdConvolution convolution_param { num_output: 2 kernel_shape { dim: 3 dim: 2 dim: 1 } }
Convolution3D convolution_param { num_output: 2 kernel_size: 3 kernel_depth: 2 }
Repeat repeat_param { num_repeats: 3 }
DeformableConvolution deformable_convolution_param { num_output: 2 kernel_size: 3 }
"""


@pytest.mark.parametrize("layer", CHANGED.strip().splitlines())
def test_a_net_that_has_been_read_is_read_as_it_is(layer):
    """A net is read more than once, and what is saved is read again."""
    kind, _, rest = layer.partition(" ")
    top = "" if "top:" in rest else "top: 'y'"
    layer = f"layer {{ name: 'a' type: '{kind}' bottom: 'x' {top} {rest} }}"
    for net in (layer, f"bn_stats_batch_size: 2 {layer} layer {{ name: 'b' type: 'BatchNorm' bottom: 'z' top: 'z' }}"):
        found = parse_net(net)
        assert parse_net(str(found)) == found
        assert lower(found, _engine.messages(), "net") == found


def test_every_row_without_fields_is_read_twice():
    for kind in {row.kind for row in DIALECTS if row.meant is always}:
        found = parse_net(f"layer {{ name: 'a' type: '{kind}' bottom: 'x' top: 'y' }}")
        assert parse_net(str(found)) == found, kind


def test_a_layer_behind_another_has_a_name_of_its_own():
    behind = "layer { name: 'c' type: 'Eltwise' eltwise_param { relu: true } }"
    net = parse_net(f"{behind} layer {{ name: 'c.relu' type: 'PReLU' }} {behind.replace(repr('c'), repr('d'))}")
    assert [layer.name for layer in net.layer] == ["c", "c.relu_", "c.relu", "d", "d.relu"]


# --- fields --------------------------------------------------------------------------------------


def test_fields_that_change_no_value_are_left_out(caplog):
    layer = "layer { type: 'Convolution' engine: 'MKLDNN' convolution_param { num_output: 2 engine: MKL2017 } }"
    with caplog.at_level(logging.WARNING):
        for _ in range(2):  # as of one file for two nets
            net = parse_net(f"default_forward_type: FLOAT16 {layer} {layer}", "my.prototxt")
    assert caplog.messages == [
        "my.prototxt: left out, as they change no value: convolution_param.engine (2), default_forward_type, engine (2)"
    ]
    assert str(net.layer[0]) == 'type: "Convolution"\nconvolution_param {\n  num_output: 2\n}\n'


def test_of_a_forks_layer_too(caplog):
    with caplog.at_level(logging.WARNING):
        parse_net("layer { type: 'BN' bn_param { engine: CAFFE } }", "net")
    assert caplog.messages == ["net: left out, as they change no value: bn_param.engine"]


@pytest.mark.parametrize("text", ["dropout_param { scale_train: true }", "pooling_param { ceil_mode: true pool: MAX }"])
def test_a_field_with_its_default_changes_nothing(text, caplog):
    assert layer_of(f"type: 'Dropout' {text}").type == "Dropout"
    assert not caplog.messages


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "type: 'MatMul' matmul_param { dim_1: 2 blob_shape { dim: 2 } }",
            r"\(MatMul\): nothing here does what matmul_param.blob_shape asks for",
        ),
        (
            "type: 'CenterLoss' center_loss_param { center_filler { type: 'uniform' max: 2 } }",
            r"\(CenterLoss\): nothing here does what center_loss_param.center_filler asks for",
        ),
        (
            "type: 'Normalize' norm_param { scale_filler { type: 'xavier' } }",
            r'\(Normalize\): nothing here does what norm_param.scale_filler.type asks for: "xavier"$',
        ),
        (
            "type: 'ROIPooling' roi_pooling_param { pooled_h: 7 pooled_w: 7 bi_type: 0 }",
            r"\(ROIPooling\): nothing here does what roi_pooling_param.bi_type asks for, a field of makefile.*: 0$",
        ),
        (
            "type: 'Dropout' dropout_param { dropout_ratio: 2 scale_train: false }",
            r"\(Dropout\): dropout_param.dropout_ratio must be in \[0, 1\], got 2$",
        ),
        (
            "type: 'Padding' padding_param { pad_l: 1 pad_method: MIRRORED }",
            r"\(Padding\): nothing here does what padding_param.pad_method asks for.*: MIRRORED$",
        ),
        (
            "type: 'AnnotatedData' transform_param { noise_param { inverse: true convert_to_lab: true } }",
            r"\(AnnotatedData\): nothing here does what transform_param.noise_param.convert_to_lab asks for.*: true$",
        ),
    ],
)
def test_a_field_that_nothing_here_reads(text, message):
    with pytest.raises(ValueError, match=f'^my.prototxt: layer "a" {message}'):
        layer_of(text, "my.prototxt")


READS = "nothing here does what"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        *[
            (f"'Repeat' repeat_param {{ num_repeats: 2 axis: {axis} }}", rf"{READS} repeat_param.axis asks for: {axis}")
            for axis in (2, 0, -2)
        ],
        ("'FocalLoss' focal_loss_param { type: LINEAR }", rf"{READS} focal_loss_param.type .*: LINEAR"),
        (
            "'InnerDistance' inner_distance_param { transpose: true }",
            rf"{READS} inner_distance_param.transpose .*: true",
        ),
        (
            "'ROIAlign' roi_pooling_param { pooled_h: 7 pooled_w: 7 bi_type: 1 }",
            r"of unsky/FPN or makefile/frcnn; nothing here is one with 1 bottom, 1 top and "
            r"roi_pooling_param.pooled_h and roi_pooling_param.pooled_w",
        ),
    ],
)
def test_a_type_that_is_here_in_another_meaning(text, message):
    with pytest.raises(ValueError, match=rf'^my.prototxt: layer "a" \(\w+\): {message}$'):
        layer_of(f"bottom: 'x' top: 'a' type: {text}", "my.prototxt")


MEANT = sorted(KINDS - {row.kind for row in DIALECTS if row.meant is always})


@pytest.mark.parametrize("kind", MEANT)
def test_no_layer_of_such_a_type_is_lowered_without_a_fault(kind, monkeypatch):
    """Its type alone does not say which type of Caffe computes it."""
    for row in [row for row in DIALECTS if row.kind == kind]:
        monkeypatch.setitem(row.__dict__, "meant", lambda layer: False)
    message = rf'^n: layer "a" \({kind}\): of .*/.*; nothing here is one with 1 bottom, 0 tops and no fields$'
    with pytest.raises(ValueError, match=message):
        layer_of(f"bottom: 'x' type: '{kind}'", "n")


@pytest.mark.parametrize(
    "text",
    [
        "type: 'Repeat' repeat_param { num_repeats: 3 }",
        "type: 'ConvolutionDepthwise' convolution_param { num_output: 4 kernel_size: 3 }",
        "type: 'Convolution3D' convolution_param { num_output: 4 kernel_size: 3 kernel_depth: 2 temporal_stride: 3 }",
        "type: 'NdConvolution' convolution_param { num_output: 4 kernel_shape { dim: 2 dim: 3 dim: 3 } }",
    ],
)
def test_a_net_that_has_been_read_stays_as_it_is(text):
    net = parse_net(f"layer {{ name: 'a' bottom: 'x' top: 'y' {text} }}", "n")
    again = type(net).FromString(net.SerializeToString())
    assert lower(again, _engine.messages(), "n") == net


def test_all_of_a_net_at_once():
    text = (
        "layer { name: 'a' type: 'ROIPooling' roi_pooling_param { bi_type: 0 } } layer { name: 'b' type: 'DenseCRF' }\n"
        "layer { name: 'c' type: 'Padding' padding_param { pad_method: MIRRORED } }"
    )
    with pytest.raises(
        ValueError,
        match=r'^n: layer "a" \(ROIPooling\): nothing .*; layer "c" \(Padding\): nothing .*; '
        r'unknown layer types of hszhao/PSPNet: DenseCRF \(layer "b": not yet\)$',
    ):
        parse_net(text, "n")
    with pytest.raises(ValueError, match=r'layer "7" .*; and 2 more$'):
        parse_net(
            "".join(
                f"layer {{ name: '{i}' padding_param {{ pad_method: MIRRORED }} type: 'Padding' }}" for i in range(10)
            )
        )


def test_a_solver():
    net = "{ layer { name: 'a' type: 'ReLU6' relu6_param { negative_slope: 0.5 } } }"
    solver = parse_solver(f"base_lr: 0.1 test_iter: 1 train_net_param {net} test_net_param {net}")
    for found in (solver.train_net_param, solver.test_net_param[0]):
        assert found.layer[0].python_param.param_str == '{"negative_slope": 0.5, "threshold": 6.0}'
    solver = parse_solver("base_lr: 0.1 device_id: [2, 3] richness: 200")
    assert (solver.device_id, parse_solver("device_id: 4 richness: 200").device_id) == (2, 4)
    with pytest.raises(ValueError, match=r"^mine: the solver: nothing here does what lars asks for"):
        parse_solver("base_lr: 0.1 lars: true", "mine")
    with pytest.raises(ValueError, match=r'^mine: the solver: .* eval_type asks for, a field of .*: "segmentation"$'):
        parse_solver("base_lr: 0.1 eval_type: 'segmentation'", "mine")


def test_an_old_net():
    (layer,) = parse_net("layers { name: 'a' type: ROI_POOLING roi_pooling_param { pooled_h: 2 pooled_w: 2 } }").layer
    assert (layer.type, layer.python_param.layer) == ("ROIPooling", "ROIPooling")


@pytest.mark.parametrize("kind", ["Interp", "Normalize", "SmoothL1Loss", "PriorBox"])
def test_a_layer_without_its_message(kind):
    assert layer_of(f"type: '{kind}'").type == kind


def test_smooth_l1_losses():
    assert computed_by("type: 'SmoothL1Loss'")[1] == {"sigma": 1}
    for point, sigma in ((0.25, 2), (0, 0), (-1, -1)):  # the last two the layer refuses
        turned = computed_by(f"type: 'SmoothL1Loss' smoothl1_param {{ turn_point: {point} }}")
        assert turned[1] == {"sigma": sigma}


def test_two_bottoms_of_interp():
    found = computed_by("type: 'Interp' bottom: 'x' bottom: 'like' interp_param { pad_beg: -1 }")
    assert found[1] == {"pad_beg": -1, "pad_end": 0}


def test_a_caffe_that_has_the_type_itself_keeps_it(monkeypatch):
    """The messages of SSD's own Caffe: its PriorBox is native, and reads its prior_box_param."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto()
    _engine.messages().DESCRIPTOR.CopyToProto(file)
    layer = next(message for message in file.message_type if message.name == "LayerParameter")
    inner = file.message_type.add(name="PriorBoxParameter").field.add(name="min_size", number=1)
    inner.type, inner.label = inner.TYPE_FLOAT, inner.LABEL_REPEATED
    param = layer.field.add(name="prior_box_param", number=203, type_name=".caffe.PriorBoxParameter")
    param.type, param.label = param.TYPE_MESSAGE, param.LABEL_OPTIONAL
    file.enum_type.add(name="Type").value.add(name="DOUBLE", number=0)  # as NVIDIA's Caffe has one
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())

    class Messages:
        DESCRIPTOR = pool.FindFileByName(file.name)

    for name in ("NetParameter", "SolverParameter", "LayerParameter"):
        descriptor = pool.FindMessageTypeByName(f"caffe.{name}")
        if hasattr(message_factory, "GetMessageClass"):
            made = message_factory.GetMessageClass(descriptor)
        else:
            made = message_factory.MessageFactory(pool).GetPrototype(descriptor)
        monkeypatch.setattr(Messages, name, made, raising=False)
    text = "layer { type: 'PriorBox' prior_box_param { min_size: 30 } } layer { type: 'ReLU6' relu6_param {} }"
    prior, relu = parse_net(text, messages=Messages).layer
    assert list(prior.prior_box_param.min_size) == [30]
    assert not prior.HasField("python_param")
    assert relu.python_param.layer == "ReLU6"


def test_a_layer_ignores_the_parameters_of_other_types():
    assert layer_of("type: 'ReLU' permute_param { order: 1 }").type == "ReLU"


def test_of_caffes_own_messages_all_that_is_wrong_is_told_at_once():
    net = parse_net("layer { name: 'p' type: 'Pooling' }", "stock")
    net.layer.add(name="r", type="Repeat")
    net.layer.add(name="y", type="YoloSeg")
    with pytest.raises(
        ValueError, match=r'^net: layer "r" \(Repeat\): needs 1 top, got 0; unknown .*YoloSeg \(layer "y"'
    ):
        lower(net, _engine.caffe().proto.caffe_pb2, "net")
