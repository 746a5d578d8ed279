"""What holds for every classification loss: a position that counts for nothing may hold anything."""

import importlib

import numpy as np
import pytest

from caffe_pylayers.testing import LayerRun

rng = np.random.RandomState(0)
SCORES, LABELS = rng.standard_normal((4, 3, 2)), rng.randint(0, 3, (4, 2))
BINARY, CHANCES = rng.randint(0, 2, SCORES.shape), rng.dirichlet(np.ones(3), (4, 2)).transpose(0, 2, 1)
ROWS, TAGS = rng.standard_normal((4, 5)), rng.randint(0, 2, (4, 5))
RELEVANCE = rng.randint(0, 3, (4, 5))

LOSSES = {
    "cross_entropy.SoftmaxCrossEntropyLoss": ("label_smoothing: 0.1", SCORES, LABELS),
    "cross_entropy.SigmoidCrossEntropyLoss": ("pos_weight: [1, 2, 3], axis: 1", SCORES, BINARY),
    "focal.SoftmaxFocalLoss": ("gamma: 0.5", SCORES, LABELS),
    "focal.SigmoidFocalLoss": ("gamma: 1.5", SCORES, BINARY),
    "hard_examples.SoftmaxOHEMLoss": ("kept_ratio: 0.5", SCORES, LABELS),
    "hard_examples.SigmoidOHEMLoss": ("threshold: 0.6", SCORES, BINARY),
    "noisy_labels.GeneralizedCrossEntropyLoss": ("threshold: 0.1", SCORES, LABELS),
    "noisy_labels.SymmetricCrossEntropyLoss": ("alpha: 0.5", SCORES, LABELS),
    "noisy_labels.BootstrappingLoss": ("method: soft", SCORES, LABELS),
    "distillation.SoftTargetLoss": ("temperature: 2", SCORES, CHANCES),
    "distillation.KLDivergenceLoss": ("targets: probabilities", SCORES, CHANCES),
    "multi_label.MultiLabelRankingLoss": ("method: hinge", ROWS, TAGS),
    "ranking.ListwiseRankingLoss": ("method: listmle", ROWS, RELEVANCE),
}
IGNORING = [name for name in LOSSES if name.split(".")[0] not in ("distillation", "multi_label", "ranking")]


def run(name, more, *bottoms):
    module, layer = name.split(".")
    cls = getattr(importlib.import_module(f"caffe_pylayers.{module}"), layer)
    made = LayerRun(cls, bottoms, param_str="{" + LOSSES[name][0] + more + "}")
    with np.errstate(all="ignore"):
        return made.forward()[0], made.backward([2])


def cleared(array, row):
    array = np.array(array, float)
    array[row] = 0
    return array


@pytest.mark.parametrize("junk", [np.nan, np.inf, -np.inf, 1e30])
@pytest.mark.parametrize("name", LOSSES)
def test_a_weight_of_zero_hides_scores_and_targets(name, junk):
    _, scores, targets = LOSSES[name]
    weights = np.array([1, 0, 2, 1.0])
    spoilt, wrong = np.array(scores), np.array(targets, float)
    spoilt[1] = wrong[1] = junk
    loss, diffs = run(name, "", cleared(scores, 1), cleared(targets, 1), weights)
    found, spoilt_diffs = run(name, "", spoilt, wrong, weights)
    np.testing.assert_array_equal(found, loss)
    for i in range(2):
        np.testing.assert_array_equal(spoilt_diffs[i], cleared(diffs[i], 1))


@pytest.mark.parametrize("junk", [np.nan, np.inf, -np.inf, 1e30])
@pytest.mark.parametrize("name", IGNORING)
def test_an_ignored_position_hides_scores_and_weight(name, junk):
    _, scores, targets = LOSSES[name]
    targets = np.array(targets)
    targets[1] = 9
    spoilt, weights, wrong = np.array(scores), np.array([1, 1, 2, 1.0]), np.array([1, junk, 2, 1.0])
    spoilt[1] = junk
    loss, diffs = run(name, ", ignore_label: 9", cleared(scores, 1), targets, weights)
    found, spoilt_diffs = run(name, ", ignore_label: 9", spoilt, targets, wrong)
    np.testing.assert_array_equal(found, loss)
    for i in (0, 2):
        np.testing.assert_array_equal(spoilt_diffs[i], cleared(diffs[i], 1))


@pytest.mark.parametrize("name", LOSSES)
def test_nan_in_a_score_that_counts_reaches_the_loss(name):
    _, scores, targets = LOSSES[name]
    spoilt = np.array(scores)
    spoilt[2] = np.nan
    loss, _ = run(name, "", spoilt, targets)
    assert np.isnan(loss[0])
