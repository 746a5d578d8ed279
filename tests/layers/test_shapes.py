"""Permute, Reverse, Tile, Reduce, Gather: PyTorch's numbers, and what they refuse."""

import numpy as np
import pytest

from caffe_pylayers.shapes import Gather, Permute, Reduce, Reverse, Tile
from caffe_pylayers.testing import LayerRun

MAPS = np.random.RandomState(1).standard_normal((3, 4, 2, 5))


def run(layer, *bottoms, param_str=""):
    return LayerRun(layer, bottoms, param_str=param_str)


def check(ours, function, given=MAPS, rtol=1e-13):
    """Compare top and gradient with those of a function of torch."""
    torch = pytest.importorskip("torch")
    given = torch.tensor(given, dtype=torch.float64, requires_grad=True)
    expected = function(torch, given)
    d_top = torch.randn_like(expected)
    expected.backward(d_top)
    np.testing.assert_allclose(ours.forward()[0], expected.detach(), rtol)
    assert ours.top[0].shape == expected.shape
    np.testing.assert_allclose(ours.backward([d_top.numpy()])[0], given.grad, rtol, atol=1e-15)


def test_permute():
    check(run(Permute, MAPS, param_str="order: [2, 0, 3, 1]"), lambda torch, x: x.permute(2, 0, 3, 1))


def test_permute_s_axes_left_out_follow():
    assert run(Permute, MAPS, param_str="order: [0, 2]").top[0].shape == (3, 2, 4, 5)


@pytest.mark.parametrize("axis", [0, 2, -1])
def test_reverse(axis):
    check(run(Reverse, MAPS, param_str=f"axis: {axis}"), lambda _, x: x.flip(axis))


def test_reverse_of_lengths():
    def expected(torch, x):
        return torch.stack([torch.cat([x[:n, i].flip(0), x[n:, i]]) for i, n in enumerate((3, 0, 2, 1))], 1)

    check(run(Reverse, MAPS, np.array([3, 0, 2, 1])), expected)
    with pytest.raises(ValueError, match=r"^Reverse: length 4 at index 1 is none in \[0, 3\]"):
        run(Reverse, MAPS, np.array([3, 4, 2, 1])).forward()


@pytest.mark.parametrize(
    ("bottoms", "param_str", "function"),
    [
        ([MAPS], "tiles: [2, 1, 3, 2]", lambda _, x: x.tile(2, 1, 3, 2)),
        ([MAPS[:, :1]], "shape: [0, 6]", None),
        ([MAPS[:, :1]], "shape: [0, 6, 0, 0]", lambda _, x: x.expand(3, 6, 2, 5)),
        ([MAPS[:, :, 0, 0], MAPS], "", lambda _, x: x[:, :, None, None].expand(3, 4, 2, 5)),
        ([MAPS[:, :1, :1], MAPS], "axes: [2]", lambda _, x: x.expand(3, 1, 2, 5)),
    ],
)
def test_tile(bottoms, param_str, function):
    if function is None:
        with pytest.raises(ValueError, match=r"of shape \(3, 1, 2, 5\) cannot be repeated to shape \(3, 6\)"):
            run(Tile, *bottoms, param_str=param_str)
    else:
        check(run(Tile, *bottoms, param_str=param_str), function, bottoms[0])


def test_the_reference_of_a_tile_gets_zeros():
    ours = run(Tile, MAPS[:, :1], MAPS)
    ours.forward()
    assert not ours.backward([MAPS])[1].any()


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axes", [(1,), (0, 3), (0, 1, 2, 3)])
@pytest.mark.parametrize(
    ("operation", "function"),
    [
        ("mean", "mean"),
        ("sum", "sum"),
        ("max", "amax"),
        ("min", "amin"),
        ("norm", "linalg.vector_norm"),
        ("logsumexp", "logsumexp"),
    ],
)
def test_reduce(operation, function, axes, keepdims):
    def expected(torch, x):
        for name in function.split("."):
            torch = getattr(torch, name)
        return torch(x, dim=axes, keepdim=keepdims)

    param_str = f"{{operation: {operation}, axes: {list(axes)}, keepdims: {str(keepdims).lower()}}}"
    check(run(Reduce, MAPS, param_str=param_str), expected)
    rounded = MAPS.round()  # with ties, and zeros
    check(run(Reduce, rounded, param_str=param_str), expected, rounded)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_norm_of_values_whose_squares_overflow_or_vanish(dtype):
    huge, tiny = np.sqrt(np.finfo(dtype).max) * 4, np.sqrt(np.finfo(dtype).tiny) / 1e4
    ours = LayerRun(
        Reduce, [[[3 * huge, 4 * huge], [3 * tiny, 4 * tiny]]], param_str="{operation: norm, axes: [1]}", dtype=dtype
    )
    np.testing.assert_allclose(ours.forward()[0], [5 * huge, 5 * tiny], rtol=1e-6)
    np.testing.assert_allclose(ours.backward([[1, 1]])[0], [[0.6, 0.8]] * 2, rtol=1e-6)


def test_gather():
    index = np.array([[3, 0], [1, 1]])
    check(run(Gather, MAPS, index, param_str="axis: 1"), lambda torch, x: x[:, torch.from_numpy(index)])


def test_gather_with_an_index_for_each_sample():
    index = np.array([[3, 0], [1, 1], [0, 2]])

    def expected(torch, x):
        return torch.stack([rows[torch.from_numpy(chosen)] for rows, chosen in zip(x, index)])

    check(run(Gather, MAPS, index, param_str="{axis: 1, batch_axes: 1}"), expected)
    along = np.array([[4], [0], [0]])

    def expected_along(torch, x):
        return torch.stack([rows[:, :, torch.from_numpy(chosen)] for rows, chosen in zip(x, along)])

    check(run(Gather, MAPS, along, param_str="{axis: -1, batch_axes: 1}"), expected_along)


@pytest.mark.parametrize("index", [3, -1, 0.5, np.nan])
def test_refused_index(index):
    ours = run(Gather, MAPS, np.array([0, index]))
    with pytest.raises(ValueError, match=r"^Gather: row \S+ at index 1 is"):
        ours.forward()


@pytest.mark.parametrize(
    ("layer", "shapes", "param_str", "message"),
    [
        (Permute, [(2, 3)], "order: [2]", r"order \[2\] must have axes of bottom\[0\] of shape \(2, 3\)"),
        (Permute, [(2, 3)], "order: [1, 1]", r"none of them twice"),
        (Reverse, [(2, 3)], "axis: 2", r"axis 2 is outside bottom\[0\] of shape \(2, 3\)"),
        (
            Reverse,
            [(2, 3), (2,)],
            "",
            r"with bottom\[1\] \(lengths\) axis is 0 .* shapes \(2, 3\), \(2,\)",
        ),
        (Tile, [(2, 3)], "", r"needs one of bottom\[1\] \(reference\), the parameter tiles and the parameter shape"),
        (Tile, [(2, 3)], "{tiles: [1], shape: [2]}", r"needs one of"),
        (Tile, [(2, 3)], "{tiles: [1, 1], axes: [1]}", r"parameter axes is for a bottom\[1\]"),
        (Tile, [(2, 3)], "shape: [2, 4]", r"bottom\[0\] of shape \(2, 3\) cannot be repeated to shape \(2, 4\)"),
        (Tile, [(2, 0)], "shape: [2, 4]", r"cannot be repeated"),
        (Tile, [(2, 1), (2, 3)], "axes: [2]", r"axis 2 is outside bottom\[1\] \(reference\) of shape \(2, 3\)"),
        (Reduce, [(2, 3)], "{operation: max, axes: [2]}", r"axis 2 is outside bottom\[0\] of shape \(2, 3\)"),
        (Reduce, [(2, 3)], "{operation: max, axes: [1, -1]}", r"axes \[1, -1\] name an axis of .* twice"),
        (Reduce, [(2, 0)], "{operation: max, axes: [1]}", r"max needs values along axes \[1\], got bottom\[0\] of "),
        (Reduce, [(2, 3)], "{operation: prod, axes: [1]}", r"must be one of mean, sum, max, min, norm, logsumexp"),
        (Gather, [(2, 3), (2,)], "axis: 2", r"axis 2 is outside bottom\[0\] \(features\) of shape \(2, 3\)"),
        (Gather, [(2, 3), (3,)], "{axis: 1, batch_axes: 1}", r"a shape that begins with \(2,\), .* of \(3,\)"),
        (Gather, [(2, 3), (2,)], "{batch_axes: 1}", r"axis 0 must come after these batch axes"),
    ],
)
def test_refused(layer, shapes, param_str, message):
    with pytest.raises(ValueError, match=rf"^{layer.__name__}: .*{message}"):
        run(layer, *map(np.zeros, shapes), param_str=param_str)


@pytest.mark.parametrize("operation", ["max", "min"])
def test_an_extreme_that_is_no_number_gets_no_gradient(operation):
    run = LayerRun(Reduce, [[[1, np.nan], [1, 2]]], param_str=f"{{operation: {operation}, axes: [1]}}")
    reduced = run.forward()[0]
    assert np.isnan(reduced[0])
    assert not np.isnan(reduced[1])
    assert np.array_equal(run.backward([[1, 1]])[0].sum(1), [0, 1])
