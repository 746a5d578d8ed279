"""Soft targets and divergences beside PyTorch's cross_entropy and kl_div."""

import numpy as np
import pytest

from caffe_pylayers.distillation import KLDivergenceLoss, SoftTargetLoss
from caffe_pylayers.testing import LayerRun
from tests.layers.references import against_torch

rng = np.random.RandomState(0)
MAPS, TEACHER = 3 * rng.standard_normal((2, 5, 6, 3, 4))
CHANCES = np.exp(TEACHER) / np.exp(TEACHER).sum(1, keepdims=True)
CLASS_WEIGHTS = [0.2, 1.5, 0.7, 3.0, 0.0, 1.1]


@pytest.mark.parametrize("class_weights", [[], CLASS_WEIGHTS])
def test_probabilities_are_pytorchs_soft_targets(class_weights):
    def loss(functional, scores, targets):
        return functional.cross_entropy(scores, targets, scores.new_tensor(class_weights) if class_weights else None)

    against_torch(SoftTargetLoss, [MAPS, CHANCES], f"class_weights: {class_weights}", loss, wrt=(0, 1))


@pytest.mark.parametrize("temperature", [1.0, 4.0, 0.5])
@pytest.mark.parametrize("square", [True, False])
def test_a_teachers_scores(temperature, square):
    weights = rng.rand(5, 1, 3, 4)

    def loss(functional, scores, teacher, w):
        q = functional.softmax(teacher / temperature, 1)
        terms = functional.cross_entropy(scores / temperature, q, reduction="none")
        return (terms * w[:, 0]).sum() / w.sum() * (temperature**2 if square else 1)

    param_str = (
        f'{{"targets": "scores", "temperature": {temperature}, "temperature_squared": {str(square).lower()}, '
        '"normalization": "weights"}'
    )
    against_torch(SoftTargetLoss, [MAPS, TEACHER, weights], param_str, loss, wrt=(0, 1, 2))


@pytest.mark.parametrize("predictions", ["scores", "probabilities", "log_probabilities"])
@pytest.mark.parametrize("targets", ["scores", "probabilities", "log_probabilities"])
def test_divergence_is_pytorchs_kl_div(predictions, targets):
    def probabilities(x):
        return np.exp(x) / np.exp(x).max()

    given = {"scores": lambda x: x, "probabilities": probabilities, "log_probabilities": lambda x: x}
    as_log = {
        "scores": lambda functional, x: functional.log_softmax(x, 1),
        "probabilities": lambda functional, x: x.log(),
        "log_probabilities": lambda functional, x: x,
    }

    def loss(functional, p, q):
        p, q = as_log[predictions](functional, p), as_log[targets](functional, q)
        return functional.kl_div(p, q, log_target=True, reduction="sum") / 5

    bottoms = [given[predictions](MAPS), given[targets](TEACHER)]
    param_str = f'{{"predictions": "{predictions}", "targets": "{targets}", "normalization": "batch"}}'
    against_torch(KLDivergenceLoss, bottoms, param_str, loss, wrt=(0, 1))


def test_a_target_of_zero_counts_nothing():
    run = LayerRun(KLDivergenceLoss, [[[0.5, 0.5]], [[1, 0]]], param_str="predictions: probabilities", dtype=np.float32)
    np.testing.assert_allclose(run.forward()[0], [np.log(2)], rtol=1e-6)
    np.testing.assert_allclose(run.backward([1])[0], [[-2, 0]])


def test_divergence_and_cross_entropy_have_one_gradient():
    runs = [LayerRun(layer, [MAPS, CHANCES]) for layer in (KLDivergenceLoss, SoftTargetLoss)]
    for run in runs:
        run.forward()
    np.testing.assert_allclose(*(run.backward([3.7])[0] for run in runs), rtol=1e-12)
    alike = LayerRun(KLDivergenceLoss, [MAPS, MAPS], param_str="targets: scores")
    np.testing.assert_allclose(alike.forward()[0], [0], atol=1e-15)


@pytest.mark.parametrize(
    ("layer", "bottoms", "param_str", "message"),
    [
        (SoftTargetLoss, [MAPS, CHANCES[:4]], "", r"bottom\[1\] \(targets\) must have the shape of bottom\[0\] \(5, 6"),
        (SoftTargetLoss, [MAPS, CHANCES], "class_weights: [1]", "parameter class_weights must have 6 numbers"),
        (KLDivergenceLoss, [MAPS, CHANCES[:, :1]], "", r"got \(5, 1, 3, 4\)"),
        (KLDivergenceLoss, [MAPS, CHANCES + 1], "", r"bottom\[1\] \(targets\) must lie in \[0, 1\], got 1\.\d+ at"),
        (KLDivergenceLoss, [-CHANCES, CHANCES], "predictions: probabilities", r"\(predictions\) must lie in \[0, 1\]"),
        (SoftTargetLoss, [MAPS, 2 * CHANCES], "", r"bottom\[1\] \(targets\) must lie in \[0, 1\]"),
    ],
)
def test_refused(layer, bottoms, param_str, message):
    with pytest.raises(ValueError, match=rf"^{layer.__name__}: .*{message}"):
        LayerRun(layer, bottoms, param_str=param_str).forward()
