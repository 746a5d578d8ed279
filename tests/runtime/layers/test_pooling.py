"""Pooling and SPP: their refusals, stochastic pooling, and windows outside the map."""

import numpy as np
import pytest

from caffe_pylayers.runtime import rng
from caffe_pylayers.runtime.layers import _pool
from caffe_pylayers.runtime.layers.layer import LayerError
from tests.runtime.layers.one_layer import TEST, TRAIN, one_layer

MAP = (2, 3, 6, 6)


def pooling(param, *shape, **facts):
    return one_layer("Pooling", f"pooling_param {{ {param} }}", shape or MAP, **facts)


@pytest.mark.parametrize(
    ("param", "shape", "message"),
    [
        ("", MAP, "the window is kernel_size, or both kernel_h and kernel_w"),
        ("kernel_h: 2", MAP, "the window is kernel_size, or both kernel_h and kernel_w"),
        ("kernel_size: 2 kernel_h: 2 kernel_w: 2", MAP, "the window is kernel_size, or both kernel_h and kernel_w"),
        ("kernel_size: 0", MAP, r"the window must be positive, got \(0, 0\)"),
        ("kernel_size: 2 pad_h: 1", MAP, "pad is given once, or as both pad_h and pad_w"),
        ("kernel_size: 2 pad: 1 pad_h: 1 pad_w: 1", MAP, "pad is given once, or as both pad_h and pad_w"),
        ("kernel_size: 2 stride: 1 stride_w: 1", MAP, "stride is given once, or as both stride_h and stride_w"),
        ("kernel_size: 2 stride: 0", MAP, r"the stride must be positive, got \(0, 0\)"),
        ("kernel_size: 2 pad: 2", MAP, r"the pad must be less than the window \(2, 2\), got \(2, 2\)"),
        ("kernel_size: 2 pad: 1 pool: STOCHASTIC", MAP, r"only MAX and AVE take a pad, got \(1, 1\)"),
        ("global_pooling: true kernel_size: 2", MAP, "with global_pooling the map is the window: drop kernel_size"),
        ("global_pooling: true pad: 1", MAP, r"with global_pooling pad is 0 and stride 1, got \(1, 1\) and \(1, 1\)"),
        ("kernel_size: 2", (2, 3, 6), r"bottom\[0\] must have shape \(N, C, H, W\), got \(2, 3, 6\)"),
        ("kernel_size: 7", MAP, r"the window \(7, 7\) gives bottom\[0\] of shape .* a top of sizes \(0, 0\)"),
        ("kernel_size: 7 round_mode: FLOOR stride: 2", MAP, "the window .* a top of sizes .*"),
    ],
)
def test_refused(param, shape, message):
    with pytest.raises(LayerError, match=f'^layer "l" \\(Pooling\\): {message}$'):
        pooling(param, *shape)


def test_a_mask_is_of_maxima():
    with pytest.raises(LayerError, match="only MAX has a second top, the mask"):
        pooling("kernel_size: 2 pool: AVE", tops=2)


@pytest.mark.parametrize(
    ("param", "shape", "message"),
    [
        ("", MAP, "pyramid_height must be positive"),
        ("pyramid_height: 2", (2, 3, 6), r"bottom\[0\] must have shape \(N, C, H, W\), got \(2, 3, 6\)"),
        ("pyramid_height: 3", (2, 3, 3, 9), ".* is too small for 4 x 4 bins: lower pyramid_height"),
        ("pyramid_height: 2 pool: STOCHASTIC", (2, 3, 5, 4), "STOCHASTIC needs a map of a multiple of 2, .*"),
    ],
)
def test_spp_refuses(param, shape, message):
    with pytest.raises(LayerError, match=message):
        one_layer("SPP", f"spp_param {{ {param} }}", shape)


@pytest.mark.parametrize("shape", [(3, 2, 6, 4), (2, 1, 2, 2), (1, 3, 4, 8), (2, 2, 5, 4), (2, 2, 4, 5)])
def test_maxima_are_the_same_with_and_without_their_places(monkeypatch, shape):
    """NaN and infinities among the values, equal ones, more images than are pooled at a time."""
    monkeypatch.setattr(_pool, "MOST_INDICES", 8)
    values = np.random.RandomState(0).randint(-3, 3, shape).astype(np.float32)
    values[0, 0, 0], values[-1, -1, -1, 1], values[0, -1, 1, 1] = -np.inf, np.nan, np.inf
    tops, diffs = [], []
    for phase in (TRAIN, TEST):
        layer, (x,), (y,) = pooling("kernel_size: 2 stride: 2", *shape, phase=phase)
        x.data[...] = values
        layer.forward([x], [y])
        y.diff[...] = 1 + np.arange(y.count).reshape(y.shape)
        layer.backward([y], [True], [x])
        tops.append(y.data.copy())
        diffs.append(x.diff.copy())
    assert np.isnan(tops[0]).any()
    np.testing.assert_array_equal(*tops)
    np.testing.assert_array_equal(*diffs)


@pytest.mark.parametrize("pool", ["MAX", "AVE"])
def test_a_window_outside_passes_no_gradient_on(pool):
    layer, bottom, top = pooling(f"pool: {pool} kernel_size: 1 stride: 2", 1, 2, 4, 4)
    bottom[0].data[...] = np.arange(32).reshape(1, 2, 4, 4)
    layer.forward(bottom, top)
    outside = np.zeros((3, 3), bool)
    outside[2] = outside[:, 2] = True
    wanted = np.finfo(np.float32).min if pool == "MAX" else np.nan
    np.testing.assert_array_equal(top[0].data[..., outside], wanted)
    top[0].diff[...] = 1
    layer.backward(top, [True], bottom)
    wanted = np.zeros((4, 4))
    wanted[::2, ::2] = 1
    np.testing.assert_array_equal(bottom[0].diff, np.broadcast_to(wanted, (1, 2, 4, 4)))


def test_stochastic_draws_in_proportion():
    rng.seed(1701)
    layer, bottom, top = pooling("pool: STOCHASTIC kernel_size: 2 stride: 2", 500, 1, 6, 6)
    bottom[0].data[...] = np.tile([[0, 1], [2, 3]], (3, 3))
    layer.forward(bottom, top)
    shares = [(top[0].data == value).mean() for value in range(4)]
    np.testing.assert_allclose(shares, [0, 1 / 6, 1 / 3, 1 / 2], atol=0.03)
    top[0].diff[...] = np.random.RandomState(0).standard_normal(top[0].shape)
    layer.backward(top, [True], bottom)
    windows = bottom[0].diff.reshape(500, 3, 2, 3, 2)
    np.testing.assert_allclose(windows.sum(axis=(2, 4)), top[0].diff[:, 0], rtol=1e-6)
    chosen = (windows != 0).transpose(0, 1, 3, 2, 4).reshape(-1, 4)
    assert (chosen.sum(axis=1) == 1).all()
    assert (chosen.argmax(axis=1) == top[0].data.ravel()).all()


def test_stochastic_tests_with_the_weighted_mean():
    layer, bottom, top = pooling("pool: STOCHASTIC kernel_size: 2 stride: 2", 1, 1, 3, 4, phase=TEST)
    bottom[0].data[...] = np.array([[0, 1, 0, 0], [2, 3, 0, 0], [1, 3, 0, 5]])
    layer.forward(bottom, top)
    np.testing.assert_allclose(top[0].data[0, 0], [[14 / 6, 0], [10 / 4, 5]])
    with pytest.raises(LayerError, match="STOCHASTIC has a gradient in the TRAIN phase only"):
        layer.backward(top, [True], bottom)


def test_stochastic_of_ceil_windows_stays_inside():
    layer, bottom, top = pooling("pool: STOCHASTIC kernel_size: 3 stride: 2", 2, 2, 6, 8)
    bottom[0].data[...] = 1 + np.abs(np.random.RandomState(0).standard_normal((2, 2, 6, 8)))
    layer.forward(bottom, top)
    assert (top[0].data >= 1).all()
    top[0].diff[...] = 1
    layer.backward(top, [True], bottom)
    assert bottom[0].diff.sum() == top[0].data.size


@pytest.mark.parametrize("pool", ["MAX", "AVE"])
@pytest.mark.parametrize("window", ["kernel_size: 2 stride: 2147483647", "kernel_size: 2147483646 stride: 2147483647"])
def test_windows_far_larger_than_the_map(pool, window):
    """As small a padded copy as the window sees is made, not one as large as the window."""
    layer, (x,), (y,) = one_layer("Pooling", f"pooling_param {{ pool: {pool} {window} }}", (1, 1, 2, 2))
    x.data[0, 0] = [[1, 2], [3, 6]]
    layer.forward([x], [y])
    assert y.shape == (1, 1, 1, 1)
    layer.backward([y], [True], [x])


def test_a_stride_that_leads_out_of_the_map():
    layer, (x,), (y,) = one_layer("Pooling", "pooling_param { kernel_size: 2 stride: 1000000 }", (1, 1, 3, 3))
    x.data[0, 0] = np.arange(9).reshape(3, 3)
    layer.forward([x], [y])
    lowest = np.finfo(np.float32).min
    np.testing.assert_array_equal(y.data[0, 0], [[4, lowest], [lowest, lowest]])
    y.diff[...] = 1
    layer.backward([y], [True], [x])
    np.testing.assert_array_equal(x.diff[0, 0], [[0, 0, 0], [0, 1, 0], [0, 0, 0]])


@pytest.mark.parametrize("param", ["kernel_size: 3 stride: 2", "kernel_size: 2 stride: 3", "kernel_size: 3 pad: 2"])
@pytest.mark.parametrize("phase", [TRAIN, TEST])
def test_images_in_parts(monkeypatch, param, phase):
    """The indices of the maxima, too many to have at once, are made for some images after the others."""
    found = []
    for most in (1 << 19, 100):
        monkeypatch.setattr(_pool, "MOST_INDICES", most)
        layer, bottom, top = pooling(param, 5, 4, 6, 6, phase=phase, tops=2)
        bottom[0].data[...] = np.random.RandomState(0).randint(0, 4, (5, 4, 6, 6))
        layer.forward(bottom, top)
        top[0].diff[...] = np.random.RandomState(1).standard_normal(top[0].shape)
        layer.backward(top, [True], bottom)
        found.append([top[0].data.copy(), top[1].data.copy(), bottom[0].diff.copy()])
    for whole, parts in zip(*found):
        np.testing.assert_array_equal(parts, whole)
