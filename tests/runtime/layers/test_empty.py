"""Blobs without any values, where Caffe's own library calls refuse them; tests/parity/cases/empty.py has the others."""

import pytest

from caffe_pylayers.runtime.layers.layer import LayerError
from tests.runtime.layers.one_layer import one_layer

NO_IMAGES = [(0, 3, 4, 5)]


@pytest.mark.parametrize(
    ("kind", "param", "shapes", "down"),
    [
        ("BatchNorm", "batch_norm_param { use_global_stats: true }", NO_IMAGES, [True]),
        ("Eltwise", "", [(0, 3), (0, 3)], [True, True]),
        ("EuclideanLoss", "", [(0, 3), (0, 3)], [True, True]),
        ("LRN", "", NO_IMAGES, [True]),
        ("LRN", "", [(2, 0, 4, 5)], [True]),
        ("LRN", "lrn_param { norm_region: WITHIN_CHANNEL }", NO_IMAGES, [True]),
        ("LSTM", "recurrent_param { num_output: 2 }", [(3, 0, 4), (3, 0)], [True, False]),
        ("MVN", "", NO_IMAGES, [True]),
        ("Power", "power_param { power: 3 }", NO_IMAGES, [True]),
        ("RNN", "recurrent_param { num_output: 2 }", [(3, 0, 4), (3, 0)], [True, False]),
        ("Scale", "", NO_IMAGES, [True]),
        ("SPP", "spp_param { pyramid_height: 2 }", NO_IMAGES, [True]),
        ("SPP", "spp_param { pyramid_height: 2 }", [(2, 0, 4, 5)], [True]),
        ("Softmax", "", NO_IMAGES, [True]),
        ("SoftmaxWithLoss", "", [(0, 3), (0,)], [True, False]),
        ("Swish", "", NO_IMAGES, [True]),
    ],
)
def test_forward_and_backward(kind, param, shapes, down):
    layer, bottom, top = one_layer(kind, param, *shapes)
    for blob in layer.blobs:
        blob.data[...] = 1
    layer.forward(bottom, top)
    layer.backward(top, down, bottom)
    assert not any(blob.diff.any() for blob in layer.blobs)
    assert not any(blob.diff.size for blob, wanted in zip(bottom, down) if wanted)


def test_statistics_of_nothing():
    layer, bottom, top = one_layer("BatchNorm", "", *NO_IMAGES)
    with pytest.raises(LayerError, match=r"bottom\[0\] of shape \(0, 3, 4, 5\) has no values to take the mean of"):
        layer.forward(bottom, top)
