"""The correlations against SciPy, over passes of batches of different size."""

import numpy as np
import pytest

from caffe_pylayers.correlation import PearsonCorrelation, SpearmanCorrelation
from caffe_pylayers.testing import LayerRun
from tests.layers.passes import SIZES, run_pass

LAYERS = {PearsonCorrelation: "pearsonr", SpearmanCorrelation: "spearmanr"}


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("offset", [0, 1000])
def test_outputs(layer, offset):
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.RandomState(2)
    targets = [rng.standard_normal((n, 3)).round(1) for n in SIZES]
    predictions = [t + rng.standard_normal(t.shape).round(1) + offset for t in targets]
    p, t = (np.concatenate(x).astype(np.float32).astype(float) for x in (predictions, targets))
    expected = [getattr(stats, LAYERS[layer])(p[:, i], t[:, i])[0] for i in range(3)]
    mean, by_output = run_pass(layer, list(zip(predictions, targets)), tops=2)
    np.testing.assert_allclose(by_output, expected, rtol=1e-5)
    np.testing.assert_allclose(mean, [np.mean(expected)], rtol=1e-5)


@pytest.mark.parametrize("layer", LAYERS)
def test_a_constant_has_no_correlation(layer):
    rng = np.random.RandomState(2)
    batches = [(np.full((n, 2), 0.1) + [[0, 1]] * rng.rand(n, 1), rng.rand(n, 2)) for n in SIZES]
    mean, by_output = run_pass(layer, batches, tops=2)
    assert by_output[0] == 0
    np.testing.assert_allclose(mean, by_output[1], rtol=1e-6)


@pytest.mark.parametrize("layer", LAYERS)
def test_refused_shapes(layer):
    with pytest.raises(ValueError, match=rf"^{layer.__name__}: bottom\[1\] \(targets\) must have the first size"):
        LayerRun(layer, [np.zeros((4, 2)), np.zeros((2, 4))])


@pytest.mark.parametrize(
    ("layer", "value", "expected"),
    [
        (SpearmanCorrelation, np.nan, "numbers"),
        (PearsonCorrelation, np.nan, "finite"),
        (PearsonCorrelation, np.inf, "finite"),
    ],
)
def test_what_has_no_correlation_is_refused(layer, value, expected):
    bottoms = [[0.0, value], [1.0, 2.0]]
    run = LayerRun(layer, bottoms[::-1] if value != value else bottoms)
    with pytest.raises(
        ValueError, match=rf"^{layer.__name__}: bottom\[\d\] \(\w+\) must be {expected}, got {value:g} at index 1$"
    ):
        run.forward()
