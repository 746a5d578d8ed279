"""ExpectedCalibrationError against its definition, sample by sample, and scikit-learn's calibration curve."""

import numpy as np
import pytest

from caffe_pylayers.calibration import ExpectedCalibrationError
from caffe_pylayers.testing import LayerRun
from tests.layers.passes import class_batches, run_pass


def probability_batches(**options):
    batches = class_batches(**options)
    return [(np.exp(s) / np.exp(s).sum(1, keepdims=True), *rest) for s, *rest in batches]


def by_definition(confidence, right, weights, bins):
    gaps, shares = [], []
    for b in range(1, bins + 1):
        inside = ((b - 1) / bins < confidence) & (confidence <= b / bins)
        if inside.any():
            accuracy = np.average(right[inside], weights=weights[inside])
            gaps.append(abs(accuracy - np.average(confidence[inside], weights=weights[inside])))
            shares.append(weights[inside].sum() / weights.sum())
    return np.dot(gaps, shares), max(gaps)


@pytest.mark.parametrize("bins", [1, 10, 15])
@pytest.mark.parametrize("places", [(), (2, 3)])
def test_errors(bins, places):
    batches = probability_batches(places=places)
    probabilities, labels, weights = (np.concatenate(x) for x in zip(*batches))
    confidence, right = probabilities.max(1).astype(float), probabilities.argmax(1) == labels
    expected, maximum = run_pass(ExpectedCalibrationError, batches, f"bins: {bins}", tops=2)
    theirs = by_definition(confidence, right, weights, bins)
    np.testing.assert_allclose([expected[0], maximum[0]], theirs, rtol=1e-5, atol=1e-6)


def test_against_a_calibration_curve():
    calibration = pytest.importorskip("sklearn.calibration")
    batches = [batch[:2] for batch in probability_batches()]
    probabilities, labels = map(np.concatenate, zip(*batches))
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    accuracies, confidences = calibration.calibration_curve(right, confidence, n_bins=8)
    _, maximum = run_pass(ExpectedCalibrationError, batches, "bins: 8", tops=2)
    np.testing.assert_allclose(maximum, [abs(accuracies - confidences).max()], rtol=1e-5)

    run = LayerRun(ExpectedCalibrationError, [probabilities, labels], param_str="bins: 8")
    run.forward()
    ((_, x, y),) = run.layer.picture().curves
    np.testing.assert_allclose(x, confidences, rtol=1e-5)
    np.testing.assert_allclose(y, accuracies, rtol=1e-5)


def test_scores_are_no_probabilities():
    run = LayerRun(ExpectedCalibrationError, [[[2.0, 1.0]], [0]])
    with pytest.raises(
        ValueError,
        match=r"^ExpectedCalibrationError: bottom\[0\]'s highest prob.* must lie in .*, got 2 at",
    ):
        run.forward()
