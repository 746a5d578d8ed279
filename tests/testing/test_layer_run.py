"""A layer driven by hand, on arrays and on tensors."""

import numpy as np
import pytest

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
