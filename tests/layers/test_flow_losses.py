"""Losses of flow beside their definition in PyTorch, with gaps, plateaus and powers that change."""

import json

import numpy as np
import pytest

from caffe_pylayers.flow_losses import LpqLoss
from caffe_pylayers.testing import LayerRun

rng = np.random.RandomState(12)
A, B = rng.standard_normal((2, 3, 2, 4, 5))
GAPS = B.copy()
GAPS[0, :, 1:3] = np.nan


def run(*bottoms, **parameters):
    return LayerRun(LpqLoss, bottoms, param_str=json.dumps(parameters))


@pytest.mark.parametrize(
    ("parameters", "definition"),
    [
        (
            {"p": [2], "q": [0.5]},
            lambda d, known: ((d**2).sum(1) + 0.01).sqrt().sum() / 3,
        ),
        (
            {"p": [2], "q": [0.5], "channel_mean": True, "q_epsilon": 0.1, "normalization": "valid"},
            lambda d, known: ((d**2).mean(1) + 0.1).sqrt().sum() / (known.sum() / 2),
        ),
        (
            {"p": [2], "q": [0.5], "plateau": 0.8},
            lambda d, known: ((d**2).sum(1) * ((d**2).sum(1) >= 0.64) + 0.01).sqrt().sum() / 3,
        ),
        (
            {"p": [1], "q": [1], "q_epsilon": 0, "by_location": False, "plateau": 0.3},
            lambda d, known: (d.abs() * (d.abs() >= 0.3)).sum() / 3,
        ),
        (
            {"p": [1.2], "q": [0.4], "p_epsilon": 0.02},
            lambda d, known: (((d.abs() + 0.02) ** 1.2).sum(1) + 0.01).pow(0.4).sum() / 3,
        ),
    ],
)
def test_beside_torch(parameters, definition):
    torch = pytest.importorskip("torch")
    a, known = torch.tensor(A, requires_grad=True), torch.tensor(~np.isnan(GAPS))
    wanted = definition(torch.where(known, a - torch.tensor(np.nan_to_num(GAPS)), torch.zeros(())), known)
    (3 * wanted).backward()
    layer = run(A, GAPS, **parameters)
    assert layer.forward()[0] == pytest.approx(wanted.item(), rel=1e-12)
    d_a, d_b = layer.backward([[3]])
    np.testing.assert_allclose(d_a, a.grad.numpy(), rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(d_b, -d_a)


def test_powers_that_change():
    layer = run([[3.0, 4.0]], p=[1, 2], q=[1, 0.5], start=[0, 2], q_epsilon=0)
    assert [layer.forward()[0].item() for _ in range(4)] == pytest.approx([7, 7, 5, 5])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"p": [1, 2], "q": [1]}, "p, q and start must be as many, got 2, 1 and 1"),
        ({"p": [1], "q": [1], "start": [1]}, r"start must begin with 0 and grow, got \[1\]"),
    ],
)
def test_what_is_refused(parameters, message):
    with pytest.raises(ValueError, match=f"^LpqLoss: {message}"):
        run([[3.0, 4.0]], **parameters)
