"""RecallAtK and Verification: against scikit-learn's neighbours and ROC curve, over passes of several batches."""

import numpy as np
import pytest

from caffe_pylayers.retrieval import RecallAtK, Verification
from caffe_pylayers.testing import LayerRun

TEST = 1
rng = np.random.RandomState(6)
X = rng.standard_normal((60, 4))
LABELS = rng.randint(0, 9, 60)
LABELS[17] = 99  # alone
BATCH = 12


def tops_of_pass(run, *bottoms):
    """The mean of each top over the batches of a pass, as Caffe reports it."""
    found = []
    for start in range(0, len(bottoms[0]), BATCH):
        for blob, data in zip(run.bottom, bottoms):
            blob.reshape(*data[start : start + BATCH].shape)
            blob.data[...] = data[start : start + BATCH]
        found.append([top.copy() for top in run.forward()])
    return [np.mean(values, 0) for values in zip(*found)]


@pytest.mark.parametrize("kind", ["numpy", "torch"])
@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
@pytest.mark.parametrize("ignored", [None, 3])
def test_recall_is_that_of_scikit_learns_neighbours(kind, distance, ignored):
    neighbors = pytest.importorskip("sklearn.neighbors")
    ks = (1, 2, 5, 30)
    x, labels = X[ignored != LABELS], LABELS[ignored != LABELS]
    found = neighbors.NearestNeighbors(n_neighbors=30, metric=distance).fit(x).kneighbors(return_distance=False)
    hits = labels[found] == labels[:, None]
    queries = np.array([(labels == label).sum() > 1 for label in labels])
    expected = [hits[queries, :k].any(1).mean() for k in ks]

    bottoms = [X[:BATCH].astype(np.float32), LABELS[:BATCH].astype(np.float32)]
    if kind == "torch":
        bottoms = list(map(pytest.importorskip("torch").from_numpy, bottoms))
    options = {"k": ks, "distance": distance, **({} if ignored is None else {"ignore_label": ignored})}
    run = LayerRun(RecallAtK, bottoms, phase=TEST, param_str=repr(options), dtype=np.float32)
    data = (X, LABELS) if kind == "numpy" else map(pytest.importorskip("torch").from_numpy, (X, LABELS))
    if kind == "torch":
        reported = [np.zeros(4)]
        batches = list(zip(*(x.split(BATCH) for x in data)))
        for batch in batches:
            for blob, values in zip(run.bottom, batch):
                blob.data[...] = values
            reported[0] += run.forward()[0].numpy() / len(batches)
    else:
        reported = tops_of_pass(run, *data)
    np.testing.assert_allclose(reported[0], expected, rtol=1e-5)


def test_a_pass_does_not_depend_on_its_batches():
    options = {"phase": TEST, "param_str": "{'k': [1, 4], 'report': 'running'}"}
    whole = LayerRun(RecallAtK, [X, LABELS], **options).forward()[0]
    parts = LayerRun(RecallAtK, [X[:1], LABELS[:1]], **options)
    for start, end in ((0, 7), (7, 7), (7, 30), (30, 60)):
        for blob, data in zip(parts.bottom, (X, LABELS)):
            blob.reshape(*data[start:end].shape)
            blob.data[...] = data[start:end]
        last = parts.forward()[0]
    np.testing.assert_allclose(last, whole)


def test_recall_by_hand():
    x = np.array([[0.0], [1.0], [1.5], [9.0]])
    run = LayerRun(RecallAtK, [x, [7, 7, 8, 8]], param_str="k: [1, 2, 3]")
    # nearest of 0: 1 (same); of 1: 1.5, then 0; of 1.5: 1, 0, 9; of 9: 1.5 (same)
    np.testing.assert_allclose(run.forward()[0], [2 / 4, 3 / 4, 1])


def test_no_partner_is_no_query():
    run = LayerRun(RecallAtK, [X[:3], [1, 1, 2]], param_str="k: [2]")
    np.testing.assert_allclose(run.forward()[0], [1])
    alone = LayerRun(RecallAtK, [X[:3], [1, 2, 3]], phase=TEST)
    np.testing.assert_array_equal(alone.forward()[0], [0])


D = np.round(rng.rand(60), 2)  # with ties
SAME = (rng.rand(60) < 0.9 - D).astype(float)


def test_verification_is_scikit_learns_roc_curve():
    metrics = pytest.importorskip("sklearn.metrics")
    optimize, interpolate = (pytest.importorskip(f"scipy.{name}") for name in ("optimize", "interpolate"))
    false, true, _ = metrics.roc_curve(SAME, -D, drop_intermediate=False)
    roc = interpolate.interp1d(false, true)
    eer = optimize.brentq(lambda far: 1 - far - roc(far), 0, 1)
    accuracies = [((t >= D) == (SAME == 1)).mean() for t in [-1, *D]]
    fars = (0.0, 0.05, 0.3, 1.0)
    tar = [true[false <= far].max() for far in fars]
    for sign, score in ((1, "distance"), (-1, "similarity")):
        options = repr({"far": fars, "score": score})
        run = LayerRun(Verification, [sign * D[:BATCH], SAME[:BATCH]], phase=TEST, tops=4, param_str=options)
        found = tops_of_pass(run, sign * D, SAME)
        np.testing.assert_allclose(found[0], [eer], rtol=1e-9)
        np.testing.assert_allclose(found[1], [max(accuracies)])
        np.testing.assert_allclose(found[2], tar)
        accepted = sign * found[3] >= D
        np.testing.assert_allclose((accepted == (SAME == 1)).mean(), max(accuracies))


def test_verification_by_hand():
    run = LayerRun(Verification, [[0.1, 0.2, 0.3, 0.9], [1, 0, 1, 0]], tops=4, param_str="far: [0, 0.5]")
    eer, accuracy, tar, threshold = run.forward()
    np.testing.assert_allclose(eer, [0.5])
    np.testing.assert_allclose(accuracy, [0.75])
    np.testing.assert_allclose(tar, [0.5, 1])
    np.testing.assert_allclose(threshold, [0.15])  # the first of two as good


@pytest.mark.parametrize("same", [[1, 1], [0, 0]])
def test_one_kind_of_pairs_has_accuracy_alone(same):
    run = LayerRun(Verification, [[0.1, 0.2], same], tops=3, phase=TEST)
    assert [float(top[0]) for top in run.forward()] == [0, 1, 0]


def test_refused():
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match=rf"^Verification: .*\(distances\) must be finite, got {bad} at index 1"):
            LayerRun(Verification, [[0.1, bad], [1, 0]]).forward()
        LayerRun(Verification, [[0.1, bad, 0.3], [1, 9, 0]], param_str="ignore_label: 9").forward()
        with pytest.raises(ValueError, match=rf"^RecallAtK: .*\(features\) must .*, got {bad} at index \(1, 0\)"):
            LayerRun(RecallAtK, [[[0.1], [bad]], [1, 0]]).forward()
        LayerRun(RecallAtK, [[[0.1], [bad]], [1, 9]], param_str="ignore_label: 9").forward()
    with pytest.raises(ValueError, match=r"^RecallAtK: bottom\[1\] \(labels\) must be finite, got nan at index 0"):
        LayerRun(RecallAtK, [[[0.1], [0.2]], [np.nan, 0]]).forward()
    with pytest.raises(ValueError, match=r"^Verification: label 2 at index 1 is outside \[0, 2\)"):
        LayerRun(Verification, [[0.1, 0.2], [1, 2]]).forward()
    with pytest.raises(ValueError, match=r"^Verification: bottom\[1\] \(same\) must have shape \(2,\)"):
        LayerRun(Verification, [[0.1, 0.2], [1, 0, 1]])
