"""Large learned blobs that are updated in the middle of the backward learn what they learn at its end."""

import numpy as np
import pytest

from caffe_pylayers import pycaffe
from caffe_pylayers.runtime.solvers import early as early_updates

LARGE = 1 << 10  # here: the weights of all but ip3


@pytest.fixture(autouse=True)
def small_is_large(monkeypatch):
    monkeypatch.setattr(early_updates, "LARGE", LARGE)


TEXT = """
layer {{ name: "in" type: "Input" top: "data" top: "label"
        input_param {{ shape {{ dim: 2 dim: 8 dim: 4 dim: 4 }} shape {{ dim: 2 }} }} }}
layer {{ name: "conv" type: "Convolution" bottom: "data" top: "conv" param {{ lr_mult: 1 }}
        param {{ lr_mult: 2 decay_mult: 0 }}
        convolution_param {{ num_output: 32 kernel_size: 3 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "ip1" type: "InnerProduct" bottom: "conv" top: "ip1" param {{ name: "{shared}" }} param {{ }}
        inner_product_param {{ num_output: 128 {transpose} weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "again" type: "{again}" bottom: "ip1" top: "again" {param} }}
layer {{ name: "ip2" type: "InnerProduct" bottom: "again" top: "ip2"
        inner_product_param {{ num_output: 16 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "ip3" type: "InnerProduct" bottom: "ip2" top: "ip3"
        inner_product_param {{ num_output: 4 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "ip3" bottom: "label" top: "loss" }}
"""
PLAIN = {"shared": "", "transpose": "", "again": "ReLU", "param": ""}
SGD = "momentum: 0.9 weight_decay: 0.01"
PYTHON = {"again": "Python", "param": 'python_param { module: "tests.runtime.my_layers" layer: "Records" }'}


def solver(tmp_path, reuse, rule=SGD, **changes):
    (tmp_path / "net.prototxt").write_text(TEXT.format(**{**PLAIN, **changes}))
    path = tmp_path / "solver.prototxt"
    path.write_text(
        f'net: "{tmp_path}/net.prototxt" base_lr: 0.01 lr_policy: "step" stepsize: 2 gamma: 0.5 random_seed: 1 '
        f"snapshot_prefix: '{tmp_path}/x' {rule}"
    )
    made = pycaffe.get_solver(str(path))
    rng = np.random.RandomState(0)
    made.net.blobs["data"].data[...] = rng.standard_normal(made.net.blobs["data"].shape)
    made.net.blobs["label"].data[...] = 1, 3
    if reuse:
        made.reuse_memory()
    return made


def assert_same(own, other):
    for mine, theirs in ((own.net.learnable, other.net.learnable), (own.history, other.history)):
        for a, b in zip(mine, theirs):
            np.testing.assert_allclose(a.data, b.data, rtol=2e-5, atol=1e-7)
    for a, b in zip(own.net.learnable, other.net.learnable):
        np.testing.assert_allclose(a.diff, b.diff, rtol=2e-5, atol=1e-7)


def early(solver):
    """The large blobs whose gradients have no memory after an iteration."""
    large = [blob for blob in solver.net.learnable if blob.count >= LARGE]
    return [solver.net.learnable.index(blob) for blob in large if not blob._diff._stores]


@pytest.mark.parametrize(
    ("changes", "rule", "updated"),
    [
        ({}, SGD, [0, 2, 4]),
        ({}, "momentum: 0.9", [0, 2, 4]),
        ({"transpose": "transpose: true"}, SGD, [0, 2, 4]),
        (PYTHON, SGD, [0, 2]),
        ({}, f"{SGD} clip_gradients: 0.5", []),
        ({}, f"{SGD} iter_size: 2", []),
        ({}, f'{SGD} regularization_type: "L1"', []),
        ({}, 'type: "Adam" momentum: 0.9', []),
        ({}, "", []),
    ],
)
def test_what_is_learned(tmp_path, changes, rule, updated):
    own, other = (solver(tmp_path, reuse, rule, **changes) for reuse in (True, False))
    for each in (own, other):
        each.step(3)
    assert early(own) == updated
    assert early(other) == []
    assert_same(own, other)


@pytest.mark.parametrize("reuse", [False, True])
def test_at_rate_0_no_gradient_counts(tmp_path, reuse):
    """As in Caffe, whose BLAS does not even look at it."""
    own = solver(tmp_path, reuse, SGD)
    own.param.base_lr = 0
    before = [blob.data.copy() for blob in own.net.learnable]
    own.net.blobs["data"].data[...] = np.inf
    own.step(1)
    assert np.isnan(own.net.blobs["loss"].data)
    for blob, values in zip(own.net.learnable, before):
        np.testing.assert_array_equal(blob.data, values)


@pytest.mark.parametrize("reuse", [False, True])
def test_a_policy_that_is_unknown(tmp_path, reuse):
    own = solver(tmp_path, reuse)
    own.param.lr_policy = "stp"
    with pytest.raises(ValueError, match=r'solver.prototxt: lr_policy must be one of .*; is "stp"'):
        own.step(1)


def test_a_weight_of_two_layers(tmp_path):
    same = {
        "shared": "w",
        "again": "InnerProduct",
        "param": 'param { name: "w" } inner_product_param { num_output: 128 }',
    }
    own, other = (solver(tmp_path, reuse, **same) for reuse in (True, False))
    for each in (own, other):
        each.step(2)
    assert_same(own, other)


def test_an_array_that_is_held(tmp_path):
    own, other = (solver(tmp_path, reuse) for reuse in (True, False))
    held = [[blob.diff for blob in each.net.learnable] for each in (own, other)]
    values = [[blob.data[:2] for blob in each.net.learnable] for each in (own, other)]
    for _ in range(3):
        for each in (own, other):
            each.step(1)
        for mine, theirs in zip(held[0] + values[0], held[1] + values[1]):
            np.testing.assert_allclose(mine, theirs, rtol=2e-5, atol=1e-7)


def test_callbacks_see_the_gradients(tmp_path):
    own, other = (solver(tmp_path, reuse) for reuse in (True, False))
    seen = ([], [])
    for each, found in zip((own, other), seen):
        each.add_callback(lambda: None, lambda e=each, f=found: f.append(e.net.params["ip2"][0].diff.copy()))
        each.step(2)
    np.testing.assert_allclose(*seen, rtol=2e-5, atol=1e-7)


def test_an_iteration_that_fails_halfway(tmp_path, monkeypatch):
    own = solver(tmp_path, reuse=True)
    own.step(1)
    conv = own.net.layer_dict["conv"]
    with monkeypatch.context() as patched:
        patched.setattr(conv, "backward", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            own.step(1)
    assert own.torn
    with pytest.raises(RuntimeError, match=r"solver.prototxt: no snapshot: iteration 2 failed halfway"):
        own.snapshot()
    own.step(1)
    assert not own.torn
