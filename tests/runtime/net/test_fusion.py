"""Layers computed together give what they give one by one, in any mixture of the two."""

import numpy as np
import pytest

from caffe_pylayers import pycaffe
from caffe_pylayers._nets import prototxt
from caffe_pylayers._nets.include_rules import State
from caffe_pylayers.runtime.net.fusion import fuse
from caffe_pylayers.runtime.net.graph import Graph
from caffe_pylayers.runtime.proto import caffe_pb2

TEXT = """
layer { name: "in" type: "Input" top: "data" top: "to" input_param { shape { dim: 4 dim: 3 dim: 6 dim: 5 }
        shape { dim: 4 dim: 8 dim: 6 dim: 5 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "x" convolution_param { num_output: 8 kernel_size: 3 pad: 1
        weight_filler { type: "gaussian" } bias_filler { type: "gaussian" } } }
layer { name: "norm" type: "BatchNorm" bottom: "x" top: "x" }
layer { name: "scale" type: "Scale" bottom: "x" top: "x" scale_param { bias_term: true
        filler { type: "uniform" min: 0.5 max: 2 } bias_filler { type: "gaussian" } } }
layer { name: "relu" type: "ReLU" bottom: "x" top: "x" }
"""
ONE_FOR_ALL = "blobs { shape { } data: 2 }"  # a learned value of a Scale
IN_PLACE = 'bottom: "x" top: "x"'
APART = TEXT.replace(IN_PLACE, 'bottom: "x" top: "y"', 1).replace(IN_PLACE, 'bottom: "y" top: "y"')  # conv's top stays
LOSS = 'layer { name: "loss" type: "EuclideanLoss" bottom: "x" bottom: "to" top: "loss" }\n'


def make(tmp_path, phase, text=TEXT + LOSS):
    pycaffe.set_random_seed(3)
    path = tmp_path / "net.prototxt"
    path.write_text(text)
    net = pycaffe.Net(path, phase)
    rng = np.random.default_rng(0)
    for name in ("data", "to"):
        net.blobs[name].data[...] = rng.standard_normal(net.blobs[name].shape)
    return net


def one_by_one(net):
    net.before_forward(lambda layer: None)
    return net


def together(tmp_path, phase, text):
    """The names of the layers of each unit, those of a single layer left out."""
    path = tmp_path / "fused.prototxt"
    path.write_text(text)
    units = fuse(Graph(prototxt.read_net(path, caffe_pb2), State(phase)).steps)
    return [[step.layer.name for step in unit.steps] for unit in units if len(unit.steps) > 1]


def state(net):
    found = {
        f"{kind} {name}": getattr(blob, kind).copy() for name, blob in net.blobs.items() for kind in ("data", "diff")
    }
    for name, blobs in net.params.items():
        for i, blob in enumerate(blobs):
            found[f"{name} {i}"], found[f"{name} {i} diff"] = blob.data.copy(), blob.diff.copy()
    return found


def assert_same(net, other):
    found, wanted = state(net), state(other)
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-5, err_msg=name)


def whole(net):
    net.forward()
    net.backward()


def backward_in_pieces(net):
    net.forward()
    net.backward(end="scale")
    net.backward(start="norm")


def forward_again_from_within(net):
    net.forward()
    net.forward(start="conv", end="norm")
    net.forward(start="scale")
    net.backward()


def backward_twice(net):
    net.forward()
    net.backward()
    net.backward()


def leave_out(layer):
    """The training net without a layer."""
    return "".join(line for line in (TEXT + LOSS).replace("\n    ", "").splitlines(True) if f'"{layer}"' not in line)


@pytest.mark.parametrize(
    ("run", "without"),
    [
        *[(run, "") for run in (whole, backward_in_pieces, forward_again_from_within, backward_twice)],
        *[(run, "relu") for run in (whole, backward_in_pieces, forward_again_from_within)],
        (whole, "scale"),
    ],
)
def test_training(tmp_path, run, without):
    text = leave_out(without)
    net, other = make(tmp_path, pycaffe.TRAIN, text), one_by_one(make(tmp_path, pycaffe.TRAIN, text))
    for each in (net, other):
        run(each)
    assert_same(net, other)


@pytest.mark.parametrize("text", [TEXT, APART, APART.replace('bottom: "x"', 'bottom: "data"').replace("8", "3")])
def test_frozen_net_and_its_weights_when_they_change(tmp_path, text):
    net, other = make(tmp_path, pycaffe.TEST, text), one_by_one(make(tmp_path, pycaffe.TEST, text))
    held = [(each, each.params["scale"][0].data) for each in (net, other)]
    for step in range(3):
        for each, scale in held:
            each.params["norm"][0].data[...] = np.linspace(-1, 1, each.params["norm"][0].count)
            each.params["norm"][1].data[...] = np.linspace(0.5, 2, each.params["norm"][1].count)
            each.params["norm"][2].data[...] = 1 + step
            each.params["conv"][0].data[...] *= 1.5
            np.add(scale, 1, out=scale)  # an array that is held from before
            each.forward()
        assert_same(net, other)


def test_weights_of_another_net(tmp_path):
    """However often each has been written to: their versions never agree by chance."""
    nets = [make(tmp_path, pycaffe.TEST, TEXT) for _ in range(3)]
    for i, net in enumerate(nets):
        net.params["norm"][2].data[...] = 1
        net.params["norm"][1].data[...] = 1
        net.params["conv"][0].data[...] = i
        net.forward()
    nets[0].share_with(nets[1])
    nets[0].forward()
    np.testing.assert_array_equal(nets[0].blobs["x"].data, nets[1].blobs["x"].data)
    nets[0].copy_from(save(nets[2], tmp_path))
    nets[0].forward()
    np.testing.assert_array_equal(nets[0].blobs["x"].data, nets[2].blobs["x"].data)


def save(net, folder):
    net.save(folder / "net.caffemodel")
    return folder / "net.caffemodel"


WITH_BIAS = "scale_param { bias_term: true"


@pytest.mark.parametrize(
    ("phase", "text", "fused"),
    [
        (pycaffe.TRAIN, TEXT + LOSS, [["norm", "scale", "relu"]]),
        (pycaffe.TRAIN, leave_out("relu"), [["norm", "scale"]]),
        (pycaffe.TRAIN, leave_out("scale"), [["norm", "relu"]]),
        (pycaffe.TRAIN, TEXT.replace(WITH_BIAS, f"{WITH_BIAS} num_axes: 2") + LOSS, []),  # not a value a channel
        (pycaffe.TRAIN, TEXT.replace(WITH_BIAS, f"{ONE_FOR_ALL} {ONE_FOR_ALL} {WITH_BIAS}"), []),
        (pycaffe.TEST, TEXT, [["conv", "norm", "scale", "relu"]]),
        (pycaffe.TEST, APART, [["norm", "scale", "relu"]]),
        (pycaffe.TRAIN, APART, []),
        (pycaffe.TEST, TEXT + LOSS, []),  # gradients reach the Scale
    ],
)
def test_which_layers_are_computed_together(tmp_path, phase, text, fused):
    assert together(tmp_path, phase, text) == fused


def test_an_input_shape_that_changes(tmp_path):
    net, other = make(tmp_path, pycaffe.TEST, TEXT), one_by_one(make(tmp_path, pycaffe.TEST, TEXT))
    for each in (net, other):
        each.params["norm"][2].data[...] = 1
        each.params["norm"][1].data[...] = 1
        each.forward()
        each.blobs["data"].reshape(2, 3, 9, 9)
        each.blobs["data"].data[...] = 0.5
        each.forward()
    assert net.blobs["x"].shape == (2, 8, 9, 9)
    assert_same(net, other)
