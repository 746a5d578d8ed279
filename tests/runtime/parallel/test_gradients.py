"""Buckets of gradients: which blobs go together, and when."""

import pytest

pytest.importorskip("torch")

from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.parallel.gradients import split

CAFFENET = {
    "conv1": (96, 3, 11, 11),
    "conv2": (256, 48, 5, 5),
    "conv3": (384, 256, 3, 3),
    "conv4": (384, 192, 3, 3),
    "conv5": (256, 192, 3, 3),
    "fc6": (4096, 9216),
    "fc7": (4096, 4096),
    "fc8": (1000, 4096),
}


def buckets(shapes, size):
    """The buckets of layers with blobs of these shapes: the first layer, and each blob's place."""
    layers = [[Blob(shape) for shape in blobs] for blobs in shapes]
    place = {blob: (layer, i) for layer, blobs in enumerate(layers) for i, blob in enumerate(blobs)}
    return [(first, [place[blob] for blob in blobs]) for first, blobs in split(layers, size)]


def test_small_blobs_go_together_until_they_are_a_bucket():
    # Bytes of the layers: 8, 0, 12, 4, 12.
    assert buckets([[[2]], [], [[2], [1]], [[1]], [[3]]], 16) == [(3, [(4, 0), (3, 0)]), (0, [(2, 0), (2, 1), (0, 0)])]


def test_nothing_to_send():
    assert buckets([[], []], 16) == []


def test_caffenets_large_layers_go_as_soon_as_they_are_complete():
    shapes = [(weights, (weights[0],)) for weights in CAFFENET.values()]
    fc6, fc7, fc8 = 5, 6, 7
    convolutions = [(layer, i) for layer in reversed(range(fc6)) for i in (0, 1)]
    assert buckets(shapes, 25 << 20) == [
        (fc8, [(fc8, 0), (fc8, 1)]),
        (fc7, [(fc7, 0)]),
        (fc7, [(fc7, 1)]),
        (fc6, [(fc6, 0)]),
        (0, [(fc6, 1), *convolutions]),
    ]
