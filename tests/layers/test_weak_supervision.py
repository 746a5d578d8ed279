"""Seed, Expand and Constrain: the published layers' formulas with PyTorch's autograd, by hand, what is refused."""

import json

import numpy as np
import pytest

from caffe_pylayers.testing import LayerRun
from caffe_pylayers.weak_supervision import ConstrainLoss, ExpandLoss, SeedLoss

rng = np.random.RandomState(3)
N, C, H, W = 3, 5, 4, 6
SCORES, CUES = 2 * rng.standard_normal((N, C, H, W)), (rng.rand(N, C, H, W) < 0.2).astype(float)
IMAGE_LABELS = np.array([[1, 1, 0, 0, 1], [0, 0, 1, 0, 0], [1, 0, 1, 1, 0]])
CRF = np.log(rng.dirichlet(np.full(C, 0.5), (N, H, W)).transpose(0, 3, 1, 2) + 1e-6)


def run(cls, *bottoms, **parameters):
    return LayerRun(cls, bottoms, param_str=json.dumps(parameters))


def probabilities(x, m=1e-4):
    """SEC's softmax."""
    p = x.softmax(1) + m
    return p / p.sum(1, keepdim=True)


def seed(torch, p, cues):
    count = cues.sum((1, 2, 3))
    return -((cues * p.log()).sum((1, 2, 3)) / count).mean()


def expand(torch, p, labels):
    def pooled(values, q):
        weights = torch.tensor([q**i for i in range(H * W - 1, -1, -1)], dtype=torch.float64)
        return (values.reshape(N, -1, H * W).sort(2)[0] * weights).sum(2) / weights.sum()

    there = labels[:, 1:] > 0.5
    loss_1 = -((there * pooled(p[:, 1:], 0.996).log()).sum(1) / there.sum(1)).mean()
    loss_2 = -((~there * (1 - p[:, 1:].amax((2, 3))).log()).sum(1) / (~there).sum(1)).mean()
    return loss_1 + loss_2 - pooled(p[:, :1], 0.999).log().mean()


def constrain(torch, p, log_q):
    q = log_q.exp()
    return (q * (q / p).clamp(0.05, 20).log()).sum(1).mean()


@pytest.mark.parametrize(
    ("cls", "formula", "given"),
    [(SeedLoss, seed, CUES), (ExpandLoss, expand, IMAGE_LABELS), (ConstrainLoss, constrain, CRF)],
)
@pytest.mark.parametrize("softmax", ["the layer's", "one before"])
def test_formula_and_autograd(cls, formula, given, softmax):
    torch = pytest.importorskip("torch")
    x, other = torch.tensor(SCORES, requires_grad=True), torch.tensor(given * 1.0, requires_grad=True)
    p, parameters = probabilities(x), {}
    if softmax == "one before":
        x = p.detach().requires_grad_()
        p, parameters = x, {"activation": "none", "min_prob": 0}
    loss = formula(torch, p, other)
    (3.7 * loss).backward()
    layer = run(cls, x.detach().numpy(), given, **parameters)
    np.testing.assert_allclose(layer.forward()[0], [loss.item()], rtol=1e-10)
    d_x, d_other = layer.backward([3.7])
    np.testing.assert_allclose(d_x, x.grad, rtol=1e-8, atol=1e-13)
    np.testing.assert_allclose(d_other, other.grad if cls is ConstrainLoss else 0, rtol=1e-8, atol=1e-13)


@pytest.mark.parametrize("parameters", [{}, {"min_prob": 0}])
def test_scores_without_a_cue_may_hold_anything(parameters):
    cues, scores = CUES.copy(), SCORES.copy()
    cues[0, :, 1], scores[0, 2, 1] = 0, np.nan
    dirty, clean = run(SeedLoss, scores, cues, **parameters), run(SeedLoss, SCORES, cues, **parameters)
    np.testing.assert_array_equal(dirty.forward(), clean.forward())
    np.testing.assert_array_equal(dirty.backward([1])[0], clean.backward([1])[0])


@pytest.mark.parametrize(("cls", "given"), [(SeedLoss, CUES), (ExpandLoss, IMAGE_LABELS), (ConstrainLoss, CRF)])
def test_scores_are_no_probabilities(cls, given):
    with pytest.raises(
        ValueError, match=rf"^{cls.__name__}: bottom\[0\] .* with activation none, must lie in \[0, 1\]"
    ):
        run(cls, SCORES, given, activation="none").forward()


@pytest.mark.parametrize(("log", "message"), [(True, r"exp\(bottom\[1\]\), with log"), (False, "with log false")])
def test_a_crf_gives_probabilities(log, message):
    with pytest.raises(ValueError, match=rf"^ConstrainLoss: .*{message}, must lie in \[0, 1\], got "):
        run(ConstrainLoss, SCORES, 2 + CRF * 0, log=log).forward()


def test_cues_as_labels_are_cues_as_codes():
    maps = np.where(rng.rand(N, 1, H, W) < 0.5, rng.randint(0, C, (N, 1, H, W)), 255)
    codes = np.moveaxis(np.eye(256)[maps[:, 0]], -1, 1)[:, :C]
    layers = run(SeedLoss, SCORES, maps), run(SeedLoss, SCORES, codes)
    np.testing.assert_array_equal(layers[0].forward(), layers[1].forward())
    np.testing.assert_array_equal(layers[0].backward([1])[0], layers[1].backward([1])[0])


def test_balanced_seeds_by_hand():
    p = np.array([[[0.5, 0.25, 0.2, 0.9], [0.5, 0.75, 0.8, 0.1]]])
    layer = run(SeedLoss, p, [[0, 1, 1, 255]], activation="none", min_prob=0, balanced=True)
    np.testing.assert_allclose(layer.forward()[0], [-np.log(0.5) - (np.log(0.75) + np.log(0.8)) / 2])


def test_an_image_without_cues_or_classes_has_no_loss_of_them():
    np.testing.assert_array_equal(run(SeedLoss, SCORES, 0 * CUES).forward(), [[0]])
    uniform = np.zeros((1, 2, 1, 3))
    np.testing.assert_allclose(run(ExpandLoss, uniform, [[1, 0]], min_prob=0).forward()[0], [-2 * np.log(0.5)])
    np.testing.assert_allclose(run(ExpandLoss, uniform, [[1, 1]], min_prob=0).forward()[0], [-2 * np.log(0.5)])


@pytest.mark.parametrize(("cls", "given"), [(SeedLoss, CUES), (ExpandLoss, IMAGE_LABELS), (ConstrainLoss, CRF)])
def test_of_certainties_the_losses_are_large_and_not_infinite(cls, given):
    certain = np.moveaxis(np.eye(C)[rng.randint(0, C, (N, H, W))], -1, 1)
    layer = run(cls, certain, given, activation="none", min_prob=0)
    assert 1 < layer.forward()[0][0] < 200
    assert np.abs(layer.backward([1])[0]).max() < 100


def test_constrain_is_the_divergence_of_scipy():
    special = pytest.importorskip("scipy.special")
    p, q = rng.dirichlet(np.full(C, 5.0), (2, N, H * W)).transpose(0, 1, 3, 2)
    layer = run(ConstrainLoss, p, q, log=False, activation="none", min_prob=0, clip=[1e-9, 1e9])
    np.testing.assert_allclose(layer.forward()[0], [special.rel_entr(q, p).sum(1).mean()])


@pytest.mark.parametrize(
    ("cls", "shapes", "parameters", "message"),
    [
        (SeedLoss, [(2, 1, 4), (2, 4)], {}, r"must have shape \(N, C, ...\) with C >= 2, got \(2, 1, 4\)"),
        (SeedLoss, [(2, 3, 4), (2, 5)], {}, r"bottom\[1\] \(targets\) must have shape \(2, 4\)"),
        (SeedLoss, [(2, 3, 4), (2, 4)], {"balanced": True, "background_label": 3}, r"3 is outside \[0, 3\)"),
        (ExpandLoss, [(2, 3, 4), (2, 4)], {}, r"bottom\[1\] \(labels\) must have shape \(2, 3\), .* got \(2, 4\)"),
        (ExpandLoss, [(2, 3, 4), (2, 3)], {"background_label": 3}, r"3 is outside \[0, 3\)"),
        (ConstrainLoss, [(2, 3, 4), (2, 4)], {}, r"bottom\[1\] \(crf\) must have the shape of .* got \(2, 4\)"),
        (ConstrainLoss, [(2, 3, 4)] * 2, {"clip": [2, 1]}, r"clip must hold low and then high, got \(2.0, 1.0\)"),
    ],
)
def test_refused(cls, shapes, parameters, message):
    with pytest.raises(ValueError, match=rf"^{cls.__name__}: .*{message}"):
        run(cls, *map(np.zeros, shapes), **parameters)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (255, r"label 255 at index \(1, 2\) is outside \[0, 2\)"),
        (-7, r"label -7 at index \(1, 2\) is outside \[0, 2\)"),
        (0.7, r"label 0.7 at index \(1, 2\) is no integer"),
        (np.nan, r"label nan at index \(1, 2\) is no integer"),
    ],
)
def test_labels_of_images_are_0_or_1(wrong, message):
    labels = IMAGE_LABELS.astype(float)
    labels[1, 2] = wrong
    with pytest.raises(ValueError, match=f"^ExpandLoss: {message}"):
        run(ExpandLoss, SCORES, labels).forward()
