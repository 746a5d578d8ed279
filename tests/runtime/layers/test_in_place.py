"""Layers whose top is their bottom: what is refused. tests/parity has what gives Caffe's values."""

import pytest
from google.protobuf import text_format

import caffe_pylayers.runtime.layers  # noqa: F401 - registers the types
from caffe_pylayers.runtime.layers.layer import LAYERS, LayerError
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.proto.caffe_pb2 import LayerParameter

IMAGES = [(2, 3, 4, 5)]
LABELS = [(2, 3), (2,)]
SEQUENCE = [(2, 4, 3), (2, 4)]
REFUSED = [
    ("AbsVal", "", IMAGES),
    ("Accuracy", "", LABELS),
    ("ArgMax", "argmax_param { axis: 0 }", [(1, 3)]),
    ("BatchReindex", "", LABELS),
    ("Concat", "", [(2, 3), (2, 3)]),
    ("Convolution", "convolution_param { num_output: 3 kernel_size: 1 }", IMAGES),
    ("Crop", "crop_param { axis: 0 }", [(2, 3), (2, 3)]),
    ("Deconvolution", "convolution_param { num_output: 3 kernel_size: 1 }", IMAGES),
    ("Eltwise", "eltwise_param { operation: SUM }", [(2, 3), (2, 3)]),
    ("Eltwise", "eltwise_param { operation: MAX }", [(2, 3), (2, 3)]),
    ("EuclideanLoss", "", [(2, 3), (2, 3)]),
    ("Filter", "", LABELS),
    ("Flatten", "", LABELS[:1]),
    ("HingeLoss", "", LABELS),
    ("Im2col", "convolution_param { kernel_size: 1 }", IMAGES),
    ("InnerProduct", "inner_product_param { num_output: 3 }", LABELS[:1]),
    ("LRN", "", IMAGES),
    ("LSTM", "recurrent_param { num_output: 3 }", SEQUENCE),
    ("Pooling", "pooling_param { kernel_size: 1 }", IMAGES),
    ("RNN", "recurrent_param { num_output: 3 }", SEQUENCE),
    ("Reduction", "", LABELS[:1]),
    ("Reshape", "", LABELS[:1]),
    ("SPP", "spp_param { pyramid_height: 1 }", [(2, 3, 1, 1)]),
    ("SoftmaxWithLoss", "", LABELS),
    ("Split", "", LABELS[:1]),
    ("Tile", "tile_param { tiles: 1 }", LABELS[:1]),
]


def in_place(kind, param, shapes):
    param = text_format.Parse(f'name: "l" type: "{kind}" {param}', LayerParameter())
    layer, bottom = LAYERS.get(kind)(param, 0), [Blob(shape) for shape in shapes]
    layer.setup(bottom, bottom[:1])
    layer.reshape(bottom, bottom[:1])
    return layer, bottom


@pytest.mark.parametrize(("kind", "param", "shapes"), REFUSED, ids=[f"{row[0]}-{row[1][-8:-2]}" for row in REFUSED])
def test_refused(kind, param, shapes):
    with pytest.raises(LayerError, match=r"cannot work in place|the top cannot be the bottom"):
        in_place(kind, param, shapes)


@pytest.mark.parametrize(
    ("kind", "param", "shapes"),
    [("Eltwise", "eltwise_param { operation: PROD }", [(2, 3), (2, 3)]), ("MVN", "", IMAGES)],
)
def test_gradient_refused(kind, param, shapes):
    layer, bottom = in_place(kind, param, shapes)
    layer.forward(bottom, bottom[:1])
    layer.backward(bottom[:1], [False] * len(bottom), bottom)
    with pytest.raises(LayerError, match="has no gradient in place"):
        layer.backward(bottom[:1], [True] * len(bottom), bottom)
