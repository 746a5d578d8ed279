"""PrecisionRecallF1 against scikit-learn, over passes of batches of different size."""

import numpy as np
import pytest

from caffe_pylayers.precision_recall import PrecisionRecallF1
from caffe_pylayers.testing import LayerRun
from tests.layers.passes import class_batches, run_pass


@pytest.mark.parametrize("average", ["macro", "micro", "weighted", "none"])
@pytest.mark.parametrize("weighted", [False, True])
def test_one_class_each(average, weighted):
    metrics = pytest.importorskip("sklearn.metrics")
    batches = class_batches(weighted=weighted)
    scores, labels, weights = map(np.concatenate, zip(*batches))
    *expected, _ = metrics.precision_recall_fscore_support(
        labels,
        scores.argmax(1),
        beta=0.5,
        average=None if average == "none" else average,
        sample_weight=weights if weighted else None,
    )
    given = batches if weighted else [batch[:2] for batch in batches]
    found = run_pass(PrecisionRecallF1, given, f"{{average: {average}, beta: 0.5}}", tops=3)
    for ours, theirs in zip(found, expected):
        np.testing.assert_allclose(ours, np.atleast_1d(theirs), rtol=1e-5)


@pytest.mark.parametrize("average", ["macro", "micro", "weighted", "none"])
def test_several_classes_each(average):
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.RandomState(5)
    batches = [(scores, rng.randint(0, 2, scores.shape), rng.rand(len(scores))) for scores, _, _ in class_batches()]
    scores, labels, weights = map(np.concatenate, zip(*batches))
    *expected, _ = metrics.precision_recall_fscore_support(
        labels, scores > 0.3, average=None if average == "none" else average, sample_weight=weights
    )
    found = run_pass(PrecisionRecallF1, batches, f"{{average: {average}, threshold: 0.3}}", tops=3)
    for ours, theirs in zip(found, expected):
        np.testing.assert_allclose(ours, np.atleast_1d(theirs), rtol=1e-5)


def test_the_positive_of_two_classes_in_three_forms():
    metrics = pytest.importorskip("sklearn.metrics")
    batches = [batch[:2] for batch in class_batches(classes=2)]
    scores, labels = map(np.concatenate, zip(*batches))
    expected = metrics.precision_recall_fscore_support(labels, scores[:, 1] > scores[:, 0], average="binary")[:3]
    margins = [(scores[:, 1] - scores[:, 0], labels) for scores, labels in batches]
    columns = [(margin[:, None], labels) for margin, labels in margins]
    for given, param_str in ((batches, "positive_class: 1"), (margins, "threshold: 0"), (columns, "threshold: 0")):
        found = run_pass(PrecisionRecallF1, given, param_str, tops=3)
        np.testing.assert_allclose(np.ravel(found), expected, rtol=1e-5)


def test_a_class_that_does_not_occur_is_in_no_average():
    run = LayerRun(PrecisionRecallF1, [np.eye(3)[[0, 1, 0]], [0, 1, 1]], tops=3)
    np.testing.assert_allclose(np.ravel(run.forward()), [(1 / 2 + 1) / 2, (1 + 1 / 2) / 2, 2 / 3])


def test_ignored_scores_of_several_classes():
    scores, labels = [[0.9, 0.9], [0.9, 0.1]], [[1, -1], [0, 1]]
    run = LayerRun(PrecisionRecallF1, [scores, labels], tops=2, param_str="{ignore_label: -1, average: none}")
    precision, recall = run.forward()
    assert precision.tolist() == [0.5, 0]
    assert recall.tolist() == [1, 0]


def test_refused():
    with pytest.raises(
        ValueError, match=r"^PrecisionRecallF1: parameter positive_class is 2, but bottom\[0\] has 2 classes"
    ):
        LayerRun(PrecisionRecallF1, [np.zeros((4, 2)), np.zeros(4)], param_str="positive_class: 2")
    run = LayerRun(PrecisionRecallF1, [np.zeros((1, 2)), [[0, 2]]])
    with pytest.raises(ValueError, match=r"^PrecisionRecallF1: label 2 at index \(0, 1\) is outside \[0, 2\)"):
        run.forward()
