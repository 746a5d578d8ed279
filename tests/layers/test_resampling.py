"""Maps resampled beside PyTorch's interpolate with antialias, the loops of flownet2's kernels, and by hand."""

import json
import math

import numpy as np
import pytest

from caffe_pylayers.resampling import Downsample, Resample
from caffe_pylayers.testing import LayerRun

rng = np.random.RandomState(9)


def run(cls, maps, **parameters):
    return LayerRun(cls, [maps], param_str=json.dumps(parameters))


@pytest.mark.parametrize(
    ("mode", "size"),
    [*(("bilinear", size) for size in ((3, 5), (5, 7), (12, 20), (4, 20))), ("bicubic", (3, 5)), ("bicubic", (5, 9))],
)
def test_as_interpolate_with_antialias(size, mode):
    torch = pytest.importorskip("torch")
    maps, d_top = rng.standard_normal((2, 2, 9, 14)), rng.standard_normal((2, 2, *size))
    tensor = torch.tensor(maps, requires_grad=True)
    wanted = torch.nn.functional.interpolate(tensor, size, mode=mode, antialias=True)
    wanted.backward(torch.tensor(d_top))
    layer = run(Resample, maps, size=size, mode=mode)
    np.testing.assert_allclose(layer.forward()[0], wanted.detach(), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(layer.backward([d_top])[0], tensor.grad, rtol=1e-5, atol=1e-5)


def tent(x):
    return max(1 - abs(x), 0)


def cubic(x):
    x = abs(x)
    return x * x * (1.5 * x - 2.5) + 1 if x <= 1 else x * (x * (2.5 - 0.5 * x) - 4) + 2 if x < 2 else 0


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(3, 4), (4, 3), (9, 5), (11, 20)])
def test_as_flownet2_has_it(size, mode, antialias):
    """With the offsets of rows and columns exchanged, and one answer for both to what shrinks."""
    maps = rng.standard_normal((1, 1, 6, 8))
    fy, fx = 6 / size[0], 8 / size[1]
    ay, ax = (1 / fy, 1 / fx) if antialias and max(fx, fy) > 1 else (1, 1)
    kernel, wanted = {"bilinear": tent, "bicubic": cubic, "nearest": None}[mode], np.zeros(size)
    for y, x in np.ndindex(*size):
        at_y, at_x = y * fy + fx / 2 - 0.5, x * fx + fy / 2 - 0.5
        if kernel is None:
            wanted[y, x] = maps[0, 0, min(math.floor(at_y + 0.5), 5), min(math.floor(at_x + 0.5), 7)]
            continue
        weights = np.array([[kernel(ay * (at_y - i)) * kernel(ax * (at_x - j)) for j in range(8)] for i in range(6)])
        wanted[y, x] = (weights * maps[0, 0]).sum() / weights.sum() if weights.sum() else 0
    found = run(Resample, maps, size=size, mode=mode, antialias=antialias, legacy_offsets=True).forward()[0]
    np.testing.assert_allclose(found[0, 0], wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("unknown", [0.0, 0.4])
@pytest.mark.parametrize("size", [(3, 4), (2, 8), (6, 5)])
def test_means_of_what_is_known(size, unknown):
    maps = rng.standard_normal((1, 1, 6, 8))
    maps[rng.rand(*maps.shape) < unknown] = np.nan
    r, s = (max((n - 1) / (m - 1), 1) for n, m in zip((6, 8), size))
    wanted = np.zeros(size)
    for y, x in np.ndindex(*size):
        weights = np.array([[tent((i - y * r) / r) * tent((j - x * s) / s) for j in range(8)] for i in range(6)])
        known = ~np.isnan(maps[0, 0])
        total = weights[known].sum()
        much = total == 0 or weights[~known].sum() / total > 0.5
        wanted[y, x] = np.nan if much else (weights * maps[0, 0])[known].sum() / total
    np.testing.assert_allclose(run(Downsample, maps, size=size).forward()[0][0, 0], wanted, rtol=1e-4, atol=1e-5)


def test_what_is_unknown_gets_no_gradient():
    maps = np.array([[[[1, np.nan, 3, 4, 5, np.nan, np.nan]]]])
    layer = run(Downsample, maps, size=(1, 4))
    assert layer.forward()[0].ravel() == pytest.approx([1, 10 / 3, 14 / 3, np.nan], nan_ok=True)
    (d_maps,) = layer.backward([np.ones((1, 1, 1, 4))])
    assert d_maps.ravel() == pytest.approx([1, 0, 2 / 3, 2 / 3, 2 / 3, 0, 0])


@pytest.mark.parametrize(
    ("cls", "shape", "text", "message"),
    [
        (Resample, (1, 1, 3, 4), "{}", r"needs either bottom\[1\] \(reference\) or the parameter size"),
        (Resample, (3, 4), "{size: [2, 2]}", r"bottom\[0\] \(maps\) must have shape"),
        (Resample, (1, 1, 0, 4), "{size: [2, 2]}", r"bottom\[0\] \(maps\) of \(0, 4\) has nothing to resize"),
        (Downsample, (1, 1, 3, 4), "{size: [4, 4]}", r"makes maps smaller, to 2 or more rows"),
        (Downsample, (1, 1, 3, 4), "{size: [1, 4]}", r"makes maps smaller, to 2 or more rows"),
    ],
)
def test_what_is_refused(cls, shape, text, message):
    with pytest.raises(ValueError, match=f"^{cls.__name__}: {message}"):
        LayerRun(cls, [np.zeros(shape)], param_str=text).forward()
