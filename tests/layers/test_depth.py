"""ScaleInvariantLogLoss: against autograd of the papers' formulas, and what it refuses."""

import numpy as np
import pytest

from caffe_pylayers.depth import ScaleInvariantLogLoss
from caffe_pylayers.testing import LayerRun

rng = np.random.RandomState(3)
LOGS = rng.standard_normal((4, 1, 6, 7))
DEPTHS = np.exp(rng.standard_normal((4, 1, 6, 7)))
DEPTHS[rng.rand(4, 1, 6, 7) < 0.3] = 0


def run(*bottoms, param_str="", dtype=np.float64):
    return LayerRun(ScaleInvariantLogLoss, bottoms, param_str=param_str, dtype=dtype)


def compare(layer, p, loss):
    loss.backward()
    np.testing.assert_allclose(layer.forward(), [[loss.item()]], rtol=1e-12)
    np.testing.assert_allclose(layer.backward([1])[0], p.grad.numpy(), rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("lam", [0, 0.5, 1])
def test_as_eigen_has_it(lam):
    """His equation 4: over all pairs of pixels where lam is 1, and 3 for any lam."""
    torch = pytest.importorskip("torch")
    p = torch.tensor(LOGS, requires_grad=True)
    losses = []
    for log_y, y in zip(p, torch.tensor(DEPTHS)):
        d = log_y[y > 0] - y[y > 0].log()
        losses.append((d**2).sum() / len(d) - lam * d.sum() ** 2 / len(d) ** 2)
        if lam == 1:
            pairs = ((d[:, None] - d[None]) ** 2).sum() / (2 * len(d) ** 2)
            np.testing.assert_allclose(losses[-1].item(), pairs.item())
    compare(run(LOGS, DEPTHS, param_str=f'{{"variance_focus": {lam}}}'), p, torch.stack(losses).mean())


def test_as_bts_and_adabins_have_it():
    torch = pytest.importorskip("torch")
    p = torch.tensor(np.exp(LOGS), requires_grad=True)
    y = torch.tensor(DEPTHS)
    mask = (y > 0.2) & (y <= 3)
    d = p[mask].log() - y[mask].log()
    published = '"log_predictions": false, "sqrt": true, "per_image": false, "variance_focus": 0.85'
    param_str = f'{{{published}, "min_depth": 0.2, "max_depth": 3}}'
    compare(run(np.exp(LOGS), DEPTHS, param_str=param_str), p, torch.sqrt((d**2).mean() - 0.85 * d.mean() ** 2))


def test_a_wrong_scale_costs_nothing_in_float32_either():
    depths = np.exp(LOGS)
    layer = run(LOGS + 9, depths, param_str='{"variance_focus": 1}', dtype=np.float32)
    assert abs(layer.forward()[0][0]) < 1e-11
    layer = run(depths * 1000, depths, param_str='{"variance_focus": 1, "log_predictions": false}', dtype=np.float32)
    assert abs(layer.forward()[0][0]) < 1e-11


def test_what_is_masked_may_hold_anything():
    mask = rng.rand(4, 1, 6, 7) < 0.5
    logs, depths = LOGS.copy(), DEPTHS.copy()
    logs[~mask], depths[~mask] = np.nan, -np.inf
    for param_str in ("", "log_predictions: false"):
        layer = run(logs, depths, mask, param_str=param_str)
        other = run(LOGS, np.where(mask, DEPTHS, 0), param_str=param_str)
        np.testing.assert_array_equal(layer.forward(), other.forward())
        np.testing.assert_array_equal(layer.backward([3.7])[:2], other.backward([3.7])[:2])


def test_an_infinite_depth_is_not_valid():
    depths = DEPTHS.copy()
    depths[0, 0, 0] = np.inf
    layer, other = run(LOGS, depths), run(LOGS, np.where(np.isinf(depths), 0, depths))
    np.testing.assert_array_equal(layer.forward(), other.forward())
    for got, expected in zip(layer.backward([3.7]), other.backward([3.7])):
        np.testing.assert_array_equal(got, expected)


def test_refused():
    with pytest.raises(ValueError, match=r"^ScaleInvariantLogLoss: max_depth 1.0 must be above min_depth 2.0"):
        run(LOGS, DEPTHS, param_str='{"min_depth": 2, "max_depth": 1}')
    with pytest.raises(ValueError, match=r"bottom\[2\] \(mask\) must have the shape of bottom\[0\] \(predictions\)"):
        run(LOGS, DEPTHS, np.ones((4, 6, 7)))
