"""The operations that numpy and torch spell differently: the same answers, and never the memory that was given."""

import numpy as np
import pytest

from caffe_pylayers._layer import arrays

KINDS = ["numpy", "torch"]
LABELS = [0.0, 2.0, 1.0]


def array(kind, values, dtype="int64"):
    made = np.array(values, dtype)
    return made if kind == "numpy" else pytest.importorskip("torch").from_numpy(made)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["int64", "float32", "float64"])
def test_to_int64_is_a_copy(kind, dtype):
    given = array(kind, LABELS, dtype)
    copy = arrays.to_int64(given)
    copy += 5
    assert given.tolist() == LABELS
    assert copy.tolist() == [5, 7, 6]


@pytest.mark.parametrize("kind", KINDS)
def test_take_clipped_is_a_copy(kind):
    table = array(kind, [10, 11, 12])
    taken = arrays.take_clipped(table, array(kind, [-3, 0, 2, 9]))
    assert taken.tolist() == [10, 10, 12, 12]
    taken += 1
    assert table.tolist() == [10, 11, 12]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [0, 1.5])
def test_fill_and_arange_like(kind, value):
    given = array(kind, LABELS, "float32")
    arrays.fill(given, value)
    assert given.tolist() == [value] * 3
    numbers = arrays.arange_like(given, 4)
    assert (numbers.dtype, numbers.tolist()) == (given.dtype, [0, 1, 2, 3])


def test_namespaces():
    torch = pytest.importorskip("torch")
    assert arrays.namespace() is np
    assert arrays.namespace(np.zeros(1), np.zeros(2)) is np
    assert arrays.namespace(torch.zeros(1)) is torch
    with pytest.raises(TypeError, match="arrays of different libraries: Tensor, ndarray"):
        arrays.namespace(torch.zeros(1), np.zeros(1))
