"""Losses of directions: against PyTorch, where they are steep, and what they refuse."""

import numpy as np
import pytest

from caffe_pylayers._layer import blocks
from caffe_pylayers.directions import AngularLoss, CosineLoss
from caffe_pylayers.testing import LayerRun

rng = np.random.RandomState(3)
A, B = rng.standard_normal((2, 4, 3, 5, 2))
W = rng.rand(4, 1, 5, 2)


def run(layer, *bottoms, param_str="", dtype=np.float64):
    return LayerRun(layer, bottoms, param_str=param_str, dtype=dtype)


@pytest.mark.parametrize("most", [1 << 14, 9, 1])
@pytest.mark.parametrize("layer", [CosineLoss, AngularLoss])
def test_as_pytorch(layer, most, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(blocks, "_MOST", most)
    a, b, w = (torch.tensor(x, requires_grad=True) for x in (A, B, W))
    cosine = torch.nn.functional.cosine_similarity(a, b, dim=1)
    terms = 1 - cosine if layer is CosineLoss else torch.acos(cosine)
    loss = (terms * w[:, 0]).sum() / 4
    loss.backward(torch.tensor(3.7, dtype=torch.float64))
    ours = run(layer, A, B, W)
    np.testing.assert_allclose(ours.forward(), [[loss.item()]], rtol=1e-12)
    for found, expected in zip(ours.backward([3.7]), (a, b, w)):
        np.testing.assert_allclose(found, expected.grad.numpy(), rtol=1e-9, atol=1e-13)


def test_pairs_of_a_kind_as_pytorch():
    torch = pytest.importorskip("torch")
    a, b = torch.tensor(A[:, :, 0, 0]), torch.tensor(B[:, :, 0, 0])
    expected = torch.nn.functional.cosine_embedding_loss(a, b, torch.ones(4))
    np.testing.assert_allclose(run(CosineLoss, a.numpy(), b.numpy()).forward(), [[expected.item()]], rtol=1e-12)


@pytest.mark.parametrize("angle", [1e-5, 1e-3, 0.5, 3.1, np.pi - 1e-4])
@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-9), (np.float32, 2e-2)])
def test_small_and_flat_angles(angle, dtype, rtol):
    a, b = [[2.0, 0.0]], [[np.cos(angle), np.sin(angle)]]
    layer = run(AngularLoss, a, b, dtype=dtype)
    np.testing.assert_allclose(layer.forward()[0], [angle], rtol=1e-6 if dtype == np.float32 else 1e-12)
    np.testing.assert_allclose(layer.backward([1])[0], [[0, -0.5]], atol=rtol / 2)


@pytest.mark.parametrize("layer", [CosineLoss, AngularLoss])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_parallel_vectors_have_no_gradient(layer, sign, dtype):
    ours = run(layer, A, sign * 3 * A, dtype=dtype)
    at_opposite = 2 if layer is CosineLoss else np.pi
    np.testing.assert_allclose(ours.forward()[0], [0 if sign > 0 else at_opposite * 10], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(ours.backward([1])[0], np.zeros_like(A), atol=1e-5)


@pytest.mark.parametrize(("layer", "term"), [(CosineLoss, 1), (AngularLoss, np.pi / 2)])
def test_a_vector_without_direction(layer, term):
    a, b = np.array([[0.0, 0], [1, 1]]), np.array([[1.0, 0], [0, 0]])
    ours = run(layer, a, b)
    np.testing.assert_allclose(ours.forward()[0], [term])
    assert not np.any(ours.backward([1]))
    counted = run(layer, a, b, param_str='{"ignore_zeros": true, "normalization": "valid"}')
    np.testing.assert_allclose(counted.forward()[0], [term])
    assert run(layer, a, b * 0, param_str='{"ignore_zeros": true}').forward()[0] == 0


@pytest.mark.parametrize("layer", [CosineLoss, AngularLoss])
def test_nan_is_not_taken_for_a_vector_without_direction(layer):
    ours = run(layer, [[0.0, 0.0], [1, 1]], [[np.nan, 1.0], [1, 0]])
    assert np.isnan(ours.forward()[0]).all()
    d_a = ours.backward([1])[0]
    assert np.isnan(d_a[0]).all()
    assert np.isfinite(d_a[1]).all()


@pytest.mark.parametrize(
    ("shapes", "param_str", "message"),
    [
        ([(4, 3), (4, 2)], "", r"bottom\[1\] \(targets\) must have the shape of bottom\[0\] .* \(4, 3\), got \(4, 2\)"),
        ([(4,), (4,)], "", r"axis 1 is outside bottom\[0\] \(predictions\) of shape \(4,\), which has 1 axes"),
        ([(4, 3), (4, 3), (4, 3)], "", r"bottom\[2\] \(weights\) must have the shape of .* \(4, 1\), .* got \(4, 3\)"),
    ],
)
def test_refused(shapes, param_str, message):
    with pytest.raises(ValueError, match=rf"^CosineLoss: .*{message}"):
        run(CosineLoss, *map(np.zeros, shapes), param_str=param_str)
