"""AUC and AveragePrecision against scikit-learn, with equal scores, over passes of batches of different size."""

import numpy as np
import pytest

from caffe_pylayers.curves import AUC, AveragePrecision
from caffe_pylayers.testing import LayerRun
from tests.layers.passes import class_batches, run_pass

LAYERS = {AUC: "roc_auc_score", AveragePrecision: "average_precision_score"}
AVERAGES = ["macro", "micro", "weighted", "none"]


def with_ties(batches):
    return [(scores.round(), *rest) for scores, *rest in batches]


def expected(layer, labels, scores, average, **options):
    metrics = pytest.importorskip("sklearn.metrics")
    found = getattr(metrics, LAYERS[layer])(labels, scores, average=None if average == "none" else average, **options)
    return np.atleast_1d(found)


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("weighted", [False, True])
def test_one_class_each(layer, average, weighted):
    batches = with_ties(class_batches(weighted=weighted))
    scores, labels, weights = map(np.concatenate, zip(*batches))
    options = {"sample_weight": weights} if weighted else {}
    theirs = expected(layer, np.eye(5, dtype=int)[labels], scores, average, **options)
    given = batches if weighted else [batch[:2] for batch in batches]
    if average == "weighted" and weighted:  # scikit-learn's has no samples' weights in those of the classes
        theirs = expected(layer, np.eye(5, dtype=int)[labels], scores, "none", **options)
        theirs = [np.average(theirs, weights=np.bincount(labels, weights))]
    (found,) = run_pass(layer, given, f"average: {average}")
    np.testing.assert_allclose(found, theirs, rtol=1e-5)


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("average", AVERAGES)
def test_several_classes_each(layer, average):
    rng = np.random.RandomState(5)
    batches = [(scores, rng.randint(0, 2, scores.shape)) for scores, *_ in with_ties(class_batches())]
    scores, labels = map(np.concatenate, zip(*batches))
    (found,) = run_pass(layer, batches, f"average: {average}")
    np.testing.assert_allclose(found, expected(layer, labels, scores, average), rtol=1e-5)


@pytest.mark.parametrize("layer", LAYERS)
def test_maps_and_ignored_labels(layer):
    batches = with_ties(class_batches(places=(2, 3), weighted=False))
    scores, labels, _ = (np.concatenate(x) for x in zip(*batches))
    counted = labels != 3
    flat = np.moveaxis(scores, 1, -1)[counted]
    truth = np.eye(5, dtype=int)[labels[counted]]
    keep = [0, 1, 2, 4]  # class 3 has no labels left
    theirs = expected(layer, truth[:, keep], flat[:, keep], "macro")
    (found,) = run_pass(layer, [batch[:2] for batch in batches], "ignore_label: 3")
    np.testing.assert_allclose(found, theirs, rtol=1e-5)


@pytest.mark.parametrize("layer", LAYERS)
def test_yes_or_no(layer):
    batches = [(scores[:, 1] - scores[:, 0], labels) for scores, labels, _ in with_ties(class_batches(classes=2))]
    scores, labels = map(np.concatenate, zip(*batches))
    (found,) = run_pass(layer, batches)
    np.testing.assert_allclose(found, expected(layer, labels, scores, "macro"), rtol=1e-5)


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("given", ["", "positive_class: 2", "average: micro"])
def test_picture(layer, given):
    metrics = pytest.importorskip("sklearn.metrics")
    scores, labels, weights = class_batches()[2]
    scores = scores.round()
    run = LayerRun(layer, [scores, labels, weights], param_str=given, dtype=np.float32)
    areas = run.forward()[0]
    curves = run.layer.picture().curves
    truth, weights = np.eye(5)[labels], np.repeat(weights.astype(np.float32)[:, None], 5, 1)
    columns = {"": sorted(set(labels)), "positive_class: 2": [2], "average: micro": [slice(None)]}[given]
    assert len(curves) == len(columns)
    for (_, x, y), column in zip(curves, columns):
        args = truth[:, column].ravel(), scores[:, column].ravel()
        options = {"sample_weight": weights[:, column].ravel(), "drop_intermediate": False}
        if layer is AUC:
            expected = metrics.roc_curve(*args, **options)[:2]
        else:
            precision, recall, _ = metrics.precision_recall_curve(*args, **options)
            expected = recall[-2::-1], precision[-2::-1]  # from the highest threshold, without the point at recall 0
        np.testing.assert_allclose([x, y], expected, rtol=1e-6)
    if len(curves) == 1:
        assert curves[0][0].endswith(f"{float(areas[0]):.4f}")


@pytest.mark.parametrize("layer", LAYERS)
def test_a_picture_of_many_scores_has_few_points(layer):
    rng = np.random.RandomState(0)
    run = LayerRun(layer, [rng.rand(5000), rng.randint(0, 2, 5000)])
    run.forward()
    ((_, x, y),) = run.layer.picture().curves
    assert len(x) == len(y) <= 1001
    assert x[-1] == 1
    empty = LayerRun(layer, [[0.5], [0]] if layer is AveragePrecision else [[0.5], [1]])
    empty.forward()
    assert empty.layer.picture() is None
