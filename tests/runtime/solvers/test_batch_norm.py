"""Nets with the BN of each fork learn as the same nets in PyTorch, and say the same in TEST."""

import numpy as np
import pytest
import torch

from caffe_pylayers import pycaffe
from caffe_pylayers.runtime.proto import caffe_pb2

RATE, FRACTION, EPS, ITERATIONS = 0.05, 0.9, 1e-5, 50
rng = np.random.RandomState(7)
X = rng.standard_normal((ITERATIONS, 4, 2, 6, 6)).astype(np.float32)
LABELS = (X.sum(2, keepdims=True) > 0).astype(np.float32)

NET = """
layer {{ name: "data" type: "Input" top: "data" top: "label"
  input_param {{ shape {{ dim: 4 dim: 2 dim: 6 dim: 6 }} shape {{ dim: 4 dim: 1 dim: 6 dim: 6 }} }} }}
layer {{ name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param {{ num_output: 3 kernel_size: 3
  pad: 1 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "bn" bottom: "conv" top: "{top}" {bn} }}
layer {{ name: "relu" type: "ReLU" bottom: "{top}" top: "{top}" }}
layer {{ name: "score" type: "Convolution" bottom: "{top}" top: "score" convolution_param {{ num_output: 2
  kernel_size: 1 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "label" top: "loss" }}
"""
SOLVER = f'base_lr: {RATE} lr_policy: "fixed" momentum: 0.9 weight_decay: 0.01 max_iter: 99 type: "SGD"'

FORKS = {
    "pspnet": "type: 'BN' bn_param { slope_filler { value: 1 } bias_filler { value: 0 } }",
    "windows": "type: 'BN' bn_param { slope_filler { value: 1 } inverse_std: true }",
    "frozen": "type: 'BN' bn_param { slope_filler { value: 2 } frozen: true }",
    "segnet": "type: 'BN' bn_param { scale_filler { value: 1 } bn_mode: LEARN }",
    "inference": "type: 'BN' bn_param { scale_filler { value: 1 } bn_mode: INFERENCE }",
    "ctpn": "type: 'BN' bn_param { scale_filler { value: 1 } moving_average: true decay: 0.1 var_eps: 1e-5 }",
    "nvidia": "type: 'BatchNorm' batch_norm_param { scale_bias: true moving_average_fraction: 0.9 }",
    "intel": "type: 'BatchNorm' batch_norm_param { filler { value: 1 } moving_average_fraction: 0.9 }",
}
ORDER = {"nvidia": "mean variance correction scale shift", "intel": "mean variance correction scale shift"}
HELD = ("mean", "variance", "inverse_std", "correction")


def order_of(fork, net):
    names = ORDER.get(fork, f"scale shift mean {'inverse_std' if fork == 'windows' else 'variance'}").split()
    return names[: len(net.params["bn"])]


class Twin:
    """The net in PyTorch, with the blobs of a net here."""

    def __init__(self, fork, net):
        self.fork = fork
        self.blobs = {
            f"{layer} {name}": torch.tensor(np.array(blob.data))
            for layer in ("conv", "bn", "score")
            for name, blob in zip(order_of(fork, net) if layer == "bn" else ("weight", "bias"), net.params[layer])
        }
        held = HELD + (("scale", "shift") if fork == "frozen" else ())
        self.learned = [b.requires_grad_() for name, b in self.blobs.items() if name.split()[1] not in held]
        self.optimizer = torch.optim.SGD(self.learned, RATE, 0.9, weight_decay=0.01)

    def scores(self, x, training):
        b = self.blobs
        x = torch.nn.functional.conv2d(x, b["conv weight"], b["conv bias"], padding=1)
        mean, inverse = (part[:, None, None] for part in self.statistics(x, training))
        scale, shift = b["bn scale"].reshape(-1, 1, 1), b["bn shift"].reshape(-1, 1, 1)
        x = torch.relu((x - mean) * inverse * scale + shift)
        return torch.nn.functional.conv2d(x, b["score weight"], b["score bias"])

    def statistics(self, x, training):
        if self.fork == "inference":
            return torch.zeros(3), torch.ones(3)
        of_batch = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)
        if self.fork == "segnet":
            return of_batch[0], (of_batch[1] + 1e-9).rsqrt()
        running = {name: self.blobs[f"bn {name}"].reshape(-1) for name in HELD if f"bn {name}" in self.blobs}
        if not training or self.fork == "frozen":
            if self.fork == "windows":
                return running["mean"], running["inverse_std"]
            divisor = running.get("correction", 1)
            return running["mean"] / divisor, (running["variance"] / divisor + EPS).rsqrt()
        inverse = (of_batch[1] + EPS).rsqrt()
        with torch.no_grad():
            self.average(running, *of_batch, inverse, x.numel() / 3)
        return of_batch[0], inverse

    def average(self, running, mean, variance, inverse, count):
        share, fraction = 1 - FRACTION, FRACTION
        if self.fork in ("nvidia", "intel"):
            variance = variance * count / (count - 1)
        if self.fork == "intel":
            share = 1.0
            running["correction"].mul_(FRACTION).add_(1)
        if self.fork == "nvidia" and not running["variance"].any():
            share, fraction = 1.0, 0.0
        for name, value in (("mean", mean), ("variance", variance), ("inverse_std", inverse)):
            if name in running:
                running[name].mul_(fraction).add_(share * value)

    def step(self, x, labels):
        loss = torch.nn.functional.cross_entropy(self.scores(x, True), labels[:, 0].long())
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()


@pytest.mark.parametrize(
    ("fork", "in_place"), [*((fork, False) for fork in FORKS), ("pspnet", True), ("frozen", True), ("inference", True)]
)
def test_learns_as_in_pytorch(fork, in_place, tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(NET.format(bn=FORKS[fork], top="conv" if in_place else "bn"))
    (tmp_path / "solver.prototxt").write_text(f'net: "{path}" {SOLVER}')
    pycaffe.set_random_seed(3)
    solver = pycaffe.get_solver(str(tmp_path / "solver.prototxt"))
    net, twin = solver.net, Twin(fork, solver.net)
    for x, labels in zip(X, LABELS):
        net.blobs["data"].data[...], net.blobs["label"].data[...] = x, labels
        solver.step(1)
        assert float(net.blobs["loss"].data) == pytest.approx(
            twin.step(torch.tensor(x), torch.tensor(labels)), abs=1e-3
        )
    weights = tmp_path / "net.caffemodel"
    net.save(str(weights))
    test = pycaffe.Net(str(path), pycaffe.TEST, weights=str(weights))
    test.blobs["data"].data[...] = X[0]
    test.forward()
    scores = twin.scores(torch.tensor(X[0]), False).detach().numpy()
    assert test.blobs["score"].data == pytest.approx(scores, abs=2e-3)
    for name, blob in zip(order_of(fork, net), test.params["bn"]):
        assert blob.data.ravel() == pytest.approx(twin.blobs[f"bn {name}"].detach().numpy().ravel(), abs=1e-3)


@pytest.mark.parametrize("fork", FORKS)
def test_what_is_saved(fork, tmp_path):
    """Names, types and shapes of the fork's."""
    (tmp_path / "net.prototxt").write_text(NET.format(bn=FORKS[fork], top="bn"))
    net = pycaffe.Net(str(tmp_path / "net.prototxt"), pycaffe.TEST)
    net.save(str(tmp_path / "net.caffemodel"))
    model = caffe_pb2.NetParameter.FromString((tmp_path / "net.caffemodel").read_bytes())
    (saved,) = (layer for layer in model.layer if layer.name == "bn")
    shapes = [tuple(blob.shape.dim) for blob in saved.blobs]
    if fork in ORDER:
        assert (saved.type, shapes) == ("BatchNorm", [(3,), (3,), (1,), (3,), (3,)])
    else:
        assert (saved.type, shapes) == ("BN", [(1, 3, 1, 1)] * (2 if fork in ("segnet", "inference") else 4))


@pytest.mark.parametrize(("fork", "bare"), [("nvidia", "type: 'BatchNorm'"), ("segnet", "type: 'BN'")])
def test_weights_tell_which_it_is(fork, bare, tmp_path):
    path, weights = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    path.write_text(NET.format(bn=FORKS[fork], top="bn"))
    net = pycaffe.Net(str(path), pycaffe.TEST)
    for name, blob in zip(order_of(fork, net), net.params["bn"]):
        blob.data[...] = 1 if name == "correction" else rng.rand(*blob.data.shape) + 0.5
    net.save(str(weights))
    path.write_text(NET.format(bn=bare, top="bn"))
    told = pycaffe.Net(str(path), pycaffe.TEST, weights=str(weights))
    for each in (net, told):
        each.blobs["data"].data[...] = X[0]
        each.forward()
    np.testing.assert_array_equal(told.blobs["bn"].data, net.blobs["bn"].data)
