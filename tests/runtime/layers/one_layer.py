"""One native layer as a net sets it up."""

from google.protobuf import text_format

import caffe_pylayers.runtime.layers  # noqa: F401 - registers the types
from caffe_pylayers.runtime.layers.layer import LAYERS
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.proto.caffe_pb2 import LayerParameter

TRAIN, TEST = 0, 1


def one_layer(kind, param, *shapes, tops=1, phase=TRAIN):
    """A layer named "l", its bottoms and its tops, after setup and reshape."""
    layer_param = text_format.Parse(f'name: "l" type: "{kind}" {param}', LayerParameter())
    layer = LAYERS.get(kind)(layer_param, phase)
    bottom, top = [Blob(shape) for shape in shapes], [Blob() for _ in range(tops)]
    layer.setup(bottom, top)
    layer.param_propagate_down = [True] * len(layer.blobs)
    layer.reshape(bottom, top)
    return layer, bottom, top
