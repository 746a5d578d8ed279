"""Training on a device without values: nothing of an iteration waits for the host, in steady state."""

import pytest
from google.protobuf import text_format

from caffe_pylayers._nets import prototxt
from caffe_pylayers.runtime.process import LOGGER
from caffe_pylayers.runtime.proto import caffe_pb2
from caffe_pylayers.runtime.solvers import SOLVERS, get_solver, sgd
from tests.runtime.meta.place import META, on_meta

NET = """
layer { name: "in" type: "Input" top: "x" top: "label"
        input_param { shape { dim: 4 dim: 3 } shape { dim: 4 } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y" inner_product_param { num_output: 5
        weight_filler { type: "gaussian" } } param { lr_mult: 1 } param { lr_mult: 2 decay_mult: 0 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "y" bottom: "label" top: "loss" }
layer { name: "right" type: "Accuracy" bottom: "y" bottom: "label" top: "right" include { phase: TEST } }
"""
IMAGES = """
layer { name: "in" type: "Input" top: "x" top: "label"
        input_param { shape { dim: 2 dim: 4 dim: 8 dim: 8 } shape { dim: 2 } } }
layer { name: "conv" type: "Convolution" bottom: "x" top: "conv"
        convolution_param { num_output: 4 kernel_size: 3 pad: 1 weight_filler { type: "gaussian" } } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" }
layer { name: "scale" type: "Scale" bottom: "conv" top: "conv" scale_param { bias_term: true } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "norm" type: "LRN" bottom: "conv" top: "norm" }
layer { name: "sum" type: "Eltwise" bottom: "norm" bottom: "x" top: "sum" }
layer { name: "both" type: "Concat" bottom: "sum" bottom: "norm" top: "both" }
layer { name: "pool" type: "Pooling" bottom: "both" top: "pool" pooling_param { kernel_size: 3 stride: 2 } }
layer { name: "drop" type: "Dropout" bottom: "pool" top: "pool" }
layer { name: "ip" type: "InnerProduct" bottom: "pool" top: "y" inner_product_param { num_output: 5
        weight_filler { type: "gaussian" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "y" bottom: "label" top: "loss" }
layer { name: "right" type: "Accuracy" bottom: "y" bottom: "label" top: "right" include { phase: TEST } }
"""
FIELDS = {
    "plain": {},
    "L1": {"weight_decay": 0.1, "regularization_type": "L1"},
    "L2, several batches": {"weight_decay": 0.1, "iter_size": 2},
    "clipped": {"clip_gradients": 1.0},
    "averaged": {"average_loss": 5},
    "shown to nobody": {"average_loss": 5, "display": 1},
    "tested": {"test_iter": [2], "test_interval": 1, "test_compute_loss": True},
    "in steps": {"lr_policy": "multistep", "gamma": 0.5, "stepvalue": [1]},
}


def make_solver(text, kind, **fields):
    fields = {"base_lr": 0.1, "lr_policy": "fixed", "type": kind, **fields}
    if kind not in ("AdaGrad", "RMSProp"):
        fields.setdefault("momentum", 0.9)
    param = caffe_pb2.SolverParameter(**fields)
    text_format.Parse(text, param.net_param)
    return get_solver(param)


def train(solver, monkeypatch):
    """Two iterations on the meta device, of which the second is watched."""
    with on_meta(monkeypatch) as watched:
        solver.step(1)
        with watched():
            solver.step(1)
        assert solver.iter == 2
        for blob in solver.net.learnable:
            assert blob.update().device == META


@pytest.mark.parametrize("fields", FIELDS.values(), ids=FIELDS)
@pytest.mark.parametrize("kind", SOLVERS.names())
def test_solvers(kind, fields, monkeypatch):
    train(make_solver(NET, kind, **fields), monkeypatch)


@pytest.mark.parametrize("reuses", [False, True])
def test_layers_computed_together(reuses, monkeypatch):
    solver = make_solver(IMAGES, "SGD", test_iter=[2], test_interval=1)
    if reuses:
        solver.reuse_memory()
    train(solver, monkeypatch)


def test_rules_without_pytorchs_fused_one(monkeypatch):
    monkeypatch.setattr(sgd, "fused_sgd", None)
    train(make_solver(NET, "SGD", weight_decay=0.1), monkeypatch)


def on_inputs(path):
    """The text of a train net whose data come from Input blobs."""
    net = prototxt.read_net(str(path), caffe_pb2)
    layers = [layer for layer in net.layer if not any(rule.phase == caffe_pb2.TEST for rule in layer.include)]
    del net.layer[:]
    given = net.layer.add(name="in", type="Input", top=["data", "label"])
    given.input_param.shape.add(dim=[64, 1, 28, 28])
    given.input_param.shape.add(dim=[64])
    net.layer.extend(layers[1:])
    return str(net)


@pytest.mark.parametrize("name", ["train_test", "train_test_euclidean", "train_test_softmax"])
def test_lenet(root, name, monkeypatch):
    text = on_inputs(root / "prototxt" / "lenet" / f"{name}.prototxt")
    train(make_solver(text, "SGD", weight_decay=0.0005, lr_policy="inv", gamma=0.0001, power=0.75), monkeypatch)


def test_who_looks_waits(monkeypatch, caplog):
    caplog.set_level("INFO", LOGGER.name)
    solver = make_solver(NET, "SGD", display=2)
    with on_meta(monkeypatch), pytest.raises(RuntimeError, match="meta"):
        solver.step(1)
    solver = make_solver(NET, "SGD")
    with on_meta(monkeypatch):
        solver.step(1)
        with pytest.raises(NotImplementedError, match="meta"):
            solver.net.blobs["y"].data.sum()


def test_one_call_updates_all_blobs_of_a_rate(monkeypatch):
    calls = []
    monkeypatch.setattr(sgd, "fused_sgd", lambda data, *rest, **options: calls.append(len(data)))
    solver = make_solver(NET, "SGD")
    solver.step(1)
    assert calls == [1, 1]
