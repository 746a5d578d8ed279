"""Wrong values on a device are raised when the host looks, by the layer that found them, and do no harm until then.

The device is a second name of the CPU, so that there are values.
"""

import re

import numpy as np
import pytest
import torch
from google.protobuf import text_format

from caffe_pylayers._layer import checks, late
from caffe_pylayers.runtime import process
from caffe_pylayers.runtime.layers.layer import LayerError
from caffe_pylayers.runtime.memory import device, scalars
from caffe_pylayers.runtime.net import late_checks
from caffe_pylayers.runtime.net.net import Net
from caffe_pylayers.runtime.proto import caffe_pb2
from caffe_pylayers.runtime.solvers import get_solver

HEAD = """
layer { name: "in" type: "Input" top: "x" top: "label"
        input_param { shape { dim: 4 dim: 3 } shape { dim: 4 } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y"
        inner_product_param { num_output: 5 weight_filler { type: "gaussian" } } }
"""
ONE_HOT = """
layer { name: "codes" type: "Python" bottom: "label" bottom: "y" top: "codes"
        python_param { module: "caffe_pylayers.one_hot" layer: "label2one_hot" } }
layer { name: "loss" type: "Python" bottom: "y" bottom: "codes" top: "loss" loss_weight: 1
        python_param { module: "caffe_pylayers.pyloss" layer: "EuclideanLossLayer" } }
"""
LABELS = [0, 1, 7, 2]


@pytest.fixture
def looks(monkeypatch):
    """Compute on a device that is the CPU by another name; gives a list with how many checks each look has read."""
    counts = []

    def answers(flags):
        def read():
            counts.append(len(flags))
            return [bool(flag) for flag in flags]

        return read

    monkeypatch.setattr(device, "_device", torch.device("cpu", 0))
    monkeypatch.setattr(late_checks, "answers", answers)
    with torch.no_grad():
        yield counts


def solver(text, **fields):
    param = caffe_pb2.SolverParameter(base_lr=0.1, lr_policy="fixed", random_seed=1, **fields)
    param.net_param.CopyFrom(net_param(text))
    return get_solver(param)


def net_param(text):
    return text_format.Parse(text, caffe_pb2.NetParameter())


def feed(net, labels):
    net.blobs["x"].data[...] = np.random.RandomState(1).standard_normal((4, 3))
    net.blobs["label"].data[...] = labels


def weights(net):
    return np.concatenate([blob.data.ravel() for blob in net.learnable])


def test_a_step_ends_with_the_error_and_leaves_the_weights(looks):
    trained = solver(HEAD + ONE_HOT, type="SGD", momentum=0.9)
    feed(trained.net, LABELS)
    before = weights(trained.net)
    with pytest.raises(ValueError, match=r"^label2one_hot: label 7 at index 2 is outside \[0, 5\)") as error:
        trained.step(1)
    assert any('layer "codes"' in note for note in getattr(error.value, "__notes__", ['layer "codes"']))
    assert trained.iter == 0
    assert np.array_equal(weights(trained.net), before)
    feed(trained.net, [0, 1, 4, 2])
    trained.step(1)
    assert not np.array_equal(weights(trained.net), before)
    assert looks == [1, 1], "one for each iteration"


def test_each_batch_of_an_iteration_is_looked_at(looks):
    trained = solver(HEAD + ONE_HOT, type="SGD", iter_size=3)
    feed(trained.net, [0, 1, 4, 2])
    trained.step(2)
    assert looks == [1] * 6
    batches = iter([[0, 1, 2, 3], LABELS, [0, 1, 2, 3]])
    trained.net.before_forward(lambda layer: layer or feed(trained.net, next(batches)))
    with pytest.raises(ValueError, match="label 7 at index 2"):
        trained.step(1)


@pytest.mark.parametrize("call", [Net.forward, lambda net: net._forward(0, 3)])
def test_whoever_reads_learns_it(looks, call):
    net = Net(net_param(HEAD + ONE_HOT), caffe_pb2.TEST)
    feed(net, LABELS)
    with pytest.raises(ValueError, match="label 7 at index 2"):
        call(net)
    feed(net, [0, 1, 4, 2])
    call(net)
    net._forward(0, 1)
    assert looks == [1, 1], "what checks nothing is not looked at"


def test_the_next_forward_raises_what_nobody_has_read(looks):
    net = Net(net_param(HEAD + ONE_HOT), caffe_pb2.TEST)
    feed(net, LABELS)
    net.forward_loss()
    assert not looks
    with pytest.raises(ValueError, match="label 7 at index 2"):
        net.forward_loss()
    feed(net, [0, 1, 4, 2])
    net.forward_loss()
    net.check_values()
    net.check_values()
    assert looks == [1, 1]


def test_a_test_pass_raises_before_its_means_are_said(looks, caplog):
    caplog.set_level("INFO", process.LOGGER.name)
    trained = solver(HEAD + ONE_HOT, type="SGD", test_iter=[2], test_interval=1, test_initialization=True)
    feed(trained.test_nets[0], LABELS)
    with pytest.raises(ValueError, match="label 7 at index 2"):
        trained.step(1)
    assert caplog.messages[-1] == "Iteration 0, Testing net (#0)"


@pytest.mark.parametrize("label", [5, -1])
@pytest.mark.parametrize("kind", ["SoftmaxWithLoss", "HingeLoss", "InfogainLoss", "Accuracy"])
def test_native_layers_name_themselves(looks, kind, label):
    matrix = 'bottom: "h"' if kind == "InfogainLoss" else ""
    param = net_param(f"""{HEAD}
layer {{ name: "h" type: "DummyData" top: "h" dummy_data_param {{ shape {{ dim: 5 dim: 5 }} }} }}
layer {{ name: "last" type: "{kind}" bottom: "y" bottom: "label" {matrix} top: "last" }}""")
    net = Net(param, caffe_pb2.TRAIN if kind != "Accuracy" else caffe_pb2.TEST)
    feed(net, [0, 1, label, label])
    net.forward_loss()
    message = rf'^layer "last" \({kind}\): bottom\[1\]: label {label} at index 2 is outside \[0, 5\)'
    with pytest.raises(LayerError, match=message):
        net.check_values()


@pytest.mark.parametrize("index", [3, -1, 1e6])
def test_indices_do_no_harm(looks, index):
    net = Net(
        net_param("""
layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 } } }
layer { name: "rows" type: "Embed" bottom: "x" top: "y"
        embed_param { num_output: 2 input_dim: 3 weight_filler { type: "gaussian" } bias_term: false } }
layer { name: "again" type: "BatchReindex" bottom: "y" bottom: "x" top: "z" }"""),
        caffe_pb2.TRAIN,
    )
    net.blobs["x"].data[...] = [1, index]
    net.forward_loss()
    with pytest.raises(LayerError, match=rf'"rows" \(Embed\): .* got {int(index)} at index 1$'):
        net.check_values()
    assert np.isin(net.blobs["y"].data, net.params["rows"][0].data).all()


@pytest.mark.parametrize("level", ["INFO", "WARNING"])
def test_the_loss_is_read_where_it_is_displayed(looks, monkeypatch, caplog, level):
    caplog.set_level(level, process.LOGGER.name)
    read, seen = [], level == "INFO"
    numbers = scalars.numbers
    monkeypatch.setattr(scalars, "numbers", lambda late: read.append(1) or numbers(late))
    trained = solver(HEAD + ONE_HOT, type="SGD", average_loss=2, display=3)
    feed(trained.net, [0, 1, 4, 2])
    trained.step(1)
    assert len(read) == seen
    trained.step(2)
    assert len(read) == seen
    trained.step(1)
    assert len(read) == 2 * seen


def test_the_displayed_losses_are_the_cpus(looks, monkeypatch, caplog):
    caplog.set_level("INFO", process.LOGGER.name)

    def losses():
        caplog.clear()
        trained = solver(HEAD + ONE_HOT, type="SGD", average_loss=3, display=1, iter_size=2)
        feed(trained.net, [0, 1, 4, 2])
        trained.step(6)
        return [float(line.split("loss = ")[1]) for line in caplog.messages if ", loss = " in line]

    on_device = losses()
    assert len(on_device) == 6
    monkeypatch.setattr(device, "_device", device.HOST)
    np.testing.assert_allclose(on_device, losses(), rtol=1e-5)


def test_gradients_are_clipped_without_a_look(looks, monkeypatch):
    process.LOGGER.setLevel("WARNING")
    monkeypatch.setattr(torch.Tensor, "item", None)
    trained = solver(HEAD + ONE_HOT, type="SGD", clip_gradients=0.01)
    feed(trained.net, [0, 1, 4, 2])
    before = weights(trained.net)
    trained.step(1)
    assert 0 < np.linalg.norm(weights(trained.net) - before) < 0.1 * 0.0101


CHECKS = {
    "finite": lambda x: checks.numbers(NAMELESS, "x", x),
    "numbers": lambda x: checks.numbers(NAMELESS, "x", x, low=-np.inf, high=np.inf),
    "within": lambda x: checks.numbers(NAMELESS, "x", x, low=0, high=1),
    "far": lambda x: checks.numbers(NAMELESS, "x", x, low=-1e300, high=1e300),
    "some": lambda x: checks.numbers(NAMELESS, "x", x, x != 2, 0, 1),
    "every": lambda x: checks.every(NAMELESS, "mark", x, (x == 0) | (x == 1), "is neither 0 nor 1"),
    "labels": lambda x: checks.class_labels(NAMELESS, x, 3),
    "labels but one": lambda x: checks.class_labels(NAMELESS, x, 2, ignore_label=2),
}
NAMELESS = object()


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
@pytest.mark.parametrize("bad", [0.0, 1.0, 2.0, -1.0, 0.5, np.inf, -np.inf, np.nan, 3e38])
def test_a_late_check_finds_what_one_at_once_does(check, bad):
    values = torch.tensor([[0.0, 1.0], [bad, 1.0]])
    found = []
    with late.collected_by(lambda good, error: found.append((bool(good.all()), error)) or True):
        check(values)
    (good, error), *others = found
    assert not others
    if good:
        check(values)
    else:
        with pytest.raises(ValueError, match=f"^{re.escape(str(error()))}$"):
            check(values)
