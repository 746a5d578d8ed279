"""Blobs as pycaffe shows them."""

import numpy as np
import pytest
import torch

from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.memory.limits import ShapeError
from caffe_pylayers.runtime.memory.memory import CHANNELS_LAST


def test_shape_and_legacy_names():
    blob = Blob((2, 3))
    assert (blob.shape, blob.count) == ((2, 3), 6)
    assert (blob.num, blob.channels, blob.height, blob.width) == (2, 3, 1, 1)
    blob.reshape(1, 2, 3, 4, 5)
    with pytest.raises(ValueError, match="4 axes at most"):
        _ = blob.num


def test_a_blob_without_axes_is_a_scalar():
    blob = Blob()
    blob.reshape()
    assert (blob.shape, blob.count, blob.data.shape) == ((), 1, ())
    blob.data[...] = 3
    assert float(blob.data) == 3


def test_data_and_diff_are_float32_contiguous_and_apart():
    blob = Blob((2, 3))
    for array in (blob.data, blob.diff):
        assert array.dtype == np.float32
        assert array.flags.c_contiguous
        assert not array.any()
    blob.data[...] = 1
    assert not blob.diff.any()


def test_reshape_within_the_capacity_keeps_the_values():
    blob = Blob((2, 3))
    blob.data[...] = np.arange(6).reshape(2, 3)
    blob.reshape(4)
    np.testing.assert_array_equal(blob.data, [0, 1, 2, 3])
    blob.reshape(3, 2)
    np.testing.assert_array_equal(blob.data, [[0, 1], [2, 3], [4, 5]])


def test_reshape_beyond_it_starts_at_zero_and_leaves_old_arrays_alone():
    blob = Blob((2,))
    old = blob.data
    old[...] = 1
    blob.reshape(3)
    assert not blob.data.any()
    np.testing.assert_array_equal(old, [1, 1])


def test_sharing():
    one, two = Blob((2, 3)), Blob((6,))
    two.share_data(one)
    one.data[...] = 4
    assert (two.data == 4).all()
    one.diff[...] = 5
    assert not two.diff.any()
    two.share_diff(one)
    assert (two.diff == 5).all()
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(7,\) cannot share"):
        one.share_data(Blob((7,)))


def test_reshape_of_a_blob_that_shares_larger_values():
    small, large = Blob((5,)), Blob((20,))
    large.reshape(5)
    small.share_data(large)
    small.reshape(15)
    assert small.data.shape == small.diff.shape == (15,)


@pytest.mark.parametrize(
    ("dims", "message"),
    [
        ((2, -1), r"a blob's sizes cannot be negative, got shape \(2, -1\)"),
        ((1,) * 33, "a blob has at most 32 axes, got 33"),
        ((70000, 70000), r"a blob has at most 2147483647 values, got shape \(70000, 70000\)"),
        ((1 << 31, 0), "at most 2147483647 values"),
        ((-(2**63),), "cannot be negative"),
    ],
)
def test_refused_shapes(dims, message):
    blob = Blob((2, 3))
    with pytest.raises(ShapeError, match=message):
        blob.reshape(*dims)
    assert blob.shape == (2, 3)


def test_the_largest_shapes():
    assert Blob((0, 1 << 31, 1 << 31)).count == 0
    assert Blob(((1 << 31) - 1,)).count == (1 << 31) - 1
    assert Blob((1,) * 32).count == 1


def test_sizes_are_numbers():
    with pytest.raises(TypeError, match=r"one by one, as in reshape\(\*shape\); got \(\(2, 3\),\)"):
        Blob().reshape((2, 3))


def test_data_cannot_be_replaced():
    with pytest.raises(AttributeError):
        Blob((2,)).data = np.zeros(2)


def test_tensors_and_dlpack_are_the_memory():
    blob = Blob((2, 3))
    blob.tensor[0, 0] = 5
    blob.diff_tensor.fill_(2)
    np.from_dlpack(blob.tensor)[1, 1] = 7
    np.testing.assert_array_equal(blob.data, [[5, 0, 0], [0, 7, 0]])
    assert (blob.diff == 2).all()
    assert blob._gpu_data_ptr == blob.data.ctypes.data
    assert blob._gpu_diff_ptr == blob.diff.ctypes.data


def test_a_single_image_that_is_taken_stays_channels_last():
    """For PyTorch's kernels too, which take a tensor of another stride for a contiguous one, and convert it."""
    blob, image = Blob((1, 4, 6, 5)), torch.rand(1, 4, 6, 5).contiguous(memory_format=torch.channels_last)
    blob.take(image, CHANNELS_LAST)
    blob.take_diff(image, CHANNELS_LAST)
    assert blob.read(CHANNELS_LAST).stride() == blob.read_diff(CHANNELS_LAST).stride() == image.stride()
