"""The metrics of label maps against scikit-learn, over passes of batches of different size."""

import numpy as np
import pytest

from caffe_pylayers.segmentation_metrics import BoundaryIoU, MeanIoU, PixelAccuracy, SegAccuracy, inner_region
from caffe_pylayers.testing import LayerRun
from tests.layers.passes import class_batches, run_pass


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ignore", [None, 2])
def test_label_maps(weighted, ignore):
    metrics = pytest.importorskip("sklearn.metrics")
    batches = class_batches(places=(3, 4), weighted=weighted)
    scores, labels, weights = (np.concatenate(x) for x in zip(*batches))
    counted = np.ones(labels.shape, bool) if ignore is None else labels != ignore
    truth, guess = labels[counted], scores.argmax(1)[counted]
    weights = weights[counted] if weighted else None
    given = batches if weighted else [batch[:2] for batch in batches]
    param_str = "" if ignore is None else f"ignore_label: {ignore}"

    options = {"average": None, "labels": range(5), "sample_weight": weights}
    expected = metrics.jaccard_score(truth, guess, **options)
    mean, by_class, frequency = run_pass(MeanIoU, given, param_str, tops=3)
    np.testing.assert_allclose(by_class, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(mean, [expected.mean()], rtol=1e-5)
    np.testing.assert_allclose(
        frequency, [metrics.jaccard_score(truth, guess, **{**options, "average": "weighted"})], rtol=1e-5
    )

    overall, mean = run_pass(PixelAccuracy, given, param_str, tops=2)
    np.testing.assert_allclose(overall, [metrics.accuracy_score(truth, guess, sample_weight=weights)], rtol=1e-5)
    recalls = metrics.recall_score(truth, guess, average=None, sample_weight=weights, labels=np.unique(truth))
    np.testing.assert_allclose(mean, [recalls.mean()], rtol=1e-5)


def by_hand(predicted, labels, param_str):
    run = LayerRun(MeanIoU, [predicted, labels], param_str=param_str, tops=3)
    return [np.ravel(top).tolist() for top in run.forward()]


def test_classes_that_do_not_occur_count_in_no_mean():
    # class 0: 1 of 2 positions, class 1: 1 of 2; class 2 nowhere
    found = by_hand([0, 0, 1], [0, 1, 1], "num_classes: 3")
    assert found == [[0.5], [0.5, 0.5, 0], [0.5]]


def test_a_class_that_is_only_predicted_counts_as_a_miss():
    found = by_hand([0, 2, 1], [0, 1, 1], "num_classes: 3")
    np.testing.assert_allclose(found[0], [0.5])  # 1, 1/2, 0
    np.testing.assert_allclose(found[1], [1, 0.5, 0])
    np.testing.assert_allclose(found[2], [1 / 3 + 1 / 3])


def test_excluded_classes():
    mean, by_class, frequency = by_hand([0, 2, 1], [0, 1, 1], "{num_classes: 3, exclude: [0]}")
    assert (mean, by_class, frequency) == ([0.25], [1, 0.5, 0], [0.5])


def test_refused():
    with pytest.raises(ValueError, match=r"^MeanIoU: parameter exclude must hold classes in \[0, 2\), got \[0, 2\]"):
        LayerRun(MeanIoU, [np.zeros((4, 2)), np.zeros(4)], param_str="exclude: [0, 2]")


def eroded(mask, distance):
    cv2 = pytest.importorskip("cv2")
    framed = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    return cv2.erode(framed, np.ones((3, 3), np.uint8), iterations=distance)[1:-1, 1:-1].astype(bool)


def blocks(n, seed):
    rng = np.random.RandomState(seed)
    return np.kron(rng.randint(0, 4, (n, 5, 7)), np.ones((6, 5), int))


@pytest.mark.parametrize("distance", [1, 2, 4, 20])
def test_boundaries(distance):
    labels = [blocks(n, n) for n in (1, 3, 2)]
    predicted = [np.roll(x, 2, 2) for x in labels]
    expected = np.zeros((2, 4))
    for truth, guess in zip(np.concatenate(labels), np.concatenate(predicted)):
        for c in range(4):
            t, p = (((x == c) & ~eroded(x == c, distance)) for x in (truth, guess))
            expected[:, c] += (t & p).sum(), (t | p).sum()
    expected = expected[0] / expected[1]
    batches = list(zip(predicted, labels))
    mean, by_class = run_pass(BoundaryIoU, batches, f"{{num_classes: 4, distance: {distance}}}", tops=2)
    np.testing.assert_allclose(by_class, expected, rtol=1e-5)
    np.testing.assert_allclose(mean, [expected.mean()], rtol=1e-5)


def test_the_distance_follows_the_diagonal():
    labels = blocks(2, 0)  # 30 by 35: a diagonal of 46.1
    batches = [(np.roll(labels, 1, 1), labels)]
    found = run_pass(BoundaryIoU, batches, "{num_classes: 4, dilation_ratio: 0.05}")
    np.testing.assert_array_equal(found, run_pass(BoundaryIoU, batches, "{num_classes: 4, distance: 2}"))


def test_beyond_the_map_is_another_label():
    inner = inner_region(np, np.zeros((1, 4, 5), int), 1)
    assert np.argwhere(inner[0]).tolist() == [[y, x] for y in (1, 2) for x in (1, 2, 3)]


def test_boundaries_are_of_maps():
    with pytest.raises(ValueError, match=r"^BoundaryIoU: bottom\[1\] \(labels\) must be maps .*, got shape \(4,\)"):
        LayerRun(BoundaryIoU, [np.zeros((4, 2)), np.zeros(4)])


def test_what_is_ignored_ends_the_regions_of_both_maps():
    labels = np.zeros((1, 9, 9), int)
    labels[:, 3:6] = 255
    predicted = np.where(labels == 255, 1, labels)
    param_str = "{num_classes: 2, ignore_label: 255, distance: 1}"
    for guess in (predicted, predicted * 0):
        assert LayerRun(BoundaryIoU, [guess, labels], param_str=param_str).forward()[0] == 1


@pytest.mark.parametrize(
    ("labels", "ignored", "wanted"),
    [  # the last of equal scores is predicted: 1, 0, 2, 2
        ([1, 1, 2, 0], [], [2 / 4, (1 / 2 + 1 + 0) / 3, (0 + 1 / 2 + 1 / 2 + 1) / 4]),
        ([255, 1, 2, 7], [255, 7], [1 / 2, 1 / 2, (0 + 0 + 1 + 1) / 4]),
        ([9, 9, 9, 9], [9], [0, 0, 1]),
    ],
)
def test_seg_accuracy(labels, ignored, wanted):
    scores = np.array([[5.0, 5, 0, 0], [2, 1, 1, 1], [0, 0, 3, 0], [1, 0, 4, 1]])
    run = LayerRun(SegAccuracy, [scores, np.array(labels)], param_str=f"ignore_label: {ignored}")
    np.testing.assert_allclose(run.forward()[0], np.reshape(wanted, (1, 1, 1, 3)))


@pytest.mark.parametrize(("report", "last"), [("batch", 1), ("running", 2)])
def test_seg_accuracy_over_forwards(report, last):
    scores, labels, _ = class_batches(places=(3, 4))[0]
    run = LayerRun(SegAccuracy, [scores[:2].copy(), labels[:2].copy()], param_str=f"report: {report}", phase=1)
    run.forward()
    for blob, values in zip(run.bottom, (scores, labels)):
        blob.data[...] = values[2:4]
    found, counted = run.forward()[0], slice(4 - 2 * last, 4)
    alone = LayerRun(SegAccuracy, [scores[counted], labels[counted]]).forward()[0]
    np.testing.assert_allclose(found, alone, rtol=1e-6)
