"""The layers that change a gradient: against torch's clipping, and the schedule's values."""

import numpy as np
import pytest

from caffe_pylayers.gradients import GradientClip, GradientReversal, GradientScale, StopGradient, reversal_scale
from caffe_pylayers.testing import LayerRun

rng = np.random.RandomState(0)
X, D = rng.standard_normal((2, 6, 3, 4))


def backward(layer, param_str, times=1, phase=0):
    run = LayerRun(layer, [X], param_str=param_str, phase=phase)
    for _ in range(times):
        np.testing.assert_array_equal(run.forward()[0], X)
    return run.backward([D])[0]


@pytest.mark.parametrize("norm", [0.5, 1e6])
@pytest.mark.parametrize("value", [None, 0.3])
def test_clipping(norm, value):
    torch = pytest.importorskip("torch")
    weight = torch.zeros(X.shape, dtype=torch.float64, requires_grad=True)
    weight.grad = torch.from_numpy(D.copy())
    if value is not None:
        torch.nn.utils.clip_grad_value_([weight], value)
    torch.nn.utils.clip_grad_norm_([weight], norm)
    given = f"norm: {norm}" + ("" if value is None else f"\nvalue: {value}")
    np.testing.assert_allclose(backward(GradientClip, given), weight.grad.numpy(), rtol=1e-5)


def test_clipping_of_each_sample():
    found = backward(GradientClip, "{norm: 3, per_sample: true}")
    for ours, d in zip(found, D):
        np.testing.assert_allclose(ours, d * min(3 / np.linalg.norm(d), 1))


def test_scale_and_stop():
    np.testing.assert_allclose(backward(GradientScale, "scale: -0.25"), -0.25 * D)
    np.testing.assert_array_equal(backward(StopGradient, ""), np.zeros_like(D))


@pytest.mark.parametrize(("times", "progress"), [(1, 0), (2, 0.25), (4, 0.75), (5, 1), (9, 1)])
def test_schedule(times, progress):
    scale = 0.1 + 0.8 * (2 / (1 + np.exp(-10 * progress)) - 1)
    found = backward(GradientReversal, "{lower_bound: 0.1, upper_bound: 0.9, max_iter: 4}", times)
    np.testing.assert_allclose(found, -scale * D)
    later = backward(GradientReversal, f"{{lower_bound: 0.1, upper_bound: 0.9, max_iter: 4, start_iter: {times - 1}}}")
    np.testing.assert_allclose(later, found)


def test_a_test_is_no_iteration():
    found = backward(GradientReversal, "{max_iter: 4, start_iter: 2}", times=5, phase=1)
    np.testing.assert_allclose(found, -reversal_scale(0.5) * D)


def test_without_a_schedule():
    np.testing.assert_allclose(backward(GradientReversal, "upper_bound: 0.5"), -0.5 * D)


@pytest.mark.parametrize(
    ("layer", "bottom", "param_str", "message"),
    [
        (GradientClip, X, "", "needs the parameter value or norm"),
        (GradientClip, np.float64(1), "{norm: 1, per_sample: true}", "per_sample needs a bottom"),
        (GradientReversal, X, "lower_bound: 2", "lower_bound 2.0 is above upper_bound 1.0"),
        (GradientScale, X, "", "parameter scale is required in param_str"),
    ],
)
def test_refused(layer, bottom, param_str, message):
    with pytest.raises(ValueError, match=f"^{layer.__name__}: {message}"):
        LayerRun(layer, [bottom], param_str=param_str)
