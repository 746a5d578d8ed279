"""Layers that copy, choose, reduce and reshape: their refusals, and the memory that they share."""

import numpy as np
import pytest
import torch

from caffe_pylayers.runtime.layers.layer import LayerError
from caffe_pylayers.runtime.memory.memory import CHANNELS_LAST
from tests.runtime.layers.one_layer import one_layer

X = (2, 3, 4, 5)


def reshape(dims, more=""):
    return f"reshape_param {{ shape {{ {' '.join(f'dim: {n}' for n in dims)} }} {more} }}"


@pytest.mark.parametrize(
    ("kind", "param", "shapes", "tops", "message"),
    [
        ("Concat", "concat_param { axis: 0 concat_dim: 0 }", [X, X], 1, "takes axis or concat_dim, got both"),
        ("Concat", "concat_param { axis: 4 }", [X, X], 1, r"axis must be in \[-4, 4\) for bottom\[0\] .*, got 4"),
        ("Concat", "concat_param { concat_dim: 4 }", [X, X], 1, r"concat_dim must be below 4 .*, got 4"),
        (
            "Concat",
            "",
            [(2, 3, 4), (2, 1, 4), (2, 3, 5)],
            1,
            r"bottom\[2\] must have the shape \(2, 3, 4\) of bottom\[0\] but for axis 1, got \(2, 3, 5\)",
        ),
        ("Concat", "", [(2, 3), (2,)], 1, r"bottom\[1\] must have the shape .*, got \(2,\)"),
        ("Concat", "", [(2, 3), (2, 3, 1)], 1, r"bottom\[1\] must have the shape .*, got \(2, 3, 1\)"),
        ("Slice", "slice_param { axis: 1 slice_dim: 1 }", [X], 2, "takes axis or slice_dim, got both"),
        ("Slice", "", [X], 2, r"axis 1 of bottom\[0\] of shape \(2, 3, 4, 5\) cannot be cut into 2 equal parts"),
        ("Slice", "slice_param { slice_point: 1 }", [X], 3, "takes 2 slice_point for 3 tops, got 1"),
        ("Slice", "slice_param { slice_point: 2 slice_point: 1 }", [X], 3, r"slice_point must rise .*\[2, 1\]"),
        ("Slice", "slice_param { slice_point: 4 }", [X], 2, r"slice_point must rise from 1 within axis 1 .*\[4\]"),
        ("Slice", "slice_param { slice_point: 0 }", [X], 2, r"slice_point must rise .*\[0\]"),
        ("Crop", "crop_param { offset: 1 offset: 1 offset: 1 }", [X, X], 1, "takes no offset, one, .* 2 axes, got 3"),
        ("Crop", "", [X, (2, 3)], 1, r"bottom\[1\] must have the 4 axes of bottom\[0\] .*, got shape \(2, 3\)"),
        (
            "Crop",
            "crop_param { offset: 2 }",
            [X, (1, 1, 2, 4)],
            1,
            r"axis 3 of bottom\[0\] of shape \(2, 3, 4, 5\) is too small for size 4 at offset 2",
        ),
        ("Crop", "crop_param { axis: 4 }", [X, X], 1, r"axis must be in \[-4, 4\) .*, got 4"),
        ("Tile", "", [X], 1, "tile_param needs tiles"),
        ("Tile", "tile_param { tiles: 0 }", [X], 1, "tiles must be positive, got 0"),
        ("Reduction", "", [()], 1, r"axis must be in \[0, 0\) for bottom\[0\] of shape \(\), got 0"),
        ("Flatten", "", [(3,)], 1, r"axis must be in \[-1, 1\) for bottom\[0\] of shape \(3,\), got 1"),
        ("Flatten", "flatten_param { axis: 3 end_axis: 1 }", [X], 1, "end_axis must not lie before axis 3, got 1 .*"),
        ("Reshape", reshape((-1, -1)), [X], 1, r"shape may hold -1 once, got \[-1, -1\]"),
        ("Reshape", reshape((7, -1)), [X], 1, r"-1 in shape \[7, -1\]: bottom\[0\] .* cannot be divided by 7"),
        ("Reshape", reshape((7,)), [X], 1, r"bottom\[0\] of shape .* cannot take the shape \(7,\): the counts differ"),
        ("Reshape", reshape((-2, -60)), [X], 1, r"bottom\[0\] .* cannot take the shape \(-2, -60\).*"),
        ("Reshape", reshape((0, 0, 0, 0, 0)), [X], 1, r"0 in shape \[.*\]: bottom\[0\] .* has no axis 4"),
        ("Reshape", reshape((1,), "axis: 5"), [X], 1, r"axis must be in \[-5, 4\] .*, got 5"),
        ("Reshape", reshape((1,), "axis: 2 num_axes: 3"), [X], 1, r"num_axes must be in \[-1, 2\] .*, got 3"),
        ("ArgMax", "argmax_param { top_k: 0 }", [X], 1, "top_k must be positive, got 0"),
        ("ArgMax", "argmax_param { top_k: 61 }", [X], 1, r"top_k must be at most 60 .*, got 61"),
        ("ArgMax", "argmax_param { top_k: 4 axis: 1 }", [X], 1, r"top_k must be at most 3 .*, got 4"),
        ("ArgMax", "argmax_param { axis: -5 }", [X], 1, r"axis must be in \[-4, 4\) .*, got -5"),
        ("BatchReindex", "", [X, (2, 1)], 1, r"bottom\[1\] must have shape \(M,\), got \(2, 1\)"),
        ("Filter", "", [X, (2,)], 2, "takes 1 tops for 1 bottoms and a selector, got 2"),
        ("Filter", "", [X, (2, 2)], 1, r"bottom\[1\], the selector, must have shape \(N, 1, ...\), got \(2, 2\)"),
        ("Filter", "", [X, (3,)], 1, r"bottom\[0\] must have 3 rows as the selector, got shape \(2, 3, 4, 5\)"),
    ],
)
def test_refused(kind, param, shapes, tops, message):
    with pytest.raises(LayerError, match=f'^layer "l" \\({kind}\\): {message}$'):
        one_layer(kind, param, *shapes, tops=tops)


@pytest.mark.parametrize(("index", "worst"), [([0, 2, 1], 2), ([0, -0.5, 1], -0.5)])
def test_reindex_outside(index, worst):
    layer, bottom, top = one_layer("BatchReindex", "", (2, 3), (3,))
    bottom[1].data[...] = index
    with pytest.raises(LayerError, match=rf"bottom\[1\] must hold indices in \[0, 2\), got {worst} at index 1$"):
        layer.forward(bottom, top)


@pytest.mark.parametrize(
    ("kind", "shapes", "message"),
    [
        ("ArgMax", [(2, 3)], "has no gradient"),
        ("BatchReindex", [(2, 3), (2,)], r"bottom\[1\], the index, has no gradient"),
        ("Filter", [(2, 3), (2,)], r"bottom\[1\], the selector, has no gradient"),
    ],
)
def test_no_gradient(kind, shapes, message):
    layer, bottom, top = one_layer(kind, "", *shapes)
    layer.forward(bottom, top)
    with pytest.raises(LayerError, match=message):
        layer.backward(top, [True] * len(bottom), bottom)


def test_filter_of_nothing():
    layer, bottom, top = one_layer("Filter", "", (2, 3), (2,))
    assert top[0].shape == (2, 3)  # as in Caffe, until there are values to filter by
    layer.forward(bottom, top)
    assert top[0].shape == (0, 3)
    bottom[0].diff[...] = 1
    layer.backward(top, [True, False], bottom)
    assert not bottom[0].diff.any()


@pytest.mark.parametrize(
    ("kind", "param"), [("Flatten", ""), ("Reshape", reshape((0, -1))), ("Concat", ""), ("Slice", "")]
)
def test_one_memory_also_after_the_bottom_got_another(kind, param):
    layer, bottom, top = one_layer(kind, param, X)
    bottom[0].reshape(9, *X[1:])
    bottom[0].reshape(*X)
    layer.forward(bottom, top)
    bottom[0].data[...] = 3
    top[0].diff[...] = 4
    layer.backward(top, [True], bottom)
    assert (top[0].data == 3).all()
    assert (bottom[0].diff == 4).all()


def test_split_shares_values_only():
    layer, bottom, top = one_layer("Split", "", X, tops=2)
    layer.forward(bottom, top)
    bottom[0].data[...] = 3
    assert (top[1].data == 3).all()
    top[0].diff[...] = 1
    assert not top[1].diff.any()


@pytest.mark.parametrize(
    ("kind", "param", "shapes", "tops"),
    [
        ("Concat", "", [X, (2, 1, 4, 5)], 1),
        ("Concat", "concat_param { axis: 2 }", [X, X], 1),
        ("Slice", "", [X], 3),
        ("Slice", "slice_param { axis: 3 slice_point: 2 }", [X], 2),
        ("Crop", "crop_param { axis: 1 offset: 1 }", [X, (2, 2, 2, 3)], 1),
        ("Tile", "tile_param { tiles: 2 }", [X], 1),
        ("Flatten", "", [X], 1),
        ("Split", "", [X], 3),
        ("Reduction", "reduction_param { axis: 1 }", [X], 1),
        ("BatchReindex", "", [X, (4,)], 1),
        ("Filter", "", [X, (2, 1, 1, 1)], 1),
        ("ArgMax", "argmax_param { axis: 1 }", [X], 1),
        ("ArgMax", "argmax_param { top_k: 2 }", [X], 1),
    ],
)
def test_the_same_in_both_layouts(kind, param, shapes, tops):
    def outcome(*layout):
        layer, bottom, top = one_layer(kind, param, *shapes, tops=tops)
        random = np.random.RandomState(0)
        for blob in bottom:
            values = (random.uniform(size=blob.shape) * 2).astype(np.float32)
            blob.write(*layout[: len(blob.shape) == 4]).copy_(torch.from_numpy(values))
        layer.forward(bottom, top)
        results = [blob.data.copy() for blob in top]
        if kind == "ArgMax":
            return results
        for blob in top:
            values = random.standard_normal(blob.shape).astype(np.float32)
            blob.write_diff(*layout[: len(blob.shape) == 4]).copy_(torch.from_numpy(values))
        layer.backward(top, [True, *[False for _ in bottom[1:]]], bottom)
        return [*results, bottom[0].diff.copy()]

    for plain, last in zip(outcome(), outcome(CHANNELS_LAST), strict=True):
        np.testing.assert_array_equal(plain, last)
