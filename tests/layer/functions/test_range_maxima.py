"""Maxima of rectangles, each as its definition reads."""

import numpy as np
import pytest

from caffe_pylayers._layer.functions.range_maxima import key_places, place_keys, range_maxima


@pytest.mark.parametrize("kind", ["numpy", "torch"])
@pytest.mark.parametrize("shape", [(2, 9, 13, 3), (1, 1, 1, 1), (1, 16, 1, 2)])
def test_every_size(shape, kind):
    rng = np.random.RandomState(0)
    maps = rng.standard_normal(shape)
    ends = [np.sort(rng.randint(0, n + 1, (200, 2)), 1).T for n in shape[1:3]]
    image = rng.randint(0, shape[0], 200)
    xp = np if kind == "numpy" else pytest.importorskip("torch")
    found = range_maxima(xp, maps if xp is np else xp.tensor(maps), image, *ends)
    for i, (top, bottom, left, right) in enumerate(np.concatenate(ends).T):
        part = maps[image[i], top:bottom, left:right]
        expected = part.max((0, 1)) if part.size else 0
        np.testing.assert_array_equal(np.asarray(found[i]), expected)


@pytest.mark.parametrize("kind", ["numpy", "torch"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_keys_say_where_the_first_maximum_is(dtype, kind):
    xp = np if kind == "numpy" else pytest.importorskip("torch")
    values = np.array([[-0.0, 0, -1e-45, 3, -np.inf], [7, 7, np.inf, -7, 1e-45]], dtype)
    keys = place_keys(xp, values if xp is np else xp.tensor(values))
    order = np.argsort(-np.asarray(keys).ravel())
    assert order.tolist() == np.argsort(-values.ravel(), kind="stable").tolist()
    assert np.asarray(key_places(keys)).tolist() == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
