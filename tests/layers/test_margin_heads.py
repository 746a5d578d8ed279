"""Margin heads: against PyTorch in float64, SphereFace's own numbers, at angles of 0 and 180 degrees, in training."""

import math

import numpy as np
import pytest

from caffe_pylayers import _engine
from caffe_pylayers.margin_heads import (
    ArcFace,
    CosFace,
    MarginInnerProduct,
    angle_margin_backward,
    angle_margin_forward,
)
from caffe_pylayers.testing import LayerRun

rng = np.random.RandomState(5)
X = rng.standard_normal((9, 4))
LABELS = np.array([0, 1, 0, 3, 1, 1, 2, 3, 4])
C = 5


def run_of(layer, bottoms=(X, LABELS), dtype=np.float64, tops=1, **options):
    return LayerRun(layer, bottoms, param_str=repr({"num_classes": C, **options}), dtype=dtype, tops=tops)


def check(run, formula):
    """Scores and gradients against a formula of cosines, lengths and where the label is."""
    torch = pytest.importorskip("torch")
    x, w = (torch.tensor(v, requires_grad=True) for v in (X, run.layer.blobs[0].data))
    cosines = torch.nn.functional.cosine_similarity(x[:, None], w[None], dim=2)
    one_hot = torch.nn.functional.one_hot(torch.tensor(LABELS), C) == 1
    scores = formula(torch, cosines, x.norm(dim=1, keepdim=True), one_hot)
    d_scores = rng.standard_normal(scores.shape)
    scores.backward(torch.tensor(d_scores))
    np.testing.assert_allclose(run.forward()[0], scores.detach().numpy(), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(run.backward([d_scores])[0], x.grad.numpy(), rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(run.layer.blobs[0].diff, w.grad.numpy(), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(("scale", "margin"), [(64.0, 0.35), (5.0, 0.0)])
def test_cosface(scale, margin):
    check(run_of(CosFace, scale=scale, margin=margin), lambda t, c, r, y: scale * (c - margin * y.double()))


@pytest.mark.parametrize(("scale", "margin"), [(64.0, 0.5), (5.0, 0.0), (5.0, 1.5)])
def test_arcface(scale, margin):
    def formula(torch, cosines, lengths, one_hot):
        theta = torch.acos(cosines)
        beyond = cosines - margin * math.sin(margin)
        turned = torch.where(theta + margin < math.pi, torch.cos(theta + margin), beyond)
        return scale * torch.where(one_hot, turned, cosines)

    check(run_of(ArcFace, scale=scale, margin=margin), formula)


@pytest.mark.parametrize("m", [1, 2, 3, 4])
@pytest.mark.parametrize("lambda_", [0.0, 5.0])
def test_a_softmax(m, lambda_):
    def formula(torch, cosines, lengths, one_hot):
        theta = torch.acos(cosines)
        k = torch.floor(m * theta.detach() / math.pi)
        psi = (1 - 2 * (k % 2)) * torch.cos(m * theta) - 2 * k
        return lengths * torch.where(one_hot, (psi + lambda_ * cosines) / (1 + lambda_), cosines)

    check(run_of(MarginInnerProduct, margin=m, base=lambda_), formula)


@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_psi_falls_without_a_jump(m):
    cosines = np.cos(np.linspace(0, np.pi, 4001))
    psi, slopes = angle_margin_forward(cosines, m), angle_margin_backward(cosines, 1, m)
    np.testing.assert_allclose(psi[[0, -1]], [1, 1 - 2 * m])
    assert (np.diff(psi) <= 1e-12).all()
    assert np.abs(np.diff(psi)).max() < 0.01
    assert np.isfinite(slopes).all()


@pytest.mark.parametrize("legacy", [False, True])
def test_spherefaces_numbers(legacy):
    """x = (3, 4), w = (2, 0) and (0, 5), label 0, QUADRUPLE, lambda 5: psi = -1.1568, the label's score 1.536."""
    options = {"num_classes": 2, "margin": 4, "base": 5, "legacy_version": legacy}
    run = LayerRun(MarginInnerProduct, [[[3.0, 4.0]], [0]], param_str=repr(options), tops=2)
    run.layer.blobs[0].data[...] = [[2, 0], [0, 5]]
    scores, lambda_ = run.forward()
    np.testing.assert_allclose(scores, [[1.536, 4]], rtol=1e-12)
    np.testing.assert_array_equal(lambda_, [5])
    np.testing.assert_array_equal(run.layer.blobs[0].data, np.eye(2) if legacy else [[2, 0], [0, 5]])
    if legacy:
        run.backward([[[2.0, 3.0]], [0]])
        np.testing.assert_allclose(run.layer.blobs[0].diff, [[6, 8], [9, 12]])


def test_lambda_falls():
    options = {"base": 1000.0, "gamma": 0.12, "lambda_min": 5.0, "power": 1.0}
    run = run_of(MarginInnerProduct, tops=2, **options)
    found = [run.forward()[1][0] for _ in range(3)]
    np.testing.assert_allclose(found, [1000 / (1 + 0.12 * t) for t in (1, 2, 3)])
    late = run_of(MarginInnerProduct, tops=2, start_iter=10**6, **options)
    assert late.forward()[1][0] == 5


def test_lambda_of_any_parameters():
    for options in ({"base": 1e18}, {"gamma": 1e18, "power": 1e18}, {"lambda_min": 1e18, "power": 0}):
        run = run_of(MarginInnerProduct, dtype=np.float32, **options)
        assert np.isfinite(run.forward()[0]).all()
        assert np.isfinite(run.backward([1])[0]).all()


HEADS = [CosFace, ArcFace, MarginInnerProduct]


@pytest.mark.parametrize("layer", HEADS)
def test_without_labels_there_is_no_margin(layer):
    bare, labelled = run_of(layer, [X]), run_of(layer)
    scores, with_margin = bare.forward()[0], labelled.forward()[0]
    is_label = np.arange(C) == LABELS[:, None]
    np.testing.assert_array_equal(scores[~is_label], with_margin[~is_label])
    assert (with_margin[is_label] < scores[is_label]).all()
    ignored = run_of(layer, [X, 0 * LABELS + 255], ignore_label=255)
    np.testing.assert_array_equal(ignored.forward()[0], scores)


@pytest.mark.parametrize("layer", HEADS)
@pytest.mark.parametrize("sign", [1, -1])
def test_angles_of_0_and_180_degrees(layer, sign):
    run = run_of(layer, [X, LABELS], dtype=np.float32)
    run.bottom[0].data[...] = sign * run.layer.blobs[0].data[LABELS]
    scores = run.forward()[0][np.arange(9), LABELS]
    scale = np.linalg.norm(run.bottom[0].data, axis=1) if layer is MarginInnerProduct else 64
    expected = {
        (CosFace, 1): 0.65,
        (CosFace, -1): -1.35,
        (ArcFace, 1): math.cos(0.5),
        (ArcFace, -1): -1 - 0.5 * math.sin(0.5),
        (MarginInnerProduct, 1): 1,
        (MarginInnerProduct, -1): (-7 - 1) / 2,
    }[layer, sign]
    np.testing.assert_allclose(scores, scale * expected, rtol=1e-5)
    d_features = run.backward([np.arange(C) == LABELS[:, None]])[0]
    if layer is not MarginInnerProduct:  # the cosine is at its largest or smallest: no direction is better
        np.testing.assert_allclose(d_features, 0 * X, atol=1e-3)
    assert np.isfinite(d_features).all()
    assert np.isfinite(run.layer.blobs[0].diff).all()


@pytest.mark.parametrize("layer", [CosFace, ArcFace])
def test_a_zero_vector_has_no_gradient(layer):
    x = X.copy()
    x[2] = 0
    run = run_of(layer, [x, LABELS])
    run.layer.blobs[0].data[3] = 0
    run.forward()
    d_x, _ = run.backward([rng.standard_normal((9, C))])
    np.testing.assert_array_equal(d_x[2], np.zeros(4))
    np.testing.assert_array_equal(run.layer.blobs[0].diff[3], np.zeros(4))
    assert np.abs(d_x).max() < 1e3


def test_arcface_near_0_degrees_in_float32():
    """An angle of 1e-3 radians, of which the cosine in float32 keeps no digits."""
    run = LayerRun(ArcFace, [[[1.0, 1e-3]], [0]], param_str='{"num_classes": 1, "scale": 1}', dtype=np.float32)
    run.layer.blobs[0].data[...] = [[1, 0]]
    np.testing.assert_allclose(run.forward()[0], [[math.cos(0.501)]], rtol=1e-6)
    np.testing.assert_allclose(run.backward([[[1.0]]])[0][0, 1], -math.sin(0.501), rtol=1e-3)


NET = """
layer { name: "x" type: "Input" top: "x" top: "y" input_param { shape { dim: 9 dim: 4 } shape { dim: 9 } } }
layer {
  name: "scores" type: "Python" bottom: "x" bottom: "y" top: "scores" param { lr_mult: 1 }
  python_param { module: "caffe_pylayers.margin_heads" layer: "%s" param_str: "{'num_classes': 5, 'scale': 16}" }
}
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "scores" bottom: "y" top: "loss" }
"""


@pytest.mark.skipif(not _engine.available(), reason="no caffe here")
@pytest.mark.parametrize("layer", ["CosFace", "ArcFace"])
def test_a_solver_learns_the_classes(tmp_path, layer):
    caffe = _engine.caffe()
    (tmp_path / "net.prototxt").write_text(NET % layer)
    (tmp_path / "solver.prototxt").write_text(f'net: "{tmp_path}/net.prototxt" base_lr: 0.02 lr_policy: "fixed"')
    solver = caffe.SGDSolver(str(tmp_path / "solver.prototxt"))
    vectors = np.eye(5, 4) - 0.5 * (np.arange(5) == 4)[:, None]
    solver.net.blobs["x"].data[...] = vectors[LABELS] + 0.05 * X
    solver.net.blobs["y"].data[...] = LABELS
    solver.step(200)
    assert (solver.net.blobs["scores"].data.argmax(1) == LABELS).all()


def test_refused():
    with pytest.raises(ValueError, match=r"^ArcFace: label 4 at index 8 is outside \[0, 4\)"):
        run_of(ArcFace, num_classes=4).forward()
    with pytest.raises(ValueError, match=r"^CosFace: bottom\[1\] \(labels\) must have shape \(9,\)"):
        run_of(CosFace, [X, LABELS[:4]])
    with pytest.raises(ValueError, match=r"parameter margin must be an integer in \[1, 4\], got 5"):
        run_of(MarginInnerProduct, margin=5)
