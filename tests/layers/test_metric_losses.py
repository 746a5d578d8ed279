"""Losses of a batch's samples with one another: against autograd in float64 of their formulas, and what is refused."""

import numpy as np
import pytest

from caffe_pylayers.metric_losses import LiftedStructureLoss, NPairLoss, PairRankingLoss, choose_negatives
from caffe_pylayers.testing import LayerRun

rng = np.random.RandomState(3)
A, P = rng.standard_normal((2, 7, 4))
LABELS = np.array([0, 1, 0, 2, 1, 1, 5])
G = 3.7


def check(run, loss, bottoms, leaves, torch):
    loss.backward(torch.tensor(G, dtype=torch.float64))
    np.testing.assert_allclose(run.forward()[0], [loss.item()], rtol=1e-10)
    gradients = run.backward([G])
    for i, leaf in zip(bottoms, leaves):
        np.testing.assert_allclose(gradients[i], leaf.grad.numpy(), rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("temperature", [1.0, 0.1])
@pytest.mark.parametrize("l2_weight", [0.0, 0.3])
def test_n_pairs_are_pytorchs_cross_entropy(temperature, l2_weight):
    torch = pytest.importorskip("torch")
    a, p = (torch.tensor(x, requires_grad=True) for x in (A, P))
    loss = torch.nn.functional.cross_entropy(a @ p.T / temperature, torch.arange(7))
    loss = loss + l2_weight * ((a**2).sum(1) + (p**2).sum(1)).mean()
    options = repr({"temperature": temperature, "l2_weight": l2_weight})
    check(LayerRun(NPairLoss, [A, P], param_str=options), loss, (0, 1), (a, p), torch)


def test_n_pairs_with_labels_are_cross_entropy_of_soft_targets():
    torch = pytest.importorskip("torch")
    a, p = (torch.tensor(x, requires_grad=True) for x in (A, P))
    same = torch.tensor(LABELS[:, None] == LABELS[None, :], dtype=torch.float64)
    loss = torch.nn.functional.cross_entropy(a @ p.T, same / same.sum(1, keepdim=True))
    check(LayerRun(NPairLoss, [A, P, LABELS]), loss, (0, 1), (a, p), torch)


def test_ignored_n_pairs_are_as_if_not_there():
    kept = LABELS != 1
    a, p = A.copy(), P.copy()
    a[~kept], p[~kept] = np.nan, np.inf
    run = LayerRun(NPairLoss, [a, p, LABELS], param_str='{"ignore_label": 1, "normalization": "valid"}')
    rest = LayerRun(NPairLoss, [A[kept], P[kept], LABELS[kept]])
    np.testing.assert_allclose(run.forward()[0], rest.forward()[0])
    for ours, theirs in zip(run.backward([G])[:2], rest.backward([G])):
        np.testing.assert_allclose(ours[kept], theirs)
        np.testing.assert_array_equal(ours[~kept], 0 * ours[~kept])


@pytest.mark.parametrize("how", ["valid", "positives"])
def test_ignored_samples_are_as_if_not_there(how):
    kept = LABELS != 1
    x = A.copy()
    x[~kept] = np.nan
    run = LayerRun(LiftedStructureLoss, [x, LABELS], param_str=repr({"ignore_label": 1, "normalization": how}))
    rest = LayerRun(LiftedStructureLoss, [A[kept], LABELS[kept]], param_str=repr({"normalization": how}))
    np.testing.assert_allclose(run.forward()[0], rest.forward()[0])
    d_x = run.backward([G])[0]
    np.testing.assert_allclose(d_x[kept], rest.backward([G])[0])
    np.testing.assert_array_equal(d_x[~kept], 0 * A[~kept])


def lifted_by_loops(torch, x, labels, margin):
    """The paper's formula (4), pair by pair: the sum of max(0, J)**2, and the number of pairs."""
    n, total, pairs = len(labels), 0, 0
    d = [[(x[i] - x[j]).norm() for j in range(n)] for i in range(n)]
    for i in range(n):
        for j in range(i + 1, n):
            if labels[i] != labels[j]:
                continue
            pairs += 1
            negatives = [margin - d[i][k] for k in range(n) if labels[k] != labels[i]]
            negatives += [margin - d[j][k] for k in range(n) if labels[k] != labels[j]]
            if negatives:
                total = total + (torch.logsumexp(torch.stack(negatives), 0) + d[i][j]).clamp(min=0) ** 2
    return total, pairs


@pytest.mark.parametrize("margin", [1.0, -1.0, 4.0])
@pytest.mark.parametrize("how", ["batch", "full", "valid", "positives", "none"])
def test_lifted_structure_is_the_papers(margin, how):
    torch = pytest.importorskip("torch")
    x = torch.tensor(A, requires_grad=True)
    total, pairs = lifted_by_loops(torch, x, LABELS, margin)
    loss = total / (2 * {"batch": 7, "full": 21, "valid": 21, "positives": pairs, "none": 1}[how])
    options = repr({"margin": margin, "normalization": how})
    check(LayerRun(LiftedStructureLoss, [A, LABELS], param_str=options), loss, (0,), (x,), torch)


@pytest.mark.parametrize("labels", [np.zeros(7), np.arange(7)])
def test_lifted_structure_needs_pairs_and_negatives(labels):
    run = LayerRun(LiftedStructureLoss, [A, labels])
    np.testing.assert_array_equal(run.forward()[0], [0])
    np.testing.assert_array_equal(run.backward([1])[0], 0 * A)


def test_scores_of_any_size():
    run = LayerRun(NPairLoss, [1e4 * A, 1e4 * P], dtype=np.float32)
    loss = run.forward()[0]
    scores = 1e8 * A @ P.T
    np.testing.assert_allclose(loss, [(scores.max(1) - np.diag(scores)).mean()], rtol=1e-5)
    assert np.isfinite(run.backward([1])).all()


def test_refused():
    with pytest.raises(ValueError, match=r"bottom\[1\] \(positives\) must have the shape of .* \(7, 4\), got \(6, 4\)"):
        LayerRun(NPairLoss, [A, P[:6]])
    for layer, bottoms in ((NPairLoss, [A, P]), (LiftedStructureLoss, [A])):
        with pytest.raises(ValueError, match=r"\(labels\) must be finite, got nan at index 2"):
            LayerRun(layer, [*bottoms, np.where(np.arange(7) == 2, np.nan, LABELS)]).forward()
    with pytest.raises(ValueError, match=r"^NPairLoss: bottom\[2\] \(labels\) must have shape \(7,\)"):
        LayerRun(NPairLoss, [A, P, LABELS[:3]])


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("neg_num", [9, 3, 1])
def test_pairs_of_neighbours_against_autograd(size, neg_num):
    """One negative by one; the hardest are taken without chance."""
    torch = pytest.importorskip("torch")
    features = rng.standard_normal((12, 4))
    features /= np.linalg.norm(features, axis=1)[:, None]
    labels = np.repeat(np.arange(12 // size), size)
    x, loss, margin = torch.tensor(features, requires_grad=True), 0, 0.5
    for i in range(0, 12, size):
        a, p = x[i], x[i + 1]
        negatives = [n for n, label in zip(x, labels) if label != labels[i] and margin - a @ p + a @ n > 0]
        for n in sorted(negatives, key=lambda n: -(a @ n).item())[:neg_num]:
            loss = loss + (margin - a @ p + a @ n) + (margin - a @ p + p @ n).clamp(min=0)
    run = LayerRun(PairRankingLoss, [features, labels], param_str=f"{{neg_num: {neg_num}, pair_size: {size}}}")
    check(run, loss / (2 * neg_num * (12 // size)), [0], [x], torch)


def test_negatives_are_the_hardest_and_others():
    """Two of the four most alike and two of the other three, and all where there are no more than four."""
    products = np.array([[7.0, 6, 5, 4, 3, 2, 1, 9], [7, 6, 5, 4, 3, 2, 1, 9]])
    candidates = np.array([[1, 1, 1, 1, 1, 1, 1, 0], [0, 1, 1, 0, 0, 0, 1, 1]], bool)
    random = np.random.default_rng(2)
    draws = np.array([choose_negatives(random, products, candidates, 4, 2, 2) for _ in range(2000)])
    assert (draws[:, 1] == candidates[1]).all()
    assert (draws[:, 0].sum(1) == 4).all()
    assert (draws[:, 0, :4].sum(1) >= 2).all()
    # 2 of 4, then 2 of the 5 that are left
    np.testing.assert_allclose(draws[:, 0].mean(0), [0.7] * 4 + [0.4] * 3 + [0], atol=0.05)


def test_pairs_of_neighbours_are_whole():
    with pytest.raises(ValueError, match=r"PairRankingLoss: bottom\[0\] \(features\) of shape \(7, 4\) must"):
        LayerRun(PairRankingLoss, [A, LABELS]).forward()
