"""forward_all and forward_backward_all with some of the arrays; tests/parity/uses.py has them with all."""

import re

import numpy as np
import pytest

from caffe_pylayers import pycaffe

NET = """
force_backward: true
layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 1 } } }
layer { name: "power" type: "Power" bottom: "x" top: "y" power_param { power: 2 } }
"""
LONG = np.float32([[1], [2], [3]])


@pytest.fixture
def net(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(NET)
    made = pycaffe.Net(path, pycaffe.TRAIN)
    made.blobs["x"].data[...] = [[5], [6]]
    made.blobs["y"].diff[...] = [[1], [10]]
    return made


def columns(arrays):
    return {name: values.ravel().tolist() for name, values in arrays.items()}


def test_only_inputs(net):
    outs, diffs = map(columns, net.forward_backward_all(x=LONG))
    assert (outs, diffs) == ({"y": [1, 4, 9]}, {"x": [2, 40, 6]}), "the gradients are those that were there"


def test_only_gradients(net):
    outs, diffs = map(columns, net.forward_backward_all(y=LONG, blobs=["x"]))
    assert (outs, diffs) == ({"y": [25, 36, 25], "x": [5, 6, 5]}, {"x": [10, 24, 30]})


def test_fewer_gradients_than_inputs(net):
    outs, diffs = map(columns, net.forward_backward_all(x=LONG, y=LONG[:2]))
    assert (outs, diffs) == ({"y": [1, 4, 9]}, {"x": [2, 8, 6]}), "the last batch has the gradients of the one before"


def test_names_that_are_neither(net):
    net.forward_backward_all(x=LONG, other=LONG)  # passed over, as in pycaffe
    with pytest.raises(ValueError, match="takes arrays for the inputs and outputs of the net, x, y, by name"):
        net.forward_backward_all(other=LONG)
    with pytest.raises(ValueError, match="takes arrays for the inputs of the net, x, by name"):
        net.forward_all()


@pytest.mark.parametrize("shape", [(), (0, 1)])
def test_a_net_without_a_batch_size(net, shape):
    net.blobs["x"].reshape(*shape)
    message = f'blob "x" of shape {shape} gives no size of batches: reshape it'
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        net.forward_all(x=LONG)
