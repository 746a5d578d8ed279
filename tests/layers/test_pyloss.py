"""EuclideanLossLayer: values by hand, and what it refuses."""

import tracemalloc

import numpy as np
import pytest

from caffe_pylayers.pyloss import EuclideanLossLayer
from caffe_pylayers.testing import LayerRun

P = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
T = np.array([[1.0, 0.0], [0.0, 4.0], [5.0, 5.0]])
# p - t = [0 2] [3 0] [0 1]: squares 4 + 9 + 1 = 14


def run(*bottoms, normalization="batch", dtype=np.float64):
    return LayerRun(EuclideanLossLayer, bottoms, param_str=f'{{"normalization": "{normalization}"}}', dtype=dtype)


@pytest.mark.parametrize(("normalization", "z"), [("batch", 3), ("full", 6), ("valid", 6), ("none", 1)])
def test_loss_and_gradients(normalization, z):
    layer = run(P, T, normalization=normalization)
    np.testing.assert_allclose(layer.forward(), [[14 / 2 / z]])
    d_p, d_t = layer.backward([3.7])
    np.testing.assert_allclose(d_p, 3.7 * (P - T) / z)
    np.testing.assert_allclose(d_t, -3.7 * (P - T) / z)


@pytest.mark.parametrize(("normalization", "z"), [("batch", 3), ("full", 6), ("valid", 4), ("none", 1)])
def test_weights(normalization, z):
    weights = np.array([2.0, 0.0, 1.0])
    layer = run(P, T, weights, normalization=normalization)
    np.testing.assert_allclose(layer.forward(), [[(2 * 4 + 1) / 2 / z]])
    d_p, _, d_w = layer.backward([3.7])
    np.testing.assert_allclose(d_p, 3.7 * weights[:, None] * (P - T) / z)
    np.testing.assert_allclose(d_w, 3.7 * np.array([4, 9, 1]) / 2 / z)


def test_no_valid_value_gives_zero_not_nan():
    layer = run(P, T, np.zeros(3), normalization="valid")
    np.testing.assert_array_equal(layer.forward(), [[0]])
    np.testing.assert_array_equal(layer.backward([1])[0], np.zeros_like(P))


def test_normalizer_is_of_the_last_forward():
    layer = run(P, T)
    for blob in layer.bottom:
        blob.reshape(1, 6)
    np.testing.assert_allclose(layer.forward(), [[14 / 2]])
    np.testing.assert_allclose(layer.backward([1])[0], (P - T).reshape(1, 6))


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (
            [(4, 3), (4, 2)],
            r"bottom\[1\] \(targets\) must have the first size and as many values as bottom\[0\] "
            r"\(predictions\) of shape \(4, 3\), got \(4, 2\)",
        ),
        ([(4, 3), (3, 4)], r"got \(3, 4\)"),
        ([(), ()], r"of shape \(\), got \(\)"),
        (
            [(4, 3), (4, 3), (3,)],
            r"bottom\[2\] \(weights\) must have the shape of bottom\[0\] \(predictions\) \(4, 3\), .* got \(3,\)",
        ),
        ([(4, 3), (4, 3), (4, 3, 2)], r"got \(4, 3, 2\)"),
        ([(4, 3)], r"needs 2 to 3 bottoms \(predictions, targets, \[weights\]\), got 1"),
    ],
)
def test_refused_shapes(shapes, message):
    with pytest.raises(ValueError, match=rf"^EuclideanLossLayer: .*{message}"):
        run(*map(np.zeros, shapes))


def test_refused_normalization():
    with pytest.raises(
        ValueError, match="parameter normalization must be one of batch, full, valid, weights, none, got 'mean'"
    ):
        run(P, T, normalization="mean")


@pytest.mark.parametrize("weighted", [False, True])
def test_no_array_is_allocated_in_steady_state(weighted):
    shape = (256, 1000)
    layer = run(*np.ones((2, *shape)), *([np.ones(256)] if weighted else []), dtype=np.float32)
    bottom, top, down = layer.bottom, layer.top, [True, True, False]

    def iterate():
        layer.layer.reshape(bottom, top)
        layer.layer.forward(bottom, top)
        layer.layer.backward(top, down, bottom)

    iterate()
    tracemalloc.start()
    try:
        iterate()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < bottom[0].data.nbytes / 20  # numpy itself buffers 32 KB of a broadcast
