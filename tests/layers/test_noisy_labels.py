"""Losses for wrong labels beside their papers' formulas under PyTorch's autograd; their limits."""

import numpy as np
import pytest

from caffe_pylayers.cross_entropy import SoftmaxCrossEntropyLoss
from caffe_pylayers.noisy_labels import BootstrappingLoss, GeneralizedCrossEntropyLoss, SymmetricCrossEntropyLoss
from caffe_pylayers.testing import LayerRun
from tests.layers.references import against_torch

rng = np.random.RandomState(0)
MAPS, LABELS = 3 * rng.standard_normal((5, 6, 3, 4)), rng.randint(0, 6, (5, 3, 4))
WEIGHTS = rng.rand(5, 1, 3, 4)


def generalized(q, k):
    return lambda torch, p, one: (1 - (p * one).sum(1).clamp(min=k) ** q) / q


def symmetric(alpha, beta, a):
    def terms(torch, p, one):
        reverse = -(p * one.log().clamp(min=a)).sum(1)
        return -alpha * (p * one).sum(1).log() + beta * reverse

    return terms


def bootstrapping(mode, beta):
    def terms(torch, p, one):
        own = p if mode == "soft" else (p == p.amax(1, keepdim=True)).to(p.dtype)
        return -((beta * one + (1 - beta) * own) * p.log()).sum(1)

    return terms


@pytest.mark.parametrize(
    ("layer", "param_str", "terms"),
    [
        (GeneralizedCrossEntropyLoss, "", generalized(0.7, 0)),
        (GeneralizedCrossEntropyLoss, "{q: 1}", generalized(1, 0)),
        (GeneralizedCrossEntropyLoss, "{q: 0.2, threshold: 0.3}", generalized(0.2, 0.3)),
        (SymmetricCrossEntropyLoss, "", symmetric(0.1, 1, -4)),
        (SymmetricCrossEntropyLoss, "{alpha: 6, beta: 0.1, A: -9.21}", symmetric(6, 0.1, -9.21)),
        (BootstrappingLoss, "", bootstrapping("hard", 0.8)),
        (BootstrappingLoss, "{beta: 0.3}", bootstrapping("hard", 0.3)),
        (BootstrappingLoss, "{method: soft}", bootstrapping("soft", 0.95)),
        (BootstrappingLoss, "{method: soft, beta: 0.3}", bootstrapping("soft", 0.3)),
    ],
)
def test_with_autograd(layer, param_str, terms):
    torch = pytest.importorskip("torch")

    def loss(functional, scores, labels, w):
        one = functional.one_hot(labels, 6).movedim(-1, 1).to(scores.dtype)
        return (w[:, 0] * terms(torch, functional.softmax(scores, 1), one)).sum() / 60

    against_torch(layer, [MAPS, LABELS, WEIGHTS], param_str, loss, wrt=(0, 2))


@pytest.mark.parametrize(
    ("layer", "param_str", "tolerance"),
    [
        (GeneralizedCrossEntropyLoss, "q: 1e-9", 1e-7),
        (SymmetricCrossEntropyLoss, "{alpha: 1, beta: 0}", 1e-13),
        (BootstrappingLoss, "beta: 1", 1e-13),
        (BootstrappingLoss, "{beta: 1, method: soft}", 1e-13),
    ],
)
def test_limits_are_cross_entropy(layer, param_str, tolerance):
    run, plain = LayerRun(layer, [MAPS, LABELS], param_str=param_str), LayerRun(SoftmaxCrossEntropyLoss, [MAPS, LABELS])
    np.testing.assert_allclose(run.forward()[0], plain.forward()[0], rtol=tolerance)
    np.testing.assert_allclose(run.backward([3.7])[0], plain.backward([3.7])[0], rtol=tolerance, atol=1e-15)


def test_a_certain_wrong_label_is_bounded():
    run = LayerRun(GeneralizedCrossEntropyLoss, [[[1e4, -1e4]], [1]], param_str="q: 0.5", dtype=np.float32)
    assert run.forward()[0] == [2]
    run = LayerRun(SymmetricCrossEntropyLoss, [[[1e4, -1e4]], [1]], param_str="alpha: 0", dtype=np.float32)
    assert run.forward()[0] == [4]


def test_of_equal_scores_the_first_is_the_best():
    run = LayerRun(BootstrappingLoss, [np.zeros((1, 3)), [2]], param_str="beta: 0.5")
    run.forward()
    np.testing.assert_allclose(run.backward([6])[0], [[-1, 2, -1]])
