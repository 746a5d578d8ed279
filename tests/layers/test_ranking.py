"""Ranking losses of pairs, groups and lists beside PyTorch's and their formulas under autograd."""

import numpy as np
import pytest

from caffe_pylayers.ranking import GroupRankingLoss, ListwiseRankingLoss, PairwiseRankingLoss
from caffe_pylayers.testing import LayerRun
from tests.layers.references import against_torch

rng = np.random.RandomState(0)
ONE, OTHER = rng.standard_normal((2, 12))
SIGNS = rng.choice([-1, 1], 12)
LISTS, RELEVANCE = rng.standard_normal((2, 5, 7))
GRADES = rng.permutation(35).reshape(5, 7)


@pytest.mark.parametrize("margin", [0, 0.7])
@pytest.mark.parametrize("normalization", ["valid", "none"])
def test_pairs_are_pytorchs_margin_ranking_loss(margin, normalization):
    def loss(functional, a, b, y):
        reduction = {"valid": "mean", "none": "sum"}[normalization]
        return functional.margin_ranking_loss(a, b, y, margin, reduction=reduction)

    param_str = f'{{"margin": {margin}, "normalization": "{normalization}"}}'
    against_torch(PairwiseRankingLoss, [ONE, OTHER, SIGNS], param_str, loss, wrt=(0, 1))


def test_logistic_pairs():
    weights, signs = rng.rand(12), SIGNS * (np.arange(12) > 2)

    def loss(functional, a, b, y, w):
        return (functional.softplus(0.5 - y * (a - b)) * w * y.abs()).sum() / (w * y.abs()).sum()

    param_str = '{"margin": 0.5, "method": "logistic", "normalization": "weights"}'
    against_torch(PairwiseRankingLoss, [ONE, OTHER, signs, weights], param_str, loss, wrt=(0, 1, 3))


@pytest.mark.parametrize("method", ["hinge", "logistic"])
@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize("by_relevance", [False, True])
def test_groups(method, interleaved, by_relevance):
    relevance = rng.randint(0, 3, 12)

    def loss(functional, scores, *given):
        total, count = 0, 0
        for group in range(3):
            members = range(group, 12, 3) if interleaved else range(4 * group, 4 * group + 4)
            for place, i in enumerate(members):
                for other, j in enumerate(members):
                    if relevance[i] > relevance[j] if by_relevance else place < other:
                        missing = 0.6 - (scores[i] - scores[j])
                        total = total + (missing.clamp(min=0) if method == "hinge" else functional.softplus(missing))
                        count += 1
        return total / count

    bottoms = [ONE, relevance] if by_relevance else [ONE]
    param_str = f'{{"group_size": 4, "margin": 0.6, "method": "{method}", "interleaved": {str(interleaved).lower()}}}'
    against_torch(GroupRankingLoss, bottoms, param_str, loss)


@pytest.mark.parametrize(("normalization", "z"), [("valid", 2), ("full", 6), ("batch", 2), ("none", 1)])
def test_normalizers_of_groups(normalization, z):
    """Two groups of three; only in the second are there two pairs with an order."""
    param_str = f'{{"group_size": 3, "margin": 1, "normalization": "{normalization}"}}'
    run = LayerRun(GroupRankingLoss, [np.zeros(6), [0, 0, 0, 5, 5, 6]], param_str=param_str)
    np.testing.assert_allclose(run.forward()[0], [2 / z])


def test_listnet():
    weights = rng.rand(5)

    def loss(functional, scores, relevance, w):
        terms = functional.cross_entropy(scores, functional.softmax(relevance, 1), reduction="none")
        return (terms * w).sum() / w.sum()

    against_torch(ListwiseRankingLoss, [LISTS, RELEVANCE, weights], '{"normalization": "weights"}', loss, wrt=(0, 1, 2))


def test_listmle():
    def loss(functional, scores, relevance):
        ordered = scores.gather(1, relevance.argsort(1, descending=True))
        return sum((ordered[:, i:].logsumexp(1) - ordered[:, i]).sum() for i in range(7)) / 5

    against_torch(ListwiseRankingLoss, [LISTS, GRADES], '{"method": "listmle"}', loss)


@pytest.mark.parametrize("method", ["listnet", "listmle"])
def test_what_fills_up_a_list_counts_nothing(method):
    padded = np.concatenate([LISTS[:, :3], rng.standard_normal((5, 2)) * 50, LISTS[:, 3:]], 1)
    grades = np.concatenate([GRADES[:, :3], np.full((5, 2), -1), GRADES[:, 3:]], 1)
    param_str = f'{{"method": "{method}", "ignore_label": -1}}'
    ours = LayerRun(ListwiseRankingLoss, [padded, grades], param_str=param_str)
    plain = LayerRun(ListwiseRankingLoss, [LISTS, GRADES], param_str=param_str)
    np.testing.assert_allclose(ours.forward()[0], plain.forward()[0], rtol=1e-12)
    (d_padded, _), (d_plain, _) = ours.backward([1]), plain.backward([1])
    np.testing.assert_allclose(np.delete(d_padded, [3, 4], 1), d_plain, rtol=1e-11, atol=1e-15)
    np.testing.assert_array_equal(d_padded[:, 3:5], 0)


@pytest.mark.parametrize(
    ("layer", "bottoms", "param_str", "message"),
    [
        (PairwiseRankingLoss, [ONE, OTHER[:5]], "", r"bottom\[1\] \(others\) must have the shape of .* \(12,\)"),
        (PairwiseRankingLoss, [ONE, OTHER, SIGNS[:6]], "", r"bottom\[2\] \(targets\) must have .* as many values"),
        (PairwiseRankingLoss, [ONE, OTHER, 2 * SIGNS], "", "at index 0 is none of -1, 0 and 1"),
        (GroupRankingLoss, [ONE], "", "parameter group_size is required"),
        (GroupRankingLoss, [ONE], "group_size: 5", r"N a multiple of group_size 5, got \(12,\)"),
        (GroupRankingLoss, [LISTS], "group_size: 5", r"must have shape \(N,\) or \(N, 1\), .*, got \(5, 7\)"),
        (GroupRankingLoss, [ONE, OTHER[:6]], "group_size: 3", r"must have 12 values, as bottom\[0\], got \(6,\)"),
        (ListwiseRankingLoss, [LISTS, RELEVANCE[:3]], "", r"must have one shape \(N, L\), .* \(5, 7\) and \(3, 7\)"),
    ],
)
def test_refused(layer, bottoms, param_str, message):
    with pytest.raises(ValueError, match=rf"^{layer.__name__}: .*{message}"):
        LayerRun(layer, bottoms, param_str=param_str).forward()
