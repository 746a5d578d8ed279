"""Losses on proxies: against autograd in float64 of the papers' formulas, and what is refused."""

import numpy as np
import pytest

from caffe_pylayers.proxy_losses import ProxyAnchorLoss, ProxyNCALoss
from caffe_pylayers.testing import LayerRun

rng = np.random.RandomState(4)
X = rng.standard_normal((8, 5))
LABELS = np.array([0, 1, 0, 3, 1, 1, 5, 3])
C = 6
G = 3.7


def run_of(layer, **options):
    return LayerRun(layer, [X, LABELS], param_str=repr({"num_classes": C, **options}))


def check(run, formula):
    torch = pytest.importorskip("torch")
    x, proxies = (torch.tensor(v, requires_grad=True) for v in (X, run.layer.blobs[0].data))
    loss = formula(torch, x, proxies)
    loss.backward(torch.tensor(G, dtype=torch.float64))
    np.testing.assert_allclose(run.forward()[0], [loss.item()], rtol=1e-10)
    np.testing.assert_allclose(run.backward([G])[0], x.grad.numpy(), rtol=1e-8, atol=1e-11)
    np.testing.assert_allclose(run.layer.blobs[0].diff, proxies.grad.numpy(), rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("scale", [1.0, 9.0])
@pytest.mark.parametrize("positive_in_sum", [False, True])
def test_proxy_nca(scale, positive_in_sum):
    def formula(torch, x, proxies):
        normalize = torch.nn.functional.normalize
        d = scale * torch.cdist(normalize(x), normalize(proxies), compute_mode="donot_use_mm_for_euclid_dist") ** 2
        labels = torch.tensor(LABELS)
        if positive_in_sum:
            return torch.nn.functional.cross_entropy(-d, labels)
        others = torch.nn.functional.one_hot(labels, C) == 0
        sums = torch.logsumexp(torch.where(others, -d, -torch.inf), 1)
        return (d.gather(1, labels[:, None])[:, 0] + sums).mean()

    check(run_of(ProxyNCALoss, scale=scale, positive_in_sum=positive_in_sum), formula)


@pytest.mark.parametrize(("scale", "margin"), [(32.0, 0.1), (4.0, 0.5)])
def test_proxy_anchor(scale, margin):
    def formula(torch, x, proxies):
        """As the authors' code has it."""
        normalize = torch.nn.functional.normalize
        cosines = normalize(x) @ normalize(proxies).T
        positive = torch.nn.functional.one_hot(torch.tensor(LABELS), C)
        pos_exp, neg_exp = torch.exp(-scale * (cosines - margin)), torch.exp(scale * (cosines + margin))
        pos_sum = torch.where(positive == 1, pos_exp, 0).sum(0)
        neg_sum = torch.where(positive == 0, neg_exp, 0).sum(0)
        with_positives = (positive.sum(0) != 0).sum()
        return torch.log(1 + pos_sum).sum() / with_positives + torch.log(1 + neg_sum).sum() / C

    check(run_of(ProxyAnchorLoss, scale=scale, margin=margin), formula)


@pytest.mark.parametrize("layer", [ProxyNCALoss, ProxyAnchorLoss])
def test_ignored_samples_are_as_if_not_there(layer):
    kept = LABELS != 1
    options = {"normalization": "valid"} if layer is ProxyNCALoss else {}
    run = run_of(layer, ignore_label=1, **options)
    run.bottom[0].data[~kept] = np.nan
    rest = LayerRun(layer, [X[kept], LABELS[kept]], param_str=repr({"num_classes": C}))
    np.testing.assert_allclose(run.forward()[0], rest.forward()[0])
    np.testing.assert_allclose(run.backward([G])[0][kept], rest.backward([G])[0], atol=1e-15)
    np.testing.assert_allclose(run.layer.blobs[0].diff, rest.layer.blobs[0].diff, atol=1e-15)


@pytest.mark.parametrize("layer", [ProxyNCALoss, ProxyAnchorLoss])
def test_a_zero_embedding_has_no_gradient(layer):
    run = run_of(layer)
    run.bottom[0].data[2] = 0
    run.forward()
    d_x = run.backward([G])[0]
    np.testing.assert_array_equal(d_x[2], np.zeros(5))
    assert np.abs(d_x).max() < 100


@pytest.mark.parametrize("layer", [ProxyNCALoss, ProxyAnchorLoss])
def test_proxies_learn_without_the_features_gradient(layer):
    run, other = run_of(layer), run_of(layer)
    run.forward()
    other.forward()
    run.backward([G], [False, False])
    other.backward([G])
    np.testing.assert_array_equal(run.layer.blobs[0].diff, other.layer.blobs[0].diff)
    assert np.abs(run.layer.blobs[0].diff).max() > 0


def test_refused():
    with pytest.raises(ValueError, match=r"^ProxyNCALoss: label 5 at index 6 is outside \[0, 5\)"):
        run_of(ProxyNCALoss, num_classes=5).forward()
    with pytest.raises(ValueError, match=r"^ProxyAnchorLoss: parameter num_classes is required"):
        LayerRun(ProxyAnchorLoss, [X, LABELS])
    run = run_of(ProxyNCALoss)
    run.bottom[0].reshape(10, 4)
    run.bottom[1].reshape(10)
    with pytest.raises(
        ValueError, match=r"bottom\[0\] \(features\) has 4 values a sample, but blobs\[0\] \(6, 5\) was made for 5"
    ):
        run.forward()
