"""Losses of differences, regression's and robust's: against PyTorch and scikit-learn, and what they refuse."""

import math
import tracemalloc

import numpy as np
import pytest

from caffe_pylayers import regression, robust
from caffe_pylayers._layer import blocks
from caffe_pylayers.pyloss import EuclideanLossLayer
from caffe_pylayers.testing import LayerRun

rng = np.random.RandomState(3)
P, T = rng.standard_normal((2, 4, 3, 5, 2)) * 4
W = rng.rand(4, 1, 5, 2)


def run(name, bottoms, param_str="", **options):
    module = regression if hasattr(regression, name) else robust
    return LayerRun(getattr(module, name), bottoms, param_str=param_str, **options)


def theirs(torch, name):
    """The same function of PyTorch, value by value; a formula in its arithmetic where it has none."""
    f = torch.nn.functional
    return {
        "L1Loss": ("", lambda p, t: f.l1_loss(p, t, reduction="none")),
        "L2Loss": ("", lambda p, t: f.mse_loss(p, t, reduction="none") / 2),
        "SmoothL1Loss": ('"sigma": 3', lambda p, t: f.smooth_l1_loss(p, t, reduction="none", beta=1 / 9)),
        "HuberLoss": ('"delta": 1.7', lambda p, t: f.huber_loss(p, t, reduction="none", delta=1.7)),
        "CharbonnierLoss": (
            '"epsilon": 0.3, "alpha": 0.45',
            lambda p, t: ((p - t) ** 2 + 0.09) ** 0.45,
        ),
        "LogCoshLoss": ("", lambda p, t: torch.log(torch.cosh(p - t))),
        "WingLoss": (
            '"w": 3, "epsilon": 0.5',
            lambda p, t: torch.where(
                abs(p - t) < 3, 3 * torch.log(1 + abs(p - t) / 0.5), abs(p - t) - 3 + 3 * np.log(7)
            ),
        ),
        "QuantileLoss": ('"quantiles": [0.3]', lambda p, t: torch.maximum(0.3 * (t - p), 0.7 * (p - t))),
    }[name]


NAMES = ["L1Loss", "L2Loss", "SmoothL1Loss", "HuberLoss", "CharbonnierLoss", "LogCoshLoss", "WingLoss", "QuantileLoss"]


@pytest.mark.parametrize("normalization", ["batch", "full", "valid", "none"])
@pytest.mark.parametrize("name", NAMES)
def test_as_pytorch(name, normalization):
    torch = pytest.importorskip("torch")
    parameters, penalty = theirs(torch, name)
    kept = T.copy()
    kept[T > 4] = 5
    weights = np.where(W < 0.3, 0, W)
    bottoms = [P, kept, weights] if name != "SmoothL1Loss" else [P, kept, np.ones(4), weights]
    options = f'"normalization": "{normalization}", "ignore_value": 5'
    layer = run(name, bottoms, "{" + options + (f", {parameters}" if parameters else "") + "}")
    p, t, w = (torch.tensor(x, requires_grad=True) for x in (P, kept, weights))
    counts = (t.detach() != 5) & (w.detach() != 0)
    z = {"batch": 4, "full": P.size, "valid": int(counts.sum()), "none": 1}[normalization]
    loss = (penalty(p, t) * w * (t.detach() != 5)).sum() / z
    loss.backward(torch.tensor(3.7, dtype=torch.float64))
    np.testing.assert_allclose(layer.forward()[0], [loss.item()], rtol=1e-12)
    found = layer.backward([3.7])
    for ours, other in zip([found[0], found[1], found[-1]], (p, t, w)):
        np.testing.assert_allclose(ours, other.grad.numpy(), rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("name", NAMES)
def test_large_blobs_are_as_small_ones(name, monkeypatch):
    bottoms = [P, T, W] if name != "SmoothL1Loss" else [P, T, W, W[:, :, :1]]
    whole = run(name, bottoms)
    expected = [*whole.forward(), *whole.backward([3.7])]
    for most in (1, 2, 7, 11, 30):
        monkeypatch.setattr(blocks, "_MOST", most)
        cut = run(name, bottoms)
        for ours, other in zip([*cut.forward(), *cut.backward([3.7])], expected):
            np.testing.assert_allclose(ours, other, rtol=1e-12)


@pytest.mark.parametrize("name", ["L1Loss", "HuberLoss"])
def test_no_buffer_of_the_blobs_size(name):
    layer = run(name, [*np.ones((2, 512, 4000)), np.ones(512)], dtype=np.float32)
    layer.forward(), layer.backward([1])
    bottom, top = layer.bottom, layer.top
    tracemalloc.start()
    try:
        layer.layer.forward(bottom, top)
        layer.layer.backward(top, [True, True, True], bottom)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < bottom[0].data.nbytes / 4


@pytest.mark.parametrize("name", NAMES)
def test_missing_targets(name):
    holes = T.copy()
    holes[1, 2], holes[3] = np.nan, np.nan
    layer = run(name, [P, holes], '{"ignore_nan": true, "normalization": "valid"}')
    rest = ~np.isnan(holes)
    packed = run(name, [P[rest], T[rest]], '{"normalization": "full"}')
    np.testing.assert_allclose(layer.forward(), packed.forward(), rtol=1e-12)
    expected = np.zeros_like(P)
    expected[rest] = packed.backward([3.7])[0]
    np.testing.assert_allclose(layer.backward([3.7])[0], expected, rtol=1e-12)
    assert np.isnan(run(name, [P, holes]).forward()[0]).all()


def test_faster_rcnn_example():
    """By hand: w_in 1 1 0, w_out 0.5, sigma 3; 0.5 (0.5 - 1 / 18) + 0.5 (2 - 1 / 18)."""
    layer = run("SmoothL1Loss", [[[0.5, -2, 3]], [[0, 0, 0]], [[1, 1, 0]], [[0.5] * 3]], '{"sigma": 3}')
    np.testing.assert_allclose(layer.forward(), [[1.19444444]])
    np.testing.assert_allclose(layer.backward([2])[0], [[1, -1, 0]])


def test_smooth_l1_losses_of_rfcn():
    text = '{"normalization": "pre_fixed", "pre_fixed_normalizer": 128}'
    loss, each = run("SmoothL1Loss", [[[0.5, -2, 3]], [[0, 0, 0]]], text, tops=2).forward()
    assert (loss.item(), each.tolist()) == (4.125 / 128, [[[[4.125]]]])
    made = run("SmoothL1Loss", [P, T, W], '{"normalization": "places"}', tops=2)
    loss, each = made.forward()
    assert each.shape == (4, 1, 5, 2)
    assert each.sum() / 40 == pytest.approx(loss.item())
    d_each = rng.standard_normal(each.shape)  # a gradient that comes to the losses goes on
    expected = d_each * W * np.clip(W * (P - T), -1, 1)
    np.testing.assert_allclose(made.backward([0.0, d_each])[0], expected, atol=1e-12)
    made, within = run("SmoothL1Loss", [P, T, W, W], tops=2), W * (P - T)
    terms = W * np.where(np.abs(within) < 1, within**2 / 2, np.abs(within) - 0.5)
    np.testing.assert_allclose(made.forward()[1], terms.sum(1, keepdims=True), rtol=1e-12)
    np.testing.assert_allclose(made.backward([0.0, d_each])[0], W * expected, atol=1e-12)


def test_quantiles_as_scikit_learn():
    mean_pinball_loss = pytest.importorskip("sklearn.metrics").mean_pinball_loss
    quantiles = (0.05, 0.5, 0.8)
    layer = run("QuantileLoss", [P, T[:, 0]], '{"quantiles": [0.05, 0.5, 0.8], "normalization": "full"}')
    expected = [mean_pinball_loss(T[:, 0].ravel(), P[:, i].ravel(), alpha=q) for i, q in enumerate(quantiles)]
    np.testing.assert_allclose(layer.forward(), [[np.mean(expected)]])


def test_squares_as_the_euclidean_loss():
    ours, euclidean = run("L2Loss", [P, T, W]), LayerRun(EuclideanLossLayer, [P, T, W])
    np.testing.assert_allclose(ours.forward(), euclidean.forward(), rtol=1e-12)
    for found, expected in zip(ours.backward([3.7]), euclidean.backward([3.7])):
        np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("q", [0.2, 0.5, 0.9])
def test_the_best_constant_is_the_quantile(q):
    values = rng.standard_normal(1001)
    best = np.full(1001, np.quantile(values, q))
    layer = run("QuantileLoss", [best, values], f'{{"quantiles": [{q}]}}')
    layer.forward()
    assert abs(layer.backward([1])[0].sum()) < 1 / 1001


@pytest.mark.parametrize("difference", [1e-9, 1e-3, 0.1, 0.99, 1.0, 30.0, 3e4])
@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-14), (np.float32, 1e-6)])
def test_log_cosh_keeps_its_digits(difference, dtype, rtol):
    d = float(dtype(difference))
    expected = math.log1p(2 * math.sinh(d / 2) ** 2) if d < 100 else d - math.log(2)
    np.testing.assert_allclose(run("LogCoshLoss", [[d], [0]], dtype=dtype).forward()[0], [expected], rtol=rtol)


@pytest.mark.parametrize(
    ("name", "shapes", "param_str", "message"),
    [
        ("L1Loss", [(4, 3), (4, 2)], "", r"bottom\[1\] \(targets\) must have .* of shape \(4, 3\), got \(4, 2\)"),
        ("WingLoss", [(4, 3), (4, 3), (3,)], "", r"bottom\[2\] \(weights\) must have the shape of bottom\[0\]"),
        ("SmoothL1Loss", [(4, 3), (4, 3), (3,)], "", r"bottom\[2\] \(inside_weights\) must have the shape"),
        ("SmoothL1Loss", [(4, 3), (4, 3), (4,), (2, 3)], "", r"bottom\[3\] \(outside_weights\) must have the shape"),
        ("SmoothL1Loss", [(2, 2)], "", r"needs 2 to 4 bottoms \(predictions, targets, \[inside_weights\], \[outside"),
        ("QuantileLoss", [(4, 3), (4,)], '{"quantiles": [0.1, 0.2]}', r"must have 2 values on axis 1, one for each"),
        (
            "QuantileLoss",
            [(4, 2), (4, 2)],
            '{"quantiles": [0.1, 0.2]}',
            r"bottom\[1\] \(targets\) must have shape \(4,",
        ),
        ("QuantileLoss", [(4,), (4,)], '{"quantiles": [0.1, 0.2]}', r"axis 1 is outside bottom\[0\] \(predictions\)"),
        ("QuantileLoss", [(4,), (4,)], '{"quantiles": [0.1, 1]}', r"quantiles\[1\] must be a number > 0 and < 1"),
        ("QuantileLoss", [(4,), (4,)], '{"quantiles": []}', r"quantiles must be a list of 1 or more numbers > 0"),
    ],
)
def test_refused(name, shapes, param_str, message):
    with pytest.raises(ValueError, match=rf"^{name}: .*{message}"):
        run(name, list(map(np.zeros, shapes)), param_str)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("l1", []),
        ("smooth_l1", [3.0]),
        ("smooth_l1", [1e-18]),
        ("smooth_l1", [1e18]),
        ("huber", [0.7]),
        ("huber", [1e18]),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kernels_are_the_formulas(name, options, dtype):
    torch = pytest.importorskip("torch")
    p, t = P.astype(dtype), T.astype(dtype)
    p[0], p[1, 0, 0, 0], d_terms = t[0], np.nan, W.astype(dtype)
    tensors = [torch.tensor(x) for x in (p, t, d_terms)]
    for which, count in (("forward", 2), ("backward", 3)):
        function = getattr(regression, f"{name}_{which}")
        formula = function.__wrapped__(np, *[p, t, d_terms][:count], *options)
        kernel = function(torch, *tensors[:count], *options)
        np.testing.assert_allclose(kernel.numpy(), formula, rtol=2e-6 if dtype == np.float32 else 1e-12)
