"""Normalizers: against PyTorch, in place, and what they refuse."""

import numpy as np
import pytest

from caffe_pylayers import normalization
from caffe_pylayers._layer import arrays, blocks
from caffe_pylayers._layer.functions import fused
from caffe_pylayers.testing import LayerRun

rng = np.random.RandomState(3)
X = rng.standard_normal((4, 6, 5, 3)) * 3 + 2
D_Y = rng.standard_normal(X.shape)


def run(name, x, param_str="", **options):
    return LayerRun(getattr(normalization, name), [x], param_str=param_str, **options)


def learned(layer, seed=0):
    values = np.random.RandomState(seed)
    for i in range(len(layer.layer.blobs)):
        blob = layer.layer.blobs[i]
        blob.data[...] = arrays.from_numpy(values.standard_normal(blob.data.shape), blob.data)
        blob.diff[...] = 0
    return [layer.layer.blobs[i] for i in range(len(layer.layer.blobs))]


THEIRS = {
    "GroupNorm": ('{"groups": 3, "eps": 0.01}', lambda f, x, w, b: f.group_norm(x, 3, w, b, 0.01)),
    "InstanceNorm": ("", lambda f, x, w, b: f.instance_norm(x, weight=w, bias=b)),
    "LayerNorm": ("", lambda f, x, w, b: f.layer_norm(x, x.shape[1:], w, b)),
    "LayerNorm last": ('{"axis": -1}', lambda f, x, w, b: f.layer_norm(x, x.shape[3:], w, b)),
}


@pytest.mark.parametrize("way", ["kernel", "formula", "formula 40", "formula 1", "numpy"])
@pytest.mark.parametrize("name", THEIRS)
def test_as_pytorch(name, way, monkeypatch):
    torch = pytest.importorskip("torch")
    if way.startswith("formula"):
        monkeypatch.setattr(fused, "has_norms", lambda xp: False)
        monkeypatch.setattr(blocks, "_MOST", int(way.split()[1]) if " " in way else 1 << 16)
    param_str, function = THEIRS[name]
    kind, back = (np.asarray, np.asarray) if way == "numpy" else (torch.tensor, torch.Tensor.numpy)
    ours = run(name.split()[0], kind(X), param_str)
    scale, shift = learned(ours)
    x, w, b = (torch.tensor(np.array(a), requires_grad=True) for a in (X, back(scale.data), back(shift.data)))
    y = function(torch.nn.functional, x, w, b)
    y.backward(torch.tensor(D_Y))
    np.testing.assert_allclose(back(ours.forward()[0]), y.detach().numpy(), rtol=1e-12, atol=1e-13)
    found = [ours.backward([kind(D_Y)])[0], scale.diff, shift.diff]
    for mine, theirs in zip(found, (x, w, b)):
        np.testing.assert_allclose(back(mine), theirs.grad.numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["GroupNorm", "InstanceNorm", "LayerNorm"])
def test_in_place(name):
    param_str = '{"groups": 2}' if name == "GroupNorm" else ""
    apart, inside = run(name, X, param_str), run(name, X, param_str)
    blobs = learned(apart), learned(inside)
    y, d_x = apart.forward()[0], apart.backward([D_Y])[0]
    (bottom, _), layer = inside._seen, inside.layer
    layer.reshape(bottom, bottom)
    layer.forward(bottom, bottom)
    np.testing.assert_array_equal(bottom[0].data, y)
    bottom[0].diff[...] = D_Y
    layer.backward(bottom, [True], bottom)
    np.testing.assert_array_equal(bottom[0].diff, d_x)
    for one, two in zip(*blobs):
        np.testing.assert_array_equal(one.diff, two.diff)


def test_a_large_mean_costs_no_digits():
    """The variance by the mean of squares would be 0 or negative here, in float32."""
    small = rng.standard_normal((2, 4, 50)).astype(np.float32)
    large = run("GroupNorm", small + 8192, '{"groups": 2}', dtype=np.float32).forward()[0]
    exact = run("GroupNorm", (small + np.float32(8192)).astype(float) - 8192, '{"groups": 2}').forward()[0]
    np.testing.assert_allclose(large, exact, atol=2e-3)


@pytest.mark.parametrize(
    ("name", "shape", "param_str", "message"),
    [
        ("GroupNorm", (2, 6, 3), "", r"bottom\[0\] of shape \(2, 6, 3\) has 6 channels, not a multiple of 32"),
        ("InstanceNorm", (6,), "", r"bottom\[0\] must have the shape \(N, C, ...\), got \(6,\)"),
        ("LayerNorm", (6,), "", r"axis 1 is outside bottom\[0\] of shape \(6,\), which has 1 axes"),
    ],
)
def test_refused(name, shape, param_str, message):
    with pytest.raises(ValueError, match=rf"^{name}: .*{message}"):
        run(name, np.zeros(shape), param_str)


def test_sizes_other_than_learned():
    layer = run("LayerNorm", np.zeros((2, 3)))
    layer.bottom[0].reshape(2, 4)
    with pytest.raises(ValueError, match=r"^LayerNorm: .* needs a scale of shape \(4,\), but .* made with \(3,\)"):
        layer.forward()
