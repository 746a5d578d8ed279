"""Scores of labels with a bias and with weights: values by hand."""

import numpy as np
import pytest

from caffe_pylayers._layer.phases import TEST, TRAIN
from caffe_pylayers.label_scores import LabelSpecificAdd, LabelSpecificRescale, changing_weight, rising_bias
from caffe_pylayers.testing import LayerRun


def test_a_bias_of_the_labels():
    scores = [[0.2, 0.5, -0.3], [0.2, 0.5, -0.3]]
    run = LayerRun(LabelSpecificAdd, [scores, [1, 0]], param_str="{bias: -0.35}")
    np.testing.assert_allclose(run.forward()[0], [[0.2, 0.15, -0.3], [0.2, 0.5, -0.3]])  # 0.2 is not above 0.35
    assert run.backward([[[1, 2, 3], [4, 5, 6]]])[0].tolist() == [[1, 2, 3], [4, 5, 6]]
    text = "{bias_base: 0.1, bias_gamma: 0.5, bias_power: 2, bias_min: 0.2, bias_max: 2, start_iter: 0}"
    run = LayerRun(LabelSpecificAdd, [scores, [1, 0]], param_str=text, tops=2)
    biases = [run.forward()[1].item() for _ in range(3)]
    assert biases == pytest.approx([0.2, 0.1 + 1.5**2 - 1, 2])  # 0.1, 1.35 and 3.1, within [0.2, 2]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bias_base: 0.25", [0.25, 0.25]),
        ("bias_base: 0.25, bias_gamma: 1", [0.25, 1.25]),
        ("bias_base: 0.25, bias_gamma: 1, bias_max: 0.75", [0.25, 0.75]),
        ("bias_base: -2, bias_gamma: 1, bias_min: -1.5", [-1.5, -1]),
        ("bias_base: -2, bias_max: -3", [-3, -3]),
    ],
)
def test_a_bias_has_the_bounds_that_are_given(text, expected):
    run = LayerRun(LabelSpecificAdd, [[[5.0]], [0]], param_str=f"{{{text}}}", tops=2)
    assert [run.forward()[1].item() for _ in expected] == expected


def test_powers_beyond_the_numbers():
    assert rising_bias(1e6, -0.1, 1, 60, high=2) == 2
    assert changing_weight(1e6, 3, 1, -60, high=2) == 2
    assert changing_weight(1e6, 3, 1, 60, low=0.5) == 0.5
    assert changing_weight(1e6, 0, 1, -60) == 0


@pytest.mark.parametrize(
    ("layer", "least", "largest"),
    [(LabelSpecificAdd, "bias_min", "bias_max"), (LabelSpecificRescale, "positive_weight_min", "positive_weight_max")],
)
def test_bounds_the_wrong_way_round_are_refused(layer, least, largest):
    with pytest.raises(ValueError, match=f"^{layer.__name__}: {least} 2.0 is above {largest} 1.0"):
        LayerRun(layer, [[[5.0]], [0]], param_str=f"{{{least}: 2, {largest}: 1}}")


SCORES, LABELS = [[0.5, -2.0, 3.0], [0.5, -2.0, 3.0], [0.5, -2.0, 3.0]], [0, 1, 2]


@pytest.mark.parametrize(
    ("text", "own", "slopes"),
    [
        ("positive_weight: 2", [1, -4, 6], [2, 2, 2]),
        ("positive_weight: 2, for_ip: true", [1, -2, 6], [2, 1, 2]),
        ("positive_weight: 2, bias_fix: true", [0, -5, 5], [2, 2, 2]),
        ("positive_weight: 2, bias_fix: true, for_ip: true", [0, -2, 5], [2, 1, 2]),
        ("positive_weight_base: 8, gamma: 1, positive_weight_max: 3", [1.5, -6, 9], [3, 3, 3]),
        ("positive_weight_base: 8, gamma: 1, start_iter: 2", [1, -4, 6], [2, 2, 2]),  # 8 / (1 + 3)
    ],
)
def test_weights_of_the_labels(text, own, slopes):
    run = LayerRun(LabelSpecificRescale, [SCORES, LABELS], param_str=f"{{{text}, negative_weight: 0.5}}", tops=2)
    expected, of_labels = np.array(SCORES) / 2, np.eye(3, dtype=bool)
    expected[of_labels] = own
    y, weight = run.forward()
    np.testing.assert_allclose(y, expected)
    assert weight.item() == slopes[0]
    d_x, d_labels = run.backward([np.full((3, 3), 10.0), [0.0]])
    np.testing.assert_allclose(d_x, np.where(of_labels, 10 * np.array(slopes), 5.0))
    assert not d_labels.any()


def test_a_weight_that_falls():
    text = "{positive_weight_base: 6, gamma: 0.5, power: 2, positive_weight_min: 1.2}"
    run = LayerRun(LabelSpecificRescale, [SCORES, LABELS], param_str=text, tops=2)
    assert [run.forward()[1].item() for _ in range(3)] == pytest.approx([6 / 1.5**2, 6 / 2**2, 1.2])


@pytest.mark.parametrize(("phase", "more", "own"), [(TEST, "", 0.5), (TEST, ", rescale_test: true", 1), (TRAIN, "", 1)])
def test_in_test_scores_are_left_alone(phase, more, own):
    run = LayerRun(LabelSpecificRescale, [SCORES, LABELS], param_str=f"{{positive_weight: 2{more}}}", phase=phase)
    assert run.forward()[0][0, 0] == own
    assert run.backward([np.ones((3, 3))])[0][0, 0] == 2 * own
