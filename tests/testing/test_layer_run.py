"""A layer driven by hand, on arrays and on tensors."""

import numpy as np
import pytest

from caffe_pylayers import Layer
from caffe_pylayers.one_hot import label2one_hot
from caffe_pylayers.testing import LayerRun


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "bool", "float32"])
@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_labels_of_any_dtype_become_floats_and_stay_as_they_are(dtype, kind):
    labels = np.array([1, 0, 1], dtype)
    if kind == "torch":
        labels = pytest.importorskip("torch").from_numpy(labels)
    run = LayerRun(label2one_hot, [labels], param_str='{"num_classes": 2}', tops=2, dtype=np.float32)
    one_hot, valid = run.forward()
    assert type(one_hot) is type(labels)
    assert one_hot.tolist() == [[0, 1], [1, 0], [0, 1]]
    assert valid.tolist() == [[1]] * 3
    (diff,) = run.backward([one_hot, valid])
    assert diff.tolist() == [0, 0, 0]
    assert labels.tolist() == run.bottom[0].data.tolist() == [1, 0, 1]


def test_blobs_outside_the_layer_are_plain():
    run = LayerRun(label2one_hot, [[1, 0]], param_str='{"num_classes": 2}')
    assert run.top[0].shape == (2, 2)
    assert (run.top[0].num, run.top[0].channels, run.top[0].height, run.top[0].count) == (2, 2, 1, 4)


class Learns(Layer):
    array_api = True

    def setup(self, bottom, top):
        self.blobs.add_blob(2, 1)

    def plan(self, values):
        return [values.shape]

    def forward(self, bottom, top):
        top[0].data[...] = bottom[0].data + self.blobs[0].data

    def backward(self, top, propagate_down, bottom):
        self.blobs[0].diff[...] += top[0].diff


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_learned_blobs_are_of_the_bottoms_kind_and_zero_at_first(kind):
    given = np.ones((2, 1), np.float32)
    if kind == "torch":
        given = pytest.importorskip("torch").from_numpy(given)
    run = LayerRun(Learns, [given], dtype=np.float32)
    run.forward()
    run.backward([given])
    (blob,) = run.layer.blobs
    assert (type(blob.diff), blob.diff.dtype) == (type(given), given.dtype)
    assert (blob.data.tolist(), blob.diff.tolist()) == ([[0], [0]], [[1], [1]])
