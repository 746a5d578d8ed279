"""Contrastive losses: against autograd in float64 and Caffe's own layer, and what is refused."""

import numpy as np
import pytest

from caffe_pylayers import _engine
from caffe_pylayers.contrastive import ContrastiveLoss, LabelContrastiveLoss
from caffe_pylayers.testing import LayerRun

rng = np.random.RandomState(1)
A, B = rng.standard_normal((2, 8, 5)) / 2
SAME = np.array([1, 0, 0, 1, 0, 0, 1, 0])
LABELS = np.array([0, 1, 0, 2, 1, 1, 0, 5])
G = 3.7


def torch_terms(torch, a, b, same, margin, legacy):
    squares = ((a - b) ** 2).sum(1)
    apart = (margin - squares).clamp(min=0) if legacy else (margin - squares.sqrt()).clamp(min=0) ** 2
    return torch.where(same, squares, apart) / 2


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("margin", [0.5, 1.0, 3.0])
def test_pairs_against_autograd(legacy, margin):
    torch = pytest.importorskip("torch")
    a, b = (torch.tensor(x, requires_grad=True) for x in (A, B))
    loss = torch_terms(torch, a, b, torch.tensor(SAME) == 1, margin, legacy).mean()
    loss.backward(torch.tensor(G, dtype=torch.float64))
    run = LayerRun(ContrastiveLoss, [A, B, SAME], param_str=repr({"margin": margin, "legacy_version": legacy}))
    np.testing.assert_allclose(run.forward()[0], [loss.item()], rtol=1e-12)
    d_a, d_b, d_y = run.backward([G])
    np.testing.assert_allclose(d_a, a.grad.numpy(), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(d_b, b.grad.numpy(), rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(d_y, 0 * SAME)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("margin", [0.5, 3.0])
@pytest.mark.parametrize(("how", "z"), [("batch", 8), ("full", 28), ("valid", 15), ("none", 1)])
def test_labels_against_autograd(legacy, margin, how, z):
    torch = pytest.importorskip("torch")
    x = torch.tensor(A, requires_grad=True)
    i, j = np.triu_indices(8, 1)
    valid = (LABELS[i] != 0) & (LABELS[j] != 0) if how == "valid" else np.ones(28, bool)
    i, j = i[valid], j[valid]
    z = 10 if how == "valid" else z
    loss = torch_terms(torch, x[i], x[j], torch.tensor(LABELS[i] == LABELS[j]), margin, legacy).sum() / z
    loss.backward(torch.tensor(G, dtype=torch.float64))
    options = {"margin": margin, "legacy_version": legacy, "normalization": how}
    options.update({"ignore_label": 0} if how == "valid" else {})
    run = LayerRun(LabelContrastiveLoss, [A, LABELS], param_str=repr(options))
    np.testing.assert_allclose(run.forward()[0], [loss.item()], rtol=1e-12)
    np.testing.assert_allclose(run.backward([G])[0], x.grad.numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.skipif(not _engine.available(), reason="no caffe here")
def test_is_caffes(tmp_path, legacy):
    caffe = _engine.caffe()
    legacy_text = "true" if legacy else "false"
    layers = [
        f'input: "{name}" input_shape {{ {" ".join(f"dim: {n}" for n in shape)} }}'
        for name, shape in (("a", (8, 5, 1, 1)), ("b", (8, 5, 1, 1)), ("y", (8, 1, 1, 1)))
    ]
    layers.append(
        'force_backward: true layer { type: "ContrastiveLoss" name: "loss" bottom: "a" bottom: "b" bottom: "y" '
        f'top: "loss" contrastive_loss_param {{ margin: 1.5 legacy_version: {legacy_text} }} loss_weight: 3 }}'
    )
    path = tmp_path / "net.prototxt"
    path.write_text("\n".join(layers))
    net = caffe.Net(str(path), caffe.TRAIN)
    for name, data in (("a", A), ("b", B), ("y", SAME)):
        net.blobs[name].data[...] = data.reshape(net.blobs[name].data.shape)
    loss = net.forward()["loss"]
    net.backward()
    options = repr({"margin": 1.5, "legacy_version": legacy})
    run = LayerRun(ContrastiveLoss, [A, B, SAME], param_str=options, dtype=np.float32)
    np.testing.assert_allclose(run.forward()[0], np.ravel(loss), rtol=1e-5)
    for name, gradient in zip("ab", run.backward([3])):  # Caffe's has d + 1e-4 in place of d
        np.testing.assert_allclose(gradient, net.blobs[name].diff.reshape(8, 5), rtol=5e-4, atol=1e-6)


def test_equal_points():
    run = LayerRun(ContrastiveLoss, [A, A, 0 * SAME])
    np.testing.assert_allclose(run.forward()[0], [0.5])
    np.testing.assert_array_equal(run.backward([1])[0], 0 * A)


def test_ignored_pairs():
    some = np.where(np.arange(8) < 3, -1, SAME)
    options = repr({"ignore_label": -1, "normalization": "valid"})
    a = A.copy()
    a[:3] = np.nan
    run = LayerRun(ContrastiveLoss, [a, B, some], param_str=options)
    rest = LayerRun(ContrastiveLoss, [A[3:], B[3:], SAME[3:]])
    np.testing.assert_allclose(run.forward()[0], rest.forward()[0])
    np.testing.assert_allclose(run.backward([G])[0], np.concatenate([0 * A[:3], rest.backward([G])[0]]))


def test_ignored_labels():
    kept = LABELS != 1
    x = A.copy()
    x[~kept] = np.inf
    run = LayerRun(LabelContrastiveLoss, [x, LABELS], param_str='{"ignore_label": 1, "normalization": "valid"}')
    rest = LayerRun(LabelContrastiveLoss, [A[kept], LABELS[kept]])
    np.testing.assert_allclose(run.forward()[0], rest.forward()[0])
    d_x = run.backward([G])[0]
    np.testing.assert_allclose(d_x[kept], rest.backward([G])[0])
    np.testing.assert_array_equal(d_x[~kept], 0 * A[~kept])


def test_refused():
    with pytest.raises(ValueError, match=r"^ContrastiveLoss: label -1 at index 0 is outside \[0, 2\)"):
        LayerRun(ContrastiveLoss, [A, B, SAME - 1 - SAME]).forward()
    with pytest.raises(ValueError, match=r"bottom\[1\] \(b\) must have the shape of bottom\[0\] \(a\) .* got \(8, 4\)"):
        LayerRun(ContrastiveLoss, [A, B[:, :4], SAME])
