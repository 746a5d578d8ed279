"""PSNR, SSIM and SSIMLoss: against SciPy's filters, autograd of a convolution, and what they refuse."""

import numpy as np
import pytest

from caffe_pylayers._layer import blocks
from caffe_pylayers._layer.functions import ssim as functions
from caffe_pylayers.image_quality import PSNR, SSIM, SSIMLoss, gaussian_window
from caffe_pylayers.testing import LayerRun

TEST = 1
rng = np.random.RandomState(3)
X = rng.uniform(0, 255, (3, 2, 20, 17))
Y = np.clip(X + rng.standard_normal(X.shape) * [[[[20]], [[60]]]], 0, 255)


def run(layer, *bottoms, param_str="", phase=TEST):
    return LayerRun(layer, bottoms, param_str=param_str, phase=phase)


def wang(ndimage, x, y, data_range):
    """As scikit-image computes it with gaussian_weights and without use_sample_covariance."""

    def mean(image):
        return ndimage.gaussian_filter(image, 1.5, truncate=3.5)

    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    ssim = (2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    return ssim[5:-5, 5:-5].mean()


@pytest.mark.parametrize("data_range", [255, 300])
def test_ssim_as_scikit_image(data_range):
    ndimage = pytest.importorskip("scipy.ndimage")
    expected = np.mean([wang(ndimage, x, y, data_range) for xs, ys in zip(X, Y) for x, y in zip(xs, ys)])
    param_str = f'{{"data_range": {data_range}}}'
    np.testing.assert_allclose(run(SSIM, X, Y, param_str=param_str).forward(), [[expected]], rtol=1e-12)
    np.testing.assert_allclose(run(SSIMLoss, X, Y, param_str=param_str).forward(), [[1 - expected]], rtol=1e-12)


@pytest.mark.parametrize("levels", [(128, 137), (250, 251), (3, 200)])
def test_flat_images_in_single_precision(levels):
    x, y = (np.full((1, 1, 12, 12), level, np.float32) for level in levels)
    exact, single = (LayerRun(SSIMLoss, [x, y], dtype=dtype) for dtype in (np.float64, np.float32))
    c1 = (0.01 * 255) ** 2
    expected = (levels[0] - levels[1]) ** 2 / (levels[0] ** 2 + levels[1] ** 2 + c1)
    np.testing.assert_allclose(exact.forward(), [[expected]], rtol=1e-10)
    np.testing.assert_allclose(single.forward(), [[expected]], rtol=1e-4, atol=1e-6)
    for found, wanted in zip(single.backward([1]), exact.backward([1])):
        np.testing.assert_allclose(found, wanted, rtol=1e-3)


@pytest.mark.parametrize(("most", "tile"), [(1 << 14, 64), (1, 64), (1 << 14, 3)])
def test_the_gradient_as_pytorch(most, tile, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(blocks, "_MOST", most)
    monkeypatch.setattr(functions, "_TILE", tile)
    x, y = (torch.tensor(a, requires_grad=True) for a in (X, Y))
    line = torch.exp(-((torch.arange(11.0, dtype=torch.float64) - 5) ** 2) / (2 * 1.5**2))
    window = torch.outer(line, line)[None, None] / line.sum() ** 2

    def mean(images):
        return torch.nn.functional.conv2d(images.reshape(-1, 1, *images.shape[2:]), window)

    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    loss = 1 - ((2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))).mean()
    loss.backward(torch.tensor(3.7, dtype=torch.float64))
    ours = run(SSIMLoss, X, Y)
    np.testing.assert_allclose(ours.forward(), [[loss.item()]], rtol=1e-12)
    for found, expected in zip(ours.backward([3.7]), (x, y)):
        np.testing.assert_allclose(found, expected.grad.numpy(), rtol=1e-8, atol=1e-15)


def test_psnr_by_its_formula():
    errors = [np.mean((x - y) ** 2) for x, y in zip(X, Y)]
    expected = np.mean([20 * np.log10(255) - 10 * np.log10(e) for e in errors])
    np.testing.assert_allclose(run(PSNR, X, Y).forward(), [[expected]], rtol=1e-12)
    assert run(PSNR, X, X).forward()[0] == np.inf


def test_only_the_gradient_that_is_asked_for(monkeypatch):
    ours = run(SSIMLoss, X, Y)
    ours.forward()
    both = [d.copy() for d in ours.backward([3.7])]
    maps = []
    spread = functions.blur_backward
    monkeypatch.setattr(functions, "blur_backward", lambda xp, d, window: maps.append(len(d)) or spread(xp, d, window))
    for i in (0, 1):
        found = ours.backward([3.7], [i == 0, i == 1])
        np.testing.assert_allclose(found[i], both[i], rtol=1e-12, atol=1e-18)
        assert np.isnan(found[1 - i]).all()
    assert maps == [3, 3]


@pytest.mark.parametrize("sigma", [1e-18, 1e-3, 1.5, 1e18])
@pytest.mark.parametrize("size", [1, 2, 10, 11])
def test_every_window_has_a_sum_of_1(size, sigma):
    window = gaussian_window(size, sigma)
    np.testing.assert_allclose(sum(window), 1, rtol=1e-12)
    np.testing.assert_allclose(window, window[::-1], rtol=1e-12)


@pytest.mark.parametrize("layer", [PSNR, SSIM])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_is_refused(layer, value):
    held = X.copy()
    held[1, 0, 2, 3] = value
    with pytest.raises(ValueError, match=rf"^{layer.__name__}: bottom\[1\] \(references\) must be finite, got {value}"):
        run(layer, X, held).forward()


@pytest.mark.parametrize("layer", [PSNR, SSIM])
def test_batches_of_a_pass(layer):
    whole = run(layer, X, Y).forward()[0]
    ours = run(layer, X[:2], Y[:2])
    tops = [ours.forward()[0].copy()]
    for blob, images in zip(ours.bottom, (X, Y)):
        blob.reshape(1, *images.shape[1:])
        blob.data[...] = images[2:]
    tops.append(ours.forward()[0].copy())
    np.testing.assert_allclose(np.mean(tops, 0), whole, rtol=1e-12)


def test_equal_images_are_at_a_minimum():
    ours = run(SSIMLoss, X, X)
    np.testing.assert_allclose(ours.forward(), [[0]], atol=1e-12)
    np.testing.assert_allclose(ours.backward([1]), np.zeros((2, *X.shape)), atol=1e-15)


@pytest.mark.parametrize(
    ("layer", "shapes", "message"),
    [
        (PSNR, [(4, 3), (4, 2)], r"bottom\[1\] \(references\) must have the first size and as many values as bottom"),
        (SSIM, [(1, 1, 11, 11), (1, 1, 11, 12)], r"bottom\[1\] \(references\) must have the shape of bottom\[0\]"),
        (SSIMLoss, [(1, 1, 10, 12)] * 2, r"H and W of at least the window, 11, got \(1, 1, 10, 12\)"),
        (SSIMLoss, [(12, 12)] * 2, r"must have the shape \(N, ..., H, W\) .* got \(12, 12\)"),
    ],
)
def test_refused(layer, shapes, message):
    with pytest.raises(ValueError, match=rf"^{layer.__name__}: .*{message}"):
        run(layer, *map(np.zeros, shapes))
