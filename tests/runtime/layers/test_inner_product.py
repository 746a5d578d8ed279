"""The refusals of InnerProduct and Embed."""

import numpy as np
import pytest

from caffe_pylayers.runtime.layers.layer import LayerError
from tests.runtime.layers.one_layer import one_layer


@pytest.mark.parametrize(
    ("kind", "param", "message"),
    [
        ("InnerProduct", "", r"blobs\[0\]: constant filler: the blob of shape \(0, 4\) has no values"),
        (
            "InnerProduct",
            "inner_product_param { num_output: 2 axis: 2 }",
            r"axis must be in \[-2, 2\) for bottom\[0\] of shape \(3, 4\), got 2",
        ),
        ("Embed", "embed_param { input_dim: 3 }", "num_output must be positive"),
        ("Embed", "embed_param { num_output: 3 }", "input_dim must be positive"),
    ],
)
def test_refused(kind, param, message):
    with pytest.raises(LayerError, match=f'^layer "l" \\({kind}\\): {message}$'):
        one_layer(kind, param, (3, 4))


def test_another_bottom_later():
    layer, bottom, top = one_layer("InnerProduct", "inner_product_param { num_output: 2 }", (3, 4))
    bottom[0].reshape(2, 5)
    with pytest.raises(LayerError, match=r"bottom\[0\] must have 4 values from axis 1 on, got shape \(2, 5\)"):
        layer.reshape(bottom, top)


@pytest.mark.parametrize(("index", "worst", "at"), [([0, 3], 3, 1), ([-1, 9], -1, 0)])
def test_embed_index_outside(index, worst, at):
    layer, bottom, top = one_layer("Embed", "embed_param { num_output: 2 input_dim: 3 }", (2,))
    bottom[0].data[...] = index
    with pytest.raises(LayerError, match=rf"bottom\[0\] must hold integers in \[0, 3\), got {worst} at index {at}$"):
        layer.forward(bottom, top)


def test_embed_has_no_gradient_for_indices():
    layer, bottom, top = one_layer("Embed", "embed_param { num_output: 2 input_dim: 3 }", (2,))
    bottom[0].data[...] = np.array([1, 2])
    layer.forward(bottom, top)
    with pytest.raises(LayerError, match=r"bottom\[0\] holds indices and has no gradient"):
        layer.backward(top, [True], bottom)
