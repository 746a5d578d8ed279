"""The metrics of accuracy against scikit-learn, over passes of batches of different size; and against Caffe's own."""

import numpy as np
import pytest

from caffe_pylayers import _engine
from caffe_pylayers.accuracy import BalancedAccuracy, ClassAccuracy, TopKAccuracy, label_ranks
from caffe_pylayers.testing import LayerRun
from tests.layers.passes import class_batches, run_pass


@pytest.mark.parametrize("weighted", [False, True])
def test_classes(weighted):
    metrics = pytest.importorskip("sklearn.metrics")
    batches = class_batches(weighted=weighted)
    scores, labels, weights = map(np.concatenate, zip(*batches))
    given = batches if weighted else [batch[:2] for batch in batches]
    weights = weights if weighted else None
    predicted = scores.argmax(1)
    recalls = metrics.recall_score(labels, predicted, average=None, sample_weight=weights)
    accuracy = metrics.accuracy_score(labels, predicted, sample_weight=weights)
    by_class, overall = run_pass(ClassAccuracy, given, tops=2)
    np.testing.assert_allclose(by_class, recalls, rtol=1e-5)
    np.testing.assert_allclose(overall, [accuracy], rtol=1e-5)
    for adjusted in (False, True):
        expected = metrics.balanced_accuracy_score(labels, predicted, sample_weight=weights, adjusted=adjusted)
        (found,) = run_pass(BalancedAccuracy, given, f"adjusted: {str(adjusted).lower()}")
        np.testing.assert_allclose(found, [expected], rtol=1e-5)


@pytest.mark.parametrize("weighted", [False, True])
def test_top_k(weighted):
    metrics = pytest.importorskip("sklearn.metrics")
    batches = class_batches(weighted=weighted)
    scores, labels, weights = map(np.concatenate, zip(*batches))
    given = batches if weighted else [batch[:2] for batch in batches]
    expected = [
        metrics.top_k_accuracy_score(labels, scores, k=k, sample_weight=weights if weighted else None)
        for k in (2, 1, 3)
    ]
    (together,) = run_pass(TopKAccuracy, given, "k: [2, 1, 3]")
    alone = run_pass(TopKAccuracy, given, "k: [2, 1, 3]", tops=3)
    np.testing.assert_allclose(together, expected, rtol=1e-5)
    np.testing.assert_allclose(np.ravel(alone), expected, rtol=1e-5)


@pytest.mark.parametrize("ignore", ["", "ignore_label: 1"])
@pytest.mark.parametrize("top_k", [1, 2])
def test_a_batch_has_the_numbers_of_caffes_accuracy(make_net, ignore, top_k):
    caffe = _engine.caffe()
    rng = np.random.RandomState(3)
    scores, labels = rng.randint(0, 4, (3, 4, 2, 5)).astype(np.float32), rng.randint(0, 4, (3, 1, 2, 5))
    net = make_net(
        "layer { name: 'data' type: 'Input' top: 'x' top: 'y' input_param {"
        " shape { dim: 3 dim: 4 dim: 2 dim: 5 } shape { dim: 3 dim: 1 dim: 2 dim: 5 } } }"
        f"layer {{ name: 'a' type: 'Accuracy' bottom: 'x' bottom: 'y' top: 'a' top: 'c' "
        f"accuracy_param {{ top_k: {top_k} {ignore} }} }}",
        caffe.TEST,
    )
    net.blobs["x"].data[...], net.blobs["y"].data[...] = scores, labels
    theirs = net.forward()
    run = LayerRun(ClassAccuracy, [scores, labels], param_str=f"top_k: {top_k}\n{ignore}", tops=2)
    by_class, overall = run.forward()
    np.testing.assert_allclose(by_class, theirs["c"], rtol=1e-6)
    np.testing.assert_allclose(overall, theirs["a"], rtol=1e-6)


def test_equal_scores_are_no_prediction():
    scores = np.array([[1.0, 1.0, 0.0], [2.0, 2.0, 2.0]])
    np.testing.assert_array_equal(label_ranks(np, scores, np.array([[0], [2]])), [2, 3])


@pytest.mark.parametrize(
    ("layer", "bottoms", "param_str", "tops", "message"),
    [
        (ClassAccuracy, [(4, 3), (4, 2)], "", 1, r"bottom\[1\] \(labels\) must have shape \(4,\)"),
        (ClassAccuracy, [(4, 3), (4,), (3,)], "", 1, r"bottom\[2\] \(weights\) must have the shape of .* got \(3,\)"),
        (BalancedAccuracy, [(4, 3), (4,)], "axis: 2", 1, "axis 2 is outside"),
        (ClassAccuracy, [(4, 3), (4,)], "top_k: 4", 1, r"top_k is 4, but bottom\[0\] \(scores\) has 3 classes"),
        (TopKAccuracy, [(4, 3), (4,)], "", 1, r"k is 5, but bottom\[0\] \(scores\) has 3 classes"),
        (
            TopKAccuracy,
            [(4, 3), (4,)],
            "k: [1, 2, 3]",
            2,
            r"needs 1 top, or 3, one for each k of \[1, 2, 3\], got 2",
        ),
        (TopKAccuracy, [(4, 3), (4,)], "k: []", 1, "parameter k must be a list of 1 or more integers >= 1"),
    ],
)
def test_refused(layer, bottoms, param_str, tops, message):
    with pytest.raises(ValueError, match=f"^{layer.__name__}: .*{message}"):
        LayerRun(layer, [np.zeros(shape) for shape in bottoms], param_str=param_str, tops=tops)


def test_refused_label():
    run = LayerRun(ClassAccuracy, [np.zeros((2, 3)), [0, 3]])
    with pytest.raises(ValueError, match=r"^ClassAccuracy: label 3 at index 1 is outside \[0, 3\)"):
        run.forward()
