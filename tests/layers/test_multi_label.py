"""MultiLabelRankingLoss beside PyTorch's multilabel_margin_loss and its formulas under autograd."""

import numpy as np
import pytest

from caffe_pylayers.multi_label import MultiLabelRankingLoss
from caffe_pylayers.testing import LayerRun
from tests.layers.references import against_torch

rng = np.random.RandomState(0)
SCORES, TARGETS = rng.standard_normal((8, 9)), rng.randint(0, 2, (8, 9))
TARGETS[0], TARGETS[1] = 0, 1
WEIGHTS = rng.rand(8)


def pairs(scores, targets, margin=1.0):
    """Return the hinges (N, p, n), 0 for what is no pair, and where the pairs are."""
    differences = scores[:, :, None] - scores[:, None]
    pair = (targets[:, :, None] == 1) & (targets[:, None] == 0)
    return (margin - differences).clamp(min=0) * pair, pair, differences


def test_hinge_is_pytorchs():
    def loss(functional, scores, targets):
        lists = scores.new_full(targets.shape, -1).long()
        for row, target in zip(lists, targets):
            row[: int(target.sum())] = target.nonzero()[:, 0]
        return functional.multilabel_margin_loss(scores, lists)

    against_torch(MultiLabelRankingLoss, [SCORES, TARGETS], "", loss)


@pytest.mark.parametrize("method", ["hinge", "pairs", "warp", "lsep"])
@pytest.mark.parametrize("ignore", [None, -1])
def test_every_method_with_autograd(method, ignore):
    targets = TARGETS if ignore is None else np.where(rng.rand(8, 9) < 0.3, ignore, TARGETS)

    def loss(functional, scores, targets, w):
        hinges, pair, differences = pairs(scores, targets, 0.7)
        if method == "hinge":
            terms = hinges.sum((1, 2)) / 9
        elif method == "pairs":
            terms = hinges.sum((1, 2)) / pair.sum((1, 2)).clamp(min=1)
        elif method == "lsep":
            terms = (1 + ((-differences).exp() * pair).sum((1, 2))).log()
        else:
            rank = (hinges > 0).sum(2)
            harmonic = scores.new_tensor([0, *np.cumsum(1 / np.arange(1, 10.0))])
            terms = (harmonic[rank] / rank.clamp(min=1) * hinges.sum(2)).sum(1)
        return (terms * w).sum() / w.sum()

    param_str = f'{{"method": "{method}", "margin": 0.7, "normalization": "weights"'
    param_str += "}" if ignore is None else f', "ignore_label": {ignore}}}'
    against_torch(MultiLabelRankingLoss, [SCORES, targets, WEIGHTS], param_str, loss, wrt=(0, 2))


def test_warp_by_hand():
    """Label 0 has two violators: L(2) / 2 (1.5 + 2) = 0.75 * 3.5; label 3 none."""
    run = LayerRun(MultiLabelRankingLoss, [[[0, 0.5, 1, 4, -2]], [[1, 0, 0, 1, 0]]], param_str="method: warp")
    np.testing.assert_allclose(run.forward()[0], [2.625])
    np.testing.assert_allclose(run.backward([1])[0], [[-1.5, 0.75, 0.75, 0, 0]])


@pytest.mark.parametrize("method", ["hinge", "pairs", "warp", "lsep"])
def test_samples_without_pairs_have_no_loss(method):
    run = LayerRun(MultiLabelRankingLoss, [SCORES[:2], TARGETS[:2]], param_str=f"method: {method}")
    assert run.forward()[0] == [0]
    np.testing.assert_array_equal(run.backward([1])[0], np.zeros((2, 9)))


@pytest.mark.parametrize(
    ("bottoms", "param_str", "message"),
    [
        ([SCORES, TARGETS * 2], "", r"target 2 at index \(1, 0\) is neither 0 nor 1, nor ignore_label"),
        (
            [SCORES, TARGETS[:, :8]],
            "",
            r"bottom\[1\] \(targets\) must have .* as bottom\[0\] \(scores\) of shape \(8, 9\)",
        ),
        ([SCORES[None], TARGETS[None]], "", r"must have shape \(N, C\) or \(N, C, 1, 1\), got \(1, 8, 9\)"),
        ([SCORES, TARGETS, np.ones((8, 9))], "", r"bottom\[2\] \(weights\) must have the shape of the samples"),
    ],
)
def test_refused(bottoms, param_str, message):
    with pytest.raises(ValueError, match=rf"^MultiLabelRankingLoss: .*{message}"):
        LayerRun(MultiLabelRankingLoss, bottoms, param_str=param_str).forward()
