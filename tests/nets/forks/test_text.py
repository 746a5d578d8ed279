"""Nets of TextBoxes and TextBoxes++, which what their heads put out tells from SSD's."""

import numpy as np
import pytest

pytest.importorskip("torch")  # which the runtime needs

from caffe_pylayers import pycaffe
from caffe_pylayers._nets.prototxt import parse_net
from tests.nets.forks.lowered import in_library

NET = """
input: "data" input_shape { dim: 1 dim: 3 dim: 32 dim: 32 }
MAPS
layer { name: "loc" type: "Concat" bottom: "loc1_flat" bottom: "loc2_flat" top: "loc" }
layer { name: "conf" type: "Concat" bottom: "conf1_flat" bottom: "conf2_flat" top: "conf" }
layer { name: "prior" type: "Concat" bottom: "prior1" bottom: "prior2" top: "prior" concat_param { axis: 2 } }
layer { name: "found" type: "DetectionOutput" bottom: "loc" bottom: "conf" bottom: "prior" top: "found"
  detection_output_param { num_classes: 2 code_type: CENTER_SIZE keep_top_k: 5 } }
"""
MAP = """
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 4 kernel_size: 8 stride: 8 weight_filler { type: "xavier" } } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "prior1" type: "PriorBox" bottom: "conv1" bottom: "data" top: "prior1"
  prior_box_param { min_size: 8 max_size: 16 aspect_ratio: 5 flip: false DENSER } }
HEADS
"""
HEAD = """
layer { name: "NAME" type: "Convolution" bottom: "conv1" top: "NAME"
  convolution_param { num_output: OUTPUTS kernel_size: 1 weight_filler { type: "xavier" } } }
layer { name: "NAME_order" type: "Permute" bottom: "NAME" top: "NAME_order"
  permute_param { order: 0 order: 2 order: 3 order: 1 } }
layer { name: "NAME_flat" type: "Flatten" bottom: "NAME_order" top: "NAME_flat" }
"""


def net_of(values, boxes=1, field=""):
    """Return a net's text: of two maps, each with three shapes of priors.

    values: of a location. boxes: heads for so many times three at a cell.
    """
    outputs = {"loc1": 3 * boxes * values, "conf1": 3 * boxes * 2}
    heads = "".join(HEAD.replace("NAME", name).replace("OUTPUTS", str(n)) for name, n in outputs.items())
    of_map = MAP.replace("HEADS", heads).replace("DENSER", field)
    deeper = of_map.replace('1"', '2"').replace("1_", "2_").replace('"data" top: "conv', '"conv1" top: "conv')
    deeper = deeper.replace("kernel_size: 8 stride: 8", "kernel_size: 2 stride: 2")
    return NET.replace("MAPS", of_map + deeper)


@pytest.mark.parametrize(
    ("values", "boxes", "field", "denser", "outline"),
    [
        (4, 1, "", False, "none"),
        (4, 2, "", True, "none"),
        (4, 2, "denser_prior_boxes: true", True, "none"),
        (12, 2, "denser_prior_boxes: true", True, "polygon"),
        (12, 1, "", False, "polygon"),
        (9, 2, "denser_prior_boxes: true", True, "rotated"),
        (5, 1, "", False, "none"),  # whose sizes the layers then find fault with
    ],
)
def test_what_a_head_tells(values, boxes, field, denser, outline, caplog):
    net = parse_net(net_of(values, boxes, field), "my.prototxt")
    assert [" read as TextBoxes'" in caplog.text, " read as TextBoxes++'s" in caplog.text] == [
        denser and not field,
        outline != "none",
    ]
    found = {layer.name: in_library(layer)[1] for layer in net.layer}
    assert [found[name]["denser_prior_boxes"] for name in ("prior1", "prior2")] == [denser] * 2
    assert found["found"].get("outline", "none") == outline


def test_what_is_a_guess(caplog):
    """An SSD without a max_size looks like TextBoxes; a field says which it is."""
    text = net_of(4, 2).replace("aspect_ratio: 5 flip: false", "").replace("max_size: 16", "")
    text = text.replace("num_output: 24", "num_output: 8").replace("num_output: 12", "num_output: 4")
    parse_net(text, "my.prototxt")
    assert caplog.messages == [
        'my.prototxt: layer "prior1" (PriorBox): read as TextBoxes\', with a second prior below each, as layer '
        '"loc1" (Convolution) has outputs for 2 priors at a place, and 1 are given: write denser_prior_boxes: true in '
        "each prior_box_param, or false for SSD's"
    ]
    caplog.clear()
    net = parse_net(text.replace("min_size: 8", "min_size: 8 denser_prior_boxes: false"), "my.prototxt")
    priors = [in_library(layer)[1] for layer in net.layer if layer.type == "PriorBox"]
    assert [prior["denser_prior_boxes"] for prior in priors] == [False, False]
    assert not caplog.messages


@pytest.mark.parametrize(("values", "field", "columns"), [(4, "", 7), (12, "denser_prior_boxes: true", 15)])
def test_a_deploy_net(tmp_path, values, field, columns):
    (tmp_path / "net.prototxt").write_text(net_of(values, 2, field))
    net = pycaffe.Net(str(tmp_path / "net.prototxt"), pycaffe.TEST)
    net.blobs["data"].data[...] = np.random.RandomState(1).rand(1, 3, 32, 32)
    net.forward()
    assert net.blobs["prior"].data.shape == (1, 2, 4 * (16 + 4) * 3 * 2)
    assert net.blobs["found"].data.shape == (1, 1, 5, columns)


def test_the_loss_of_polygons_is_not_here():
    loss = net_of(12).replace("DetectionOutput", "MultiBoxLoss").replace("detection_output", "multibox_loss")
    loss = loss.replace('"prior" top: "found"', '"prior" bottom: "label" top: "loss"').replace("keep_top_k: 5", "")
    with pytest.raises(
        ValueError, match=r"multibox_loss_param.use_polygon asks for, a field of MhLiao/TextBoxes_plusplus"
    ):
        parse_net(loss, "my.prototxt")
