"""The parts of large arrays: together they are the whole, each once."""

import numpy as np
import pytest

from caffe_pylayers._layer import blocks
from caffe_pylayers._layer.blocks import part, sum_to


@pytest.mark.parametrize("most", [1, 2, 3, 7, 12, 24, 25, 1000])
@pytest.mark.parametrize(
    ("shape", "whole"), [((24,), ()), ((2, 3, 4), ()), ((2, 3, 4), (1,)), ((2, 3, 4), (1, 2)), ((4, 6), (0,)), ((), ())]
)
def test_blocks_cover_an_array_once(shape, whole, most, monkeypatch):
    monkeypatch.setattr(blocks, "_MOST", most)
    times = np.zeros(shape)
    for block in blocks.blocks(times, whole):
        times[block] += 1
        found = part(times, block).shape
        assert all(found[i] == shape[i] for i in whole)
        assert np.size(times[block]) <= max(most, np.prod([shape[i] for i in whole]))
    np.testing.assert_array_equal(times, np.ones(shape))


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0, 2)])
def test_an_empty_array_has_one_empty_block(shape):
    (block,) = blocks.blocks(np.zeros(shape))
    assert np.zeros(shape)[block].shape == shape


@pytest.mark.parametrize("small", [(2, 3, 4), (2, 1, 4), (1, 3, 1), (1, 1, 1)])
def test_sums_over_what_is_repeated(small, monkeypatch):
    monkeypatch.setattr(blocks, "_MOST", 5)
    rng = np.random.RandomState(0)
    large, factor, found = rng.rand(2, 3, 4), rng.rand(*small), np.zeros(small)
    for block in blocks.blocks(large):
        np.testing.assert_array_equal(large[block] * part(factor, block), (large * factor)[block])
        place = part(found, block)
        place += sum_to(large[block], place.shape)
    np.testing.assert_allclose(found, sum_to(large, small))
