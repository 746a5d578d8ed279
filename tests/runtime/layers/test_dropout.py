"""Dropout's chance."""

import numpy as np
import pytest

from caffe_pylayers.runtime import rng
from tests.runtime.layers.one_layer import one_layer


def dropped(ratio, shape=(40, 501)):
    layer, bottom, top = one_layer("Dropout", f"dropout_param {{ dropout_ratio: {ratio} }}", shape)
    bottom[0].data[...] = 1
    layer.forward(bottom, top)
    top[0].diff[...] = 2
    layer.backward(top, [True], bottom)
    return top[0].data, bottom[0].diff


@pytest.mark.parametrize("ratio", [0.1, 0.5, 0.9])
def test_keeps_that_many_and_scales_them(ratio):
    rng.seed(1)
    y, d_x = dropped(ratio)
    np.testing.assert_allclose(np.unique(y), [0, 1 / (1 - ratio)], 1e-6)
    assert abs((y == 0).mean() - ratio) < 5 * np.sqrt(ratio * (1 - ratio) / y.size)
    np.testing.assert_array_equal(d_x, 2 * y)


def test_values_are_dropped_independently():
    rng.seed(2)
    kept = (dropped(0.5)[0] != 0).astype(float).ravel()
    for step in (1, 2, 3, 501, kept.size // 2):  # neighbours share a random word
        assert abs(np.corrcoef(kept[step:], kept[:-step])[0, 1]) < 5 / np.sqrt(kept.size - step)


def test_another_mask_each_time_and_the_same_one_after_a_seed():
    rng.seed(3)
    first, second = dropped(0.5)[0], dropped(0.5)[0]
    rng.seed(3)
    assert (first != second).any()
    np.testing.assert_array_equal(dropped(0.5)[0], first)


def test_the_odd_and_the_only_value():
    assert dropped(0.5, (1,))[0].shape == (1,)
    assert dropped(0.5, (0,))[0].shape == (0,)
