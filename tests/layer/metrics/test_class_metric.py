"""Metrics of classes: what counts has to be numbers, what does not is not looked at, and nothing at all gives 0."""

import numpy as np
import pytest

from caffe_pylayers.accuracy import BalancedAccuracy, ClassAccuracy, TopKAccuracy
from caffe_pylayers.calibration import ExpectedCalibrationError
from caffe_pylayers.confusion import ConfusionMatrix
from caffe_pylayers.curves import AUC, AveragePrecision
from caffe_pylayers.precision_recall import PrecisionRecallF1
from caffe_pylayers.segmentation_metrics import BoundaryIoU, MeanIoU, PixelAccuracy
from caffe_pylayers.testing import LayerRun

TEST = 1
LAYERS = {
    ClassAccuracy: {},
    BalancedAccuracy: {},
    TopKAccuracy: {"k": [1, 2]},
    ConfusionMatrix: {},
    PrecisionRecallF1: {},
    AUC: {},
    AveragePrecision: {},
    ExpectedCalibrationError: {},
    MeanIoU: {},
    PixelAccuracy: {},
    BoundaryIoU: {},
}
TWO_FORMS = (PrecisionRecallF1, AUC, AveragePrecision)
OF_SCORES = [layer for layer in LAYERS if "num_classes" in dir(layer)]

RNG = np.random.RandomState(4)
SCORES = RNG.rand(3, 4, 3, 5)
LABELS = RNG.randint(0, 4, (3, 3, 5)).astype(float)
WEIGHTS = RNG.rand(3, 3, 5)


def run(layer, *bottoms, dtype=np.float64, **options):
    return LayerRun(layer, bottoms, param_str=str({**LAYERS[layer], **options}), phase=TEST, dtype=dtype)


def value(layer, *bottoms, **options):
    return run(layer, *bottoms, **options).forward()[0].copy()


@pytest.mark.parametrize("layer", LAYERS)
def test_before_the_first_batch_and_over_nothing_all_is_zero(layer):
    made = run(layer, SCORES, np.full_like(LABELS, 9), ignore_label=9)
    assert made.layer.picture() is None
    for _ in range(2):
        assert not made.forward()[0].any()
    assert made.layer.picture() is None
    assert not value(layer, SCORES[:0], LABELS[:0]).any()


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("shape", [(0, 0), (4, 0), (2, 0, 3, 5)])
def test_no_classes_are_refused(layer, shape):
    with pytest.raises(ValueError, match=rf"^{layer.__name__}: bottom\[0\] \(scores\) must have a class or more on ax"):
        run(layer, np.zeros(shape), np.zeros((*shape[:1], *shape[2:])))


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize(("which", "what", "expected"), [(0, "scores", "numbers"), (2, "weights", "finite")])
def test_what_counts_must_be_a_number(layer, which, what, expected):
    bottoms = [SCORES, LABELS, WEIGHTS]
    bottoms[which] = bottoms[which].copy()
    bottoms[which][1, ..., 2] = np.nan
    with pytest.raises(
        ValueError, match=rf"^{layer.__name__}: bottom\[{which}\] \({what}\) must be {expected}, got nan at index "
    ):
        run(layer, *bottoms).forward()


@pytest.mark.parametrize("layer", LAYERS)
def test_where_no_label_counts_nothing_is_looked_at(layer):
    labels = np.where(RNG.rand(*LABELS.shape) < 0.3, 255, LABELS)
    expected = value(layer, SCORES, labels, WEIGHTS, ignore_label=255)
    assert expected.any()
    scores, weights = np.where(labels[:, None] == 255, np.nan, SCORES), np.where(labels == 255, np.nan, WEIGHTS)
    np.testing.assert_array_equal(value(layer, scores, labels, weights, ignore_label=255), expected)


@pytest.mark.parametrize("layer", TWO_FORMS)
def test_a_label_for_each_score(layer):
    scores, labels = RNG.rand(20, 3), RNG.randint(0, 2, (20, 3))
    labels[3:5, 1], labels[7] = -1, -1
    expected = value(layer, scores, labels, np.ones(20), ignore_label=-1)
    np.testing.assert_array_equal(value(layer, scores, labels, ignore_label=-1), expected)
    weights = np.ones(20)
    weights[7] = np.nan
    unseen = np.where(labels == -1, np.nan, scores)
    np.testing.assert_array_equal(value(layer, unseen, labels, weights, ignore_label=-1), expected)
    with pytest.raises(ValueError, match=rf"^{layer.__name__}: bottom\[0\] \(scores\) must be numbers, got nan at"):
        value(layer, unseen, labels.clip(0))


@pytest.mark.parametrize("layer", OF_SCORES)
def test_predictions_where_no_label_counts(layer):
    labels = np.where(RNG.rand(*LABELS.shape) < 0.3, 255, LABELS)
    predicted = SCORES.argmax(1).astype(float)
    expected = value(layer, SCORES, labels, ignore_label=255)
    unseen = np.where(labels == 255, np.nan, predicted)
    np.testing.assert_array_equal(value(layer, unseen, labels, ignore_label=255, num_classes=4), expected)
    with pytest.raises(ValueError, match=rf"^{layer.__name__}: prediction nan at index \(.*\) is no integer"):
        value(layer, unseen, LABELS, num_classes=4)


@pytest.mark.parametrize("layer", [AUC, AveragePrecision])
def test_one_class_has_no_curve_or_half_of_one(layer):
    """As scikit-learn: no area under a ROC curve, and a precision of 1 wherever one looks."""
    expected = 0 if layer is AUC else 1
    assert value(layer, [0.2, 0.7], [1, 1]) == expected
    assert value(layer, [0.2, 0.7], [0, 0]) == 0
