"""Distances of all pairs: against SciPy's, in float32 far from the origin, at distance 0, and their gradients."""

import numpy as np
import pytest

from caffe_pylayers._layer.embeddings.distances import (
    pairwise_backward,
    pairwise_squares,
    root_backward,
    squares_between,
)

rng = np.random.RandomState(0)


def pairwise_gradient(x, d_squares):
    d_x = np.empty_like(x)
    pairwise_backward(np, x, d_squares, d_x)
    return d_x


A, B = rng.standard_normal((7, 5)), rng.standard_normal((4, 5))


def direct(a, b):
    return ((a[:, None] - b[None]) ** 2).sum(-1)


def test_are_scipys():
    cdist = pytest.importorskip("scipy.spatial.distance").cdist
    np.testing.assert_allclose(squares_between(np, A, B), cdist(A, B, "sqeuclidean"), rtol=1e-12)
    np.testing.assert_allclose(pairwise_squares(np, A), cdist(A, A, "sqeuclidean"), rtol=1e-12)


@pytest.mark.parametrize("offset", [0, 100, 1e4])
def test_in_float32_what_all_have_in_common_costs_no_digits(offset):
    a = (A + offset).astype(np.float32)
    np.testing.assert_allclose(pairwise_squares(np, a), direct(a.astype(float), a.astype(float)), rtol=1e-5)


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_equal_rows_are_at_distance_0(kind):
    x = rng.standard_normal((40, 300)).astype(np.float32)
    x[20:] = x[:20]
    xp = np
    if kind == "torch":
        xp = pytest.importorskip("torch")
        x = xp.from_numpy(x)
    squares = np.asarray(pairwise_squares(xp, x))
    equal = np.arange(40) % 20 == np.arange(40)[:, None] % 20
    np.testing.assert_array_equal(squares == 0, equal)


def test_of_none():
    assert pairwise_squares(np, A[:0]).shape == (0, 0)
    assert squares_between(np, A[:0], B).shape == (0, 4)
    assert pairwise_gradient(A[:0], np.zeros((0, 0))).shape == (0, 5)


@pytest.mark.parametrize("power", [1, 2])
def test_gradients_are_autograds(power):
    torch = pytest.importorskip("torch")
    x = torch.tensor(A, requires_grad=True)
    i, j = np.nonzero(1 - np.eye(7))
    weights = rng.standard_normal((7, 7))
    distances = ((x[i] - x[j]) ** 2).sum(1) ** (power / 2)
    (torch.tensor(weights)[i, j] * distances).sum().backward()
    d_squares = weights if power == 2 else root_backward(np, np.sqrt(pairwise_squares(np, A)), weights)
    np.testing.assert_allclose(pairwise_gradient(A, d_squares), x.grad.numpy(), rtol=1e-11)


def test_a_distance_of_0_has_no_gradient():
    np.testing.assert_array_equal(root_backward(np, np.array([0.0, 2.0]), np.array([5.0, 5.0])), [0, 1.25])
