"""Activations: against PyTorch, in place, and to the last digits in their tails."""

import numpy as np
import pytest

from caffe_pylayers import activations
from caffe_pylayers._layer import blocks
from caffe_pylayers._layer.functions.erf import erf
from caffe_pylayers.testing import LayerRun

X = np.concatenate([np.linspace(-12, 12, 191), [-6.0, -3.0, 0.0, 3.0, 6.0, 1e4, -1e4, 50.0, -50.0]]).reshape(4, 5, 10)
LAYERS = [name for name in activations.__all__ if name[0].isupper()]


def run(name, x, param_str="", **options):
    return LayerRun(getattr(activations, name), [x], param_str=param_str, **options)


THEIRS = {
    "ReLU6": ["", lambda f, x: f.relu6(x)],
    "ReLU6 cut at 4": ['{"threshold": 4}', lambda f, x: f.hardtanh(x, 0, 4)],
    "Swish": ["", lambda f, x: f.silu(x)],
    "Swish with beta": ['{"beta": 1.7}', lambda f, x: x * (1.7 * x).sigmoid()],
    "SELU": ["", lambda f, x: f.selu(x)],
    "SELU of other numbers": ['{"alpha": 0.7, "scale": 2}', lambda f, x: 2 * f.elu(x, 0.7)],
    "Mish": ["", lambda f, x: f.mish(x)],
    "HardSigmoid": ["", lambda f, x: f.relu6(x + 3) / 6],
    "HardSwish": ["", lambda f, x: f.hardswish(x)],
    "GELU": ["", lambda f, x: f.gelu(x)],
    "GELU, tanh": ['{"approximate": "tanh"}', lambda f, x: f.gelu(x, approximate="tanh")],
    "Softplus": ['{"beta": 0.7}', lambda f, x: f.softplus(x, beta=0.7, threshold=100)],
}


@pytest.mark.parametrize("tensors", [False, True])
@pytest.mark.parametrize("name", THEIRS)
def test_as_pytorch(name, tensors):
    torch = pytest.importorskip("torch")
    param_str, function = THEIRS[name]
    x = torch.tensor(X, requires_grad=True)
    y = function(torch.nn.functional, x)
    y.backward(torch.tensor(np.full_like(X, 3.7)))
    ours = run(name.split()[0].strip(","), x.detach().clone() if tensors else X, param_str)
    np.testing.assert_allclose(np.asarray(ours.forward()[0]), y.detach().numpy(), rtol=1e-13, atol=1e-14)
    d_y = torch.tensor(np.full_like(X, 3.7)) if tensors else np.full_like(X, 3.7)
    expected = x.grad.numpy()
    smooth = ~(np.isin(abs(X), [0, 3, 6]) & name.startswith(("Hard", "ReLU6")))  # what to have at a corner is free
    found = np.asarray(ours.backward([d_y])[0])
    rtol = 1e-7 if tensors and name == "HardSigmoid" else 1e-12  # PyTorch's own slope of it has float32's digits
    np.testing.assert_allclose(found[smooth], expected[smooth], rtol=rtol, atol=1e-13)


@pytest.mark.parametrize("name", LAYERS)
def test_in_place_and_in_blocks(name, monkeypatch):
    apart = run(name, X)
    y, d_x = apart.forward()[0].copy(), apart.backward([X / 10])[0].copy()
    monkeypatch.setattr(blocks, "_MOST", 7)
    run_in_place = run(name, X)
    (bottom, _), layer = run_in_place._seen, run_in_place.layer
    layer.reshape(bottom, bottom)
    for _ in range(2):
        bottom[0].data[...] = X
        layer.forward(bottom, bottom)
        np.testing.assert_array_equal(bottom[0].data, y)
        bottom[0].diff[...] = X / 10
        layer.backward(bottom, [True], bottom)
        np.testing.assert_array_equal(bottom[0].diff, d_x)


@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [
        ("Softplus", -30.0, np.log1p(np.exp(-30))),
        ("Swish", -30.0, -30 / (1 + np.exp(30))),
        ("Mish", -30.0, -30 * np.log1p(np.exp(-30))),
        ("Mish", 30.0, 30.0),
        ("GELU", 8.0, 8.0),
    ],
)
def test_tails(name, x, expected):
    np.testing.assert_allclose(run(name, [x]).forward()[0], [expected], rtol=1e-12)
    np.testing.assert_allclose(run(name, [x], dtype=np.float32).forward()[0], [expected], rtol=1e-6)


def test_erf_as_scipy():
    special = pytest.importorskip("scipy.special")
    x = np.concatenate([np.linspace(-7, 7, 100001), [0.0, -0.0, 1e-300, 1e-20, np.inf, -np.inf, np.nan]])
    expected = special.erf(x)
    found = erf(x)
    np.testing.assert_allclose(found, expected, rtol=7e-16)
    np.testing.assert_array_equal(np.signbit(found), np.signbit(expected))
    single = x.astype(np.float32)
    assert erf(single).dtype == np.float32
    np.testing.assert_allclose(erf(single), special.erf(single.astype(float)), rtol=5e-7)


def test_erf_by_hand():
    """erf(1), erf(2), erf(5) to all digits."""
    known = [0.8427007929497149, 0.9953222650189527, 0.9999999999984626]
    np.testing.assert_allclose(erf(np.array([1.0, 2, 5])), known, rtol=4e-16)


def test_refused():
    with pytest.raises(ValueError, match=r"GELU: parameter approximate must be one of none, tanh, got 'erf'"):
        run("GELU", X, '{"approximate": "erf"}')
    with pytest.raises(ValueError, match=r"Softplus: parameter beta must be a number > 0, got 0"):
        run("Softplus", X, '{"beta": 0}')
