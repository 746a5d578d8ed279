"""Losses over positions: one that does not count may hold anything, and Z may be the sum of the weights."""

import numpy as np
import pytest

from caffe_pylayers import cross_entropy, directions, focal, multi_label, pyloss, ranking, regression, robust
from caffe_pylayers._layer.arrays import to_numpy
from caffe_pylayers.testing import LayerRun

MODULES = cross_entropy, directions, focal, multi_label, pyloss, ranking, regression, robust
rng = np.random.RandomState(3)
P, T = rng.standard_normal((2, 4, 3, 2))
W = rng.rand(4, 3, 2) + 0.1
OUT = 1, slice(None), 1  # the positions that do not count
NO_WEIGHT, IGNORED, BINARY = W.copy(), T.copy(), (T > 0).astype(float)
NO_WEIGHT[OUT], IGNORED[OUT] = 0, 9
LABELS, OF_MAPS = np.array([2.0, 0, 1, 2]), np.array([[2.0, 0], [1, 1], [0, 2], [1, 0]])
IGNORED_LABELS, IGNORED_BINARY = OF_MAPS.copy(), BINARY.copy()
IGNORED_LABELS[1, 1], IGNORED_BINARY[OUT] = 9, 9

PAIRS = "L1Loss", "L2Loss", "SmoothL1Loss", "HuberLoss", "QuantileLoss", "CharbonnierLoss", "LogCoshLoss", "WingLoss"
ONES = [np.ones(4)]


def layer_of(name):
    return next(getattr(module, name) for module in MODULES if hasattr(module, name))


# name, bottoms, param_str, and which bottoms hold anything at OUT
MASKED = [
    *[(name, [P, T, *ONES * (name == "SmoothL1Loss"), NO_WEIGHT], "", [0, 1]) for name in PAIRS],
    *[(name, [P, IGNORED, *ONES * (name == "SmoothL1Loss"), W], "ignore_value: 9", [0, -1]) for name in PAIRS],
    ("SmoothL1Loss", [P, T, NO_WEIGHT, W], "", [0, 1]),
    ("SmoothL1Loss", [P, T, W, NO_WEIGHT], "", [0, 1, 2]),
    ("L1Loss", [P, T, NO_WEIGHT], "normalization: weights", [0, 1]),
    ("EuclideanLossLayer", [P, T, NO_WEIGHT], "normalization: valid", [0, 1]),
    ("CosineLoss", [P, T, NO_WEIGHT[:, :1]], "", [0, 1]),
    ("AngularLoss", [P, T, NO_WEIGHT[:, :1]], "normalization: valid", [0, 1]),
    ("SoftmaxCrossEntropyLoss", [P, IGNORED_LABELS], "ignore_label: 9", [0]),
    ("SoftmaxCrossEntropyLoss", [P, IGNORED_LABELS, W[:, :1]], "{ignore_label: 9, normalization: weights}", [0, 2]),
    ("SoftmaxCrossEntropyLoss", [P, OF_MAPS, NO_WEIGHT[:, :1]], "", [0]),
    ("SigmoidCrossEntropyLoss", [P, IGNORED_BINARY], "ignore_label: 9", [0]),
    ("SigmoidCrossEntropyLoss", [P, BINARY, NO_WEIGHT], "", [0]),
    ("SoftmaxFocalLoss", [P, IGNORED_LABELS], "ignore_label: 9", [0]),
    ("SigmoidFocalLoss", [P, BINARY, NO_WEIGHT], "", [0]),
    ("PairwiseRankingLoss", [P, T, np.sign(T), NO_WEIGHT], "", [0, 1]),
    ("PairwiseRankingLoss", [P, T, np.sign(NO_WEIGHT)], "", [0, 1]),
]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # numpy's own, of inf - inf
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("tensors", [False, True], ids=["arrays", "tensors"])
@pytest.mark.parametrize(("name", "bottoms", "param_str", "which"), MASKED)
def test_what_does_not_count_may_hold_anything(name, bottoms, param_str, which, value, tensors):
    torch = pytest.importorskip("torch") if tensors else None
    held = [np.array(x, float) for x in bottoms]
    which = [i % len(held) for i in which]
    for i in which:
        held[i][(1, slice(None), 1)[: held[i].ndim]] = value
    found, expected = (
        LayerRun(layer_of(name), [torch.tensor(x) for x in b] if tensors else b, param_str=param_str)
        for b in (held, bottoms)
    )
    np.testing.assert_allclose(found.forward()[0], expected.forward()[0], rtol=1e-14)
    gradients = [[to_numpy(x).copy() for x in layer.backward([3.7])] for layer in (found, expected)]
    for i, (ours, plain) in enumerate(zip(*gradients)):
        if i in which:
            assert not ours[OUT].any()
            plain[OUT] = 0
        elif i > 1:  # the weight of what holds no number has no gradient
            ours[OUT[: ours.ndim]], plain[OUT[: plain.ndim]] = 0, 0
        np.testing.assert_allclose(ours, plain, rtol=1e-14, atol=1e-300)


@pytest.mark.parametrize("tensors", [False, True], ids=["arrays", "tensors"])
@pytest.mark.parametrize("name", [*PAIRS, "EuclideanLossLayer", "CosineLoss", "AngularLoss"])
def test_what_counts_is_not_hidden(name, tensors):
    """Nor does it lose its gradient: NaN in it is NaN, with either library."""
    torch = pytest.importorskip("torch") if tensors else None
    held = P.copy()
    held[2, 0, 0] = np.nan
    bottoms = [torch.tensor(x) for x in (held, T)] if tensors else [held, T]
    layer = LayerRun(layer_of(name), bottoms)
    assert np.isnan(to_numpy(layer.forward()[0])).all()
    d_predictions, d_targets = (to_numpy(x).copy() for x in layer.backward([1]))
    along = slice(None) if name in ("CosineLoss", "AngularLoss") else 0
    assert np.isnan(d_predictions[2, along, 0]).all()
    assert np.isnan(d_targets[2, along, 0]).all()
    d_predictions[2, along, 0] = 0
    assert np.isfinite(d_predictions).all()


@pytest.mark.parametrize("name", [*PAIRS, "EuclideanLossLayer", "CosineLoss", "AngularLoss"])
def test_the_sum_of_weights_as_normalizer(name):
    weights = W if name[:3] not in ("Cos", "Ang") else W[:, :1]
    bottoms = [P, T, *ONES * (name == "SmoothL1Loss"), weights]
    mean, total = (LayerRun(layer_of(name), bottoms, param_str=f"normalization: {z}") for z in ("weights", "none"))
    np.testing.assert_allclose(mean.forward()[0], total.forward()[0] / weights.sum(), rtol=1e-12)
    np.testing.assert_allclose(mean.backward([3.7])[0], total.backward([3.7])[0] / weights.sum(), rtol=1e-12)
    assert abs((mean.backward([3.7])[-1] * weights).sum()) < 1e-12  # no gradient for weights that are scaled alike
