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
    scalar = given[0:1].reshape(())
    arrays.fill(scalar, 0)
    assert given.tolist() == [0, value, value]
    numbers = arrays.arange_like(given, 4)
    assert (numbers.dtype, numbers.tolist()) == (given.dtype, [0, 1, 2, 3])


def test_namespaces():
    torch = pytest.importorskip("torch")
    assert arrays.namespace() is np
    assert arrays.namespace(np.zeros(1), np.zeros(2)) is np
    assert arrays.namespace(torch.zeros(1)) is torch
    with pytest.raises(TypeError, match="arrays of different libraries: Tensor, ndarray"):
        arrays.namespace(torch.zeros(1), np.zeros(1))


@pytest.mark.parametrize("kind", KINDS)
def test_new_and_from_numpy_follow_the_other_array(kind):
    like = array(kind, LABELS, "float32")
    made = arrays.new(like, (2, 3))
    assert (made.shape, made.dtype, type(made)) == ((2, 3), like.dtype, type(like))
    assert [str(arrays.new(like, [1], dtype).dtype).split(".")[-1] for dtype in (float, int, bool)] == [
        "float64",
        "int64",
        "bool",
    ]
    given = np.array([[1, 2]], np.float64)
    copy = arrays.from_numpy(given, like)
    copy += 1
    assert (copy.tolist(), copy.dtype, given.tolist()) == ([[2, 3]], like.dtype, [[1, 2]])
    assert arrays.from_numpy([1, 2.5], like).tolist() == [1, 2.5]


@pytest.mark.parametrize("kind", KINDS)
def test_to_numpy_and_astype(kind):
    given = array(kind, LABELS, "float32")
    assert arrays.to_numpy(given).tolist() == LABELS
    assert isinstance(arrays.to_numpy(given), np.ndarray)
    assert arrays.to_numpy([1, 2]).tolist() == [1, 2]
    as_integers = arrays.astype(given, array(kind, [1]))
    as_integers += 5
    assert (as_integers.tolist(), given.tolist()) == ([5, 7, 6], LABELS)


@pytest.mark.parametrize("kind", KINDS)
def test_along_an_axis(kind):
    given, index = array(kind, [[3, 1, 2], [4, 6, 5]], "float32"), array(kind, [[2], [0]])
    assert arrays.take_along(given, index, 1).tolist() == [[2], [4]]
    arrays.put_along(given, index, 9, 1)
    arrays.put_along(given, array(kind, [[0], [1]]), array(kind, [[7], [8]], "float32"), 1)
    assert given.tolist() == [[7, 1, 9], [9, 8, 5]]


@pytest.mark.parametrize("kind", KINDS)
def test_add_rows_in_any_order_and_none(kind):
    given = array(kind, np.zeros((4, 2)), "float32")
    arrays.add_rows(given, array(kind, np.zeros(0, int)), array(kind, np.zeros((0, 2)), "float32"))
    assert not given.any()
    rows = np.arange(12.0).reshape(6, 2)
    arrays.add_rows(given, array(kind, [3, 0, 3, 1, 0, 3]), array(kind, rows, "float32"))
    expected = [rows[1] + rows[4], rows[3], [0, 0], rows[0] + rows[2] + rows[5]]
    np.testing.assert_array_equal(np.asarray(given), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_add_rows_adds_each_of_equal_ones(kind):
    given = array(kind, [[0, 0], [10, 10]], "float32")
    arrays.add_rows(given, array(kind, [0, 0, 1]), array(kind, [[1, 2], [3, 4], [5, 6]], "float32"))
    assert given.tolist() == [[4, 6], [15, 16]]


@pytest.mark.parametrize("kind", KINDS)
def test_add_at_adds_each_of_equal_ones(kind):
    given = array(kind, [1, 2, 3], "float32")
    arrays.add_at(given, array(kind, [2, 0, 2]), array(kind, [10, 20, 30], "float32"))
    assert given.tolist() == [21, 2, 43]


@pytest.mark.parametrize("kind", KINDS)
def test_a_view_on_the_host_shares_the_memory(kind):
    given = array(kind, [1, 2])
    view = arrays.host_view(given)
    view[0] = 5
    assert isinstance(view, np.ndarray)
    assert given.tolist() == [5, 2]


@pytest.mark.parametrize("kind", KINDS)
def test_an_index_of_numpy_serves_both(kind):
    index = np.broadcast_to(np.array([1]), 3)
    assert array(kind, [4, 5])[arrays.index_like(index, array(kind, [0]))].tolist() == [5] * 3


@pytest.mark.parametrize("kind", KINDS)
def test_argsort_keeps_the_order_of_equal_values(kind):
    given = array(kind, [[2, 1, 2, 1, np.nan, 0]] * 2, "float32")
    assert arrays.argsort(given).tolist() == [[5, 1, 3, 0, 2, 4]] * 2
    assert arrays.argsort(given, 0).tolist() == [[0] * 6, [1] * 6]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("axis", [0, 1])
def test_argsort_of_many(kind, dtype, axis):
    given = np.random.RandomState(0).randint(-5, 5, (2100, 2)).astype(dtype)
    given[::7], given[3::7], given[1::11], given[2::13], given[5::13] = np.nan, -np.nan, -0.0, np.inf, -np.inf
    given = given if axis == 0 else given.T
    wanted = np.argsort(given, axis, "stable")
    np.testing.assert_array_equal(arrays.to_numpy(arrays.argsort(array(kind, given, dtype), axis)), wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_take_rows_into(kind):
    given, rows = array(kind, [[1, 2], [3, 4]], "float32"), array(kind, [[0, 0]] * 3, "float32")
    arrays.take_rows_into(given, array(kind, [1, 1, 0]), rows)
    assert rows.tolist() == [[3, 4], [3, 4], [1, 2]]


@pytest.mark.parametrize("kind", KINDS)
def test_address(kind):
    given = array(kind, LABELS)
    assert arrays.address(given) == arrays.address(given.reshape(3, 1)) != arrays.address(given[1:])


@pytest.mark.parametrize("kind", KINDS)
def test_argmax_is_the_first_of_equal_ones(kind):
    given = array(kind, [[1, 3, 3], [np.inf, 0, np.inf], [2, np.nan, np.nan]], "float32")
    assert arrays.argmax(given, 1).tolist() == [1, 0, 1]
    assert arrays.argmax(given, 0).tolist() == [1, 2, 2]
    assert arrays.argmax(given[:0], 1).tolist() == []


@pytest.mark.parametrize("kind", KINDS)
def test_from_host_goes_back_from_host_view(kind):
    given = array(kind, [[1, 2]])
    back = arrays.from_host(arrays.host_view(given) * 2, given)
    assert type(back) is type(given)
    assert back.tolist() == [[2, 4]]
