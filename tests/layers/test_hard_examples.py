"""Which examples are hard, beside a plain search for them; losses beside PyTorch's of those kept."""

import math

import numpy as np
import pytest

from caffe_pylayers._layer import arrays
from caffe_pylayers.hard_examples import (
    BoxAnnotatorOHEM,
    SigmoidOHEMLoss,
    SoftmaxOHEMLoss,
    hard_examples,
    hardest,
)
from caffe_pylayers.testing import LayerRun
from tests.layers.references import against_torch

rng = np.random.RandomState(0)
MAPS, LABELS = 2 * rng.standard_normal((5, 6, 3, 4)), rng.randint(0, 6, (5, 3, 4))
TARGETS = (rng.rand(*MAPS.shape) < 0.2).astype(float)
CLASS_WEIGHTS = [0.2, 1.5, 0.7, 3.0, 0.4, 1.1]
SOFTMAX = np.log(np.exp(MAPS).sum(1)) - np.take_along_axis(MAPS, LABELS[:, None], 1)[:, 0]
SIGMOID = np.log(1 + np.exp(MAPS)) - MAPS * TARGETS


def search(losses, valid, negative, parameters):
    """Return what is to be kept, image by image and loss by loss."""
    images = list(zip(losses, valid, negative)) if parameters.get("per_image") else [(losses, valid, negative)]
    kept = []
    for image in images:
        loss, counts, no = (x.ravel() for x in image)
        keep = np.zeros(loss.shape)
        hardest = [i for i in sorted(range(len(loss)), key=lambda i: -loss[i]) if counts[i]]
        if "negative_ratio" in parameters:
            positives = [i for i in hardest if not no[i]]
            keep[positives] = 1
            hardest = [i for i in hardest if no[i]]
            number = int(parameters["negative_ratio"] * len(positives))
        elif "kept_ratio" in parameters:
            number = max(int(parameters["kept_ratio"] * len(hardest)), 1)
        elif "top_k" in parameters:
            number = parameters["top_k"]
        else:
            number = sum(loss[i] > -math.log(parameters["threshold"]) for i in hardest)
        keep[hardest[: max(number, parameters.get("min_kept", 0))]] = 1
        kept.append(keep)
    return np.reshape(kept, losses.shape)


RULES = [
    {"kept_ratio": 0.3},
    {"kept_ratio": 1},
    {"kept_ratio": 0.001, "per_image": True},
    {"top_k": 7},
    {"top_k": 1000},
    {"top_k": 3, "per_image": True},
    {"threshold": 0.1},
    {"threshold": 0.001, "min_kept": 9},
    {"threshold": 0.05, "min_kept": 4, "per_image": True},
    {"negative_ratio": 0.3},
    {"negative_ratio": 3, "per_image": True},
    {"negative_ratio": 0.5, "min_kept": 2, "per_image": True},
]


def text(**parameters):
    return str(parameters)


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("ignore", [-1, 2])
def test_softmax_keeps_what_a_search_finds(rule, ignore):
    weights = rng.rand(5, 1, 3, 4)
    weights[0, 0, 0] = 0
    kept = search(SOFTMAX, (ignore != LABELS) & (weights[:, 0] > 0), LABELS == 0, rule)
    parameters = text(**rule, ignore_label=ignore, class_weights=CLASS_WEIGHTS)
    run = LayerRun(SoftmaxOHEMLoss, [MAPS, LABELS, weights], param_str=parameters, tops=2)
    np.testing.assert_array_equal(run.forward()[1], kept)

    def loss(functional, scores, labels, w):
        terms = functional.cross_entropy(scores, labels, scores.new_tensor(CLASS_WEIGHTS), reduction="none")
        return (terms * w[:, 0] * scores.new_tensor(kept)).sum() / kept.sum()

    against_torch(SoftmaxOHEMLoss, [MAPS, LABELS, weights], parameters, loss, wrt=(0, 2), tops=2)


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_sigmoid_keeps_what_a_search_finds(rule):
    kept = search(SIGMOID, np.ones(MAPS.shape, bool), TARGETS == 0, rule)
    run = LayerRun(SigmoidOHEMLoss, [MAPS, TARGETS], param_str=text(**rule), tops=2)
    np.testing.assert_array_equal(run.forward()[1], kept)

    def loss(functional, scores, targets):
        terms = functional.binary_cross_entropy_with_logits(scores, targets, reduction="none")
        return (terms * scores.new_tensor(kept)).sum() / kept.sum()

    against_torch(SigmoidOHEMLoss, [MAPS, TARGETS], text(**rule), loss, tops=2)


def test_of_equal_losses_the_first_are_kept():
    run = LayerRun(
        SoftmaxOHEMLoss, [np.zeros((6, 2)), [9, 0, 1, 0, 1, 0]], param_str="{top_k: 3, ignore_label: 9}", tops=2
    )
    np.testing.assert_array_equal(run.forward()[1], [0, 1, 1, 1, 0, 0])


def test_rois_as_r_fcn_annotates_them():
    """BoxAnnotatorOHEM's example, its ROIs as the positions of their image: the hardest one of each."""
    scores = np.stack([np.zeros(4), np.log(np.expm1([0.1, 0.9, 0.5, 0.7]))], 1)
    images = scores.T.reshape(1, 2, 2, 2).transpose(2, 1, 0, 3)  # (2 images, C, 1, 2 ROIs)
    run = LayerRun(SoftmaxOHEMLoss, [images, np.zeros((2, 1, 1, 2))], param_str="{top_k: 1, per_image: true}", tops=2)
    loss, kept = run.forward()
    np.testing.assert_array_equal(kept.ravel(), [0, 1, 0, 1])
    np.testing.assert_allclose(loss, [(0.9 + 0.7) / 2])


def test_a_loss_that_is_nan_counts_as_the_largest_and_reaches_the_top():
    scores = MAPS.copy()
    scores[1, :, 0, 0] = np.nan
    for rule in RULES:
        run = LayerRun(SoftmaxOHEMLoss, [scores, LABELS], param_str=text(**rule), tops=2)
        loss, kept = run.forward()
        assert kept[1, 0, 0] == 1 or "negative_ratio" in rule, rule
        assert np.isnan(loss[0]) == kept[1, 0, 0]


def test_more_are_wanted_than_there_are():
    losses, candidates = np.array([[1.0, 3.0, 2.0]] * 2), np.array([[True, True, False]] * 2)
    np.testing.assert_array_equal(hard_examples(np, losses, candidates, top_k=2**80), candidates)
    np.testing.assert_array_equal(
        hard_examples(np, losses[:1], candidates[:1], top_k=1, min_kept=2**80), candidates[:1]
    )


ROWS = [[3.0, 1.0, 2.0, 2.0, 0.0], [5.0, 5.0, 5.0, 5.0, 5.0]]
CANDIDATES = [[True, True, True, True, True], [False, True, True, False, True]]


@pytest.mark.parametrize("kind", ["numpy", "torch"])
@pytest.mark.parametrize(
    ("counts", "kept"),
    [
        ([0, 0], [[], []]),
        ([1, 1], [[0], [1]]),
        ([2, 2], [[0, 2], [1, 2]]),
        ([9, 9], [[0, 1, 2, 3, 4], [1, 2, 4]]),
    ],
)
def test_hardest(kind, counts, kept):
    make = np.array if kind == "numpy" else pytest.importorskip("torch").tensor
    losses, candidates = make(ROWS), make(CANDIDATES)
    xp = arrays.namespace(losses)
    found = hardest(xp, losses, candidates, counts)
    assert [np.flatnonzero(row).tolist() for row in arrays.to_numpy(found)] == kept
    for i in range(2):
        alone = hardest(xp, losses[i : i + 1], candidates[i : i + 1], counts[i : i + 1])
        assert np.flatnonzero(arrays.to_numpy(alone)).tolist() == kept[i]


@pytest.mark.parametrize(
    ("param_str", "message"),
    [
        ("", "needs one of the parameters kept_ratio, top_k, threshold, negative_ratio, got none of them"),
        ("{top_k: 1, kept_ratio: 0.5}", "got kept_ratio and top_k"),
        (
            "{kept_ratio: 0}",
            "parameter kept_ratio must be a number <= 1 and > 0|parameter kept_ratio must be a number > 0 and <= 1",
        ),
    ],
)
def test_refused(param_str, message):
    with pytest.raises(ValueError, match=rf"^SoftmaxOHEMLoss: .*({message})"):
        LayerRun(SoftmaxOHEMLoss, [MAPS, LABELS], param_str=param_str)


def annotated(rois, losses, labels, weights, **options):
    run = LayerRun(
        BoxAnnotatorOHEM, [rois, losses, labels, weights], param_str=str({"roi_per_img": 2, **options}), tops=2
    )
    return run.forward()


def test_boxes_of_the_largest_losses_of_each_image():
    rois = np.zeros((9, 5))
    rois[:, 0] = [0, 1, 1, 0, 3, 1, 0, 1, 3]
    losses = np.array([0.3, 0.2, 0.9, 0.1, 0.5, 0.2, 0.3, 0.8, 0.4])
    labels, weights = np.arange(9) % 4, np.arange(18.0).reshape(9, 2) + 1
    kept = np.isin(np.arange(9), [0, 6, 2, 7, 4, 8])
    found = annotated(rois, losses, labels, weights)
    np.testing.assert_array_equal(found[0], np.where(kept, labels, -1))
    np.testing.assert_array_equal(found[1], np.where(kept[:, None], weights, 0))
    assert annotated(rois, 0 * losses, labels, weights, ignore_label=9)[0].tolist() == [0, 1, 2, 3, 0, 9, 9, 9, 0]


@pytest.mark.parametrize(
    ("bottoms", "message"),
    [
        ([np.zeros((2, 4)), [1, 2], [0, 0], np.zeros((2, 8))], r"bottom\[0\] \(rois\) must have shape \(R, 5\)"),
        ([np.zeros((2, 5)), [1, 2, 3], [0, 0], np.zeros((2, 8))], r"bottom\[1\] \(losses\) must have shape \(2,\)"),
        ([np.zeros((2, 5)), [1, 2], [0, 0], np.zeros((3, 8))], r"bottom\[3\] \(bbox_loss_weights\) must have K values"),
        ([np.zeros((2, 5)), [1, np.nan], [0, 0], np.zeros((2, 8))], r"bottom\[1\] \(losses\) must be numbers, got nan"),
        ([np.full((2, 5), 0.5), [1, 2], [0, 0], np.zeros((2, 8))], r"bottom\[0\] \(rois\) has the batch index 0.5"),
    ],
)
def test_boxes_refused(bottoms, message):
    with pytest.raises(ValueError, match=f"^BoxAnnotatorOHEM: {message}"):
        annotated(*bottoms)
