"""Learned values that a prototxt gives in the old format: the types that keep their four axes compute the same."""

import numpy as np
import pytest

from caffe_pylayers.runtime.layers.layer import LayerError
from tests.runtime.layers.one_layer import one_layer

# By type: its parameters, the shape of its bottom, those of its blobs.
TYPES = {
    "InnerProduct": ("inner_product_param { num_output: 2 }", (2, 3), [(2, 3), (2,)]),
    "InnerProduct, transposed": ("inner_product_param { num_output: 2 transpose: true }", (2, 3), [(3, 2), (2,)]),
    "Embed": ("embed_param { num_output: 2 input_dim: 5 }", (2,), [(5, 2), (2,)]),
    "PReLU": ("", (2, 3, 4), [(3,)]),
    "BatchNorm": ("", (2, 3, 4), [(3,), (3,), (1,)]),
    "BatchNorm, learned": ("batch_norm_param { use_global_stats: true }", (2, 3, 4), [(3,), (3,), (1,)]),
}


def blobs(shapes, old):
    text = ""
    for shape in shapes:
        axes = (1,) * (4 - len(shape)) + shape
        sizes = " ".join(f"{name}: {size}" for name, size in zip(("num", "channels", "height", "width"), axes))
        dims = " ".join(f"dim: {size}" for size in shape)
        values = " ".join(f"data: {value}" for value in range(1, int(np.prod(shape)) + 1))
        text += f"blobs {{ {sizes if old else f'shape {{ {dims} }}'} {values} }} "
    return text


@pytest.mark.parametrize("name", TYPES)
def test_shapes_and_numbers(name):
    param, bottom_shape, shapes = TYPES[name]
    found = []
    for old in (False, True):
        layer, bottom, top = one_layer(name.split(",")[0], param + blobs(shapes, old), bottom_shape)
        wanted = [(1,) * (4 - len(shape)) + shape if old else shape for shape in shapes]
        assert [blob.shape for blob in layer.blobs] == wanted
        bottom[0].data.flat = np.arange(bottom[0].count) % 5
        layer.param_propagate_down = [not name.startswith("BatchNorm")] * len(shapes)
        layer.forward(bottom, top)
        top[0].diff.flat = np.arange(top[0].count) + 1
        layer.backward(top, [name != "Embed"], bottom)
        arrays = [top[0].data, bottom[0].diff, *(blob.data for blob in layer.blobs)]
        found.append([np.ravel(array) for array in arrays + [blob.diff for blob in layer.blobs]])
    for ours, theirs in zip(*found):
        np.testing.assert_array_equal(ours, theirs)
    assert any(found[0][0])


@pytest.mark.parametrize(
    ("dims", "message"),
    [
        ("dim: -1", r"a blob's sizes cannot be negative, got shape \(-1,\)"),
        ("dim: 9223372036854775807", r"a blob has at most 2147483647 values, got shape \(9223372036854775807,\)"),
        ("dim: 2", r"shape \(2,\) needs 2 values, got 1"),
    ],
)
def test_shapes_that_no_blob_can_have(dims, message):
    with pytest.raises(LayerError, match=rf'^layer "l" \(PReLU\): blobs\[0\]: {message}$'):
        one_layer("PReLU", f"blobs {{ shape {{ {dims} }} data: 1 }}", (2, 3, 4))
