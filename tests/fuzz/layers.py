"""Native layers with extreme parameters: one to four of a working layer's are changed."""

from __future__ import annotations

import random

import numpy as np
from google.protobuf import text_format
from google.protobuf.descriptor import FieldDescriptor

from caffe_pylayers.runtime.layers.layer import LAYERS
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.net.step import Step
from caffe_pylayers.runtime.proto.caffe_pb2 import LayerParameter

INTEGERS = [0, -1, 1, 2, 2**15 - 1, 2**15, 2**16, 10**5, 2**30, 2**31 - 1, 2**32 - 1, -(2**31)]
REALS = [float("nan"), float("inf"), float("-inf"), 0.0, -1.0, 3e38, 1e-45]
MAPS = (1, 2, 3, 4)
SIDES = "{0}_h: 2 {0}_w: 2 stride_h: 1 stride_w: 1 pad_h: 0 pad_w: 0"
# type, parameters to start from, shapes of the bottoms, number of tops
WORKING = [
    ("Convolution", "convolution_param { num_output: 2 kernel_size: 2 }", [MAPS], 1),
    (
        "Convolution",
        "convolution_param { num_output: 2 kernel_size: 2 stride: 2 pad: 2 dilation: 2 group: 2 }",
        [MAPS],
        1,
    ),
    ("Convolution", "convolution_param { num_output: 2 kernel_size: 2 }", [(1, 2, 9)], 1),
    ("Convolution", "convolution_param { num_output: 2 kernel_size: 2 }", [(1, 2, 3, 3, 3, 3)], 1),
    ("Convolution", f"convolution_param {{ num_output: 2 {SIDES.format('kernel')} }}", [MAPS], 1),
    ("Deconvolution", "convolution_param { num_output: 2 kernel_size: 2 }", [MAPS], 1),
    ("Deconvolution", "convolution_param { num_output: 1 kernel_size: 1 bias_term: false }", [(1, 1, 1, 2)], 1),
    ("Deconvolution", f"convolution_param {{ num_output: 2 {SIDES.format('kernel')} }}", [MAPS], 1),
    ("Im2col", "convolution_param { kernel_size: 2 }", [MAPS], 1),
    ("Im2col", f"convolution_param {{ {SIDES.format('kernel')} }}", [MAPS], 1),
    ("Pooling", "pooling_param { kernel_size: 2 }", [MAPS], 1),
    ("Pooling", "pooling_param { pool: AVE kernel_size: 2 stride: 2 pad: 1 }", [MAPS], 1),
    ("Pooling", "pooling_param { pool: STOCHASTIC kernel_size: 2 stride: 2 }", [MAPS], 1),
    ("Pooling", f"pooling_param {{ {SIDES.format('kernel')} }}", [MAPS], 2),
    ("Pooling", f"pooling_param {{ pool: AVE {SIDES.format('kernel')} }}", [MAPS], 1),
    ("SPP", "spp_param { pyramid_height: 2 }", [(2, 3, 8, 8)], 1),
    ("LRN", "lrn_param { }", [MAPS], 1),
    ("LRN", "lrn_param { norm_region: WITHIN_CHANNEL }", [MAPS], 1),
    ("Crop", "crop_param { }", [MAPS, (1, 2, 2, 3)], 1),
    ("Tile", "tile_param { tiles: 2 }", [MAPS], 1),
    ("Concat", "concat_param { }", [MAPS, MAPS], 1),
    ("Slice", "slice_param { }", [MAPS], 2),
    ("Slice", "slice_param { slice_point: 1 }", [MAPS], 2),
    ("Reshape", "reshape_param { shape { dim: 2 dim: -1 } }", [MAPS], 1),
    ("Flatten", "flatten_param { }", [MAPS], 1),
    ("Embed", "embed_param { input_dim: 5 num_output: 3 }", [(2, 3)], 1),
    ("InnerProduct", "inner_product_param { num_output: 3 }", [MAPS], 1),
    ("ArgMax", "argmax_param { }", [MAPS], 1),
    ("ArgMax", "argmax_param { axis: 1 top_k: 2 out_max_val: true }", [MAPS], 1),
    ("Reduction", "reduction_param { }", [MAPS], 1),
    ("Softmax", "softmax_param { }", [MAPS], 1),
    ("SoftmaxWithLoss", "softmax_param { } loss_param { }", [(4, 3), (4,)], 1),
    ("Accuracy", "accuracy_param { }", [(4, 3), (4,)], 1),
    ("InfogainLoss", "infogain_loss_param { } loss_param { }", [(4, 3), (4,), (3, 3)], 1),
    ("SigmoidCrossEntropyLoss", "loss_param { }", [(4, 3), (4, 3)], 1),
    ("HingeLoss", "hinge_loss_param { }", [(4, 3), (4,)], 1),
    ("ContrastiveLoss", "contrastive_loss_param { }", [(4, 3), (4, 3), (4,)], 1),
    ("Scale", "scale_param { bias_term: true }", [MAPS], 1),
    ("Scale", "scale_param { }", [MAPS, (1,)], 1),
    ("Bias", "bias_param { }", [MAPS], 1),
    ("PReLU", "prelu_param { }", [MAPS], 1),
    ("BatchNorm", "batch_norm_param { }", [MAPS], 1),
    ("MVN", "mvn_param { }", [MAPS], 1),
    ("LSTM", "recurrent_param { num_output: 3 }", [(3, 2, 4), (3, 2)], 1),
    ("RNN", "recurrent_param { num_output: 3 }", [(3, 2, 4), (3, 2)], 1),
    ("Input", "input_param { shape { dim: 2 dim: 3 } }", [], 1),
    ("DummyData", "dummy_data_param { shape { dim: 2 dim: 3 } }", [], 1),
    ("DummyData", "dummy_data_param { num: 1 channels: 1 height: 1 width: 2 }", [], 1),
    ("Parameter", "parameter_param { shape { dim: 2 dim: 3 } }", [], 1),
    ("Eltwise", "eltwise_param { coeff: 1 coeff: 2 }", [MAPS, MAPS], 1),
    ("Dropout", "dropout_param { }", [MAPS], 1),
    ("ReLU", "relu_param { }", [MAPS], 1),
    ("ELU", "elu_param { }", [MAPS], 1),
    ("Swish", "swish_param { }", [MAPS], 1),
    ("Power", "power_param { }", [MAPS], 1),
    ("Exp", "exp_param { }", [MAPS], 1),
    ("Log", "log_param { }", [MAPS], 1),
    ("Clip", "clip_param { min: -1 max: 1 }", [MAPS], 1),
    ("Threshold", "threshold_param { }", [MAPS], 1),
]


def hostile_layer(draw: random.Random) -> tuple[str, list[tuple[int, ...]], int]:
    """A layer's text, the shapes of its bottoms and the number of its tops."""
    while True:
        kind, text, bottoms, tops = draw.choice(WORKING)
        base = text_format.Parse(f'name: "l" type: "{kind}" {text}', LayerParameter())
        fields = [(place, field, _values(field)) for place, field in _fields(base)]
        fields = [found for found in fields if found[2]]
        chosen = draw.sample(fields, min(len(fields), draw.choice((1, 1, 2, 3, 4))))
        changed = _with(base, [(place, field, draw.choice(values)) for place, field, values in chosen])
        if changed:
            return changed, bottoms, tops


def use(text: str, bottoms: list[tuple[int, ...]], tops: int) -> None:
    """Set the layer up, run it forward and backward, all gradients wanted."""
    param = text_format.Parse(text, LayerParameter())
    layer = LAYERS.get(param.type)(param, 0)
    bottom, top = [Blob(shape) for shape in bottoms], [Blob() for _ in range(tops)]
    for i, blob in enumerate(bottom):
        blob.data[...] = np.random.RandomState(i).rand(*blob.shape) if blob.count > 4 else 1
    step = Step(layer, [], [], bottom, top, backward=True, propagate_down=[i == 0 for i in range(len(bottom))])
    step.setup()
    layer.param_propagate_down = [True] * len(layer.blobs)
    step.run_forward()
    for blob in top:
        blob.read_diff()
    step.run_backward()


def _fields(message, place=()):
    """The fields of a layer's own parameters, with the way to the message that has them."""
    for field in message.DESCRIPTOR.fields:
        if field.cpp_type != FieldDescriptor.CPPTYPE_MESSAGE:
            if place:
                yield place, field
        elif place or (field.name.endswith("_param") and message.HasField(field.name)):
            value = getattr(message, field.name)
            for i, inner in enumerate([value] if hasattr(value, "DESCRIPTOR") else value):
                yield from _fields(inner, (*place, (field.name, i)))


def _values(field):
    if field.cpp_type in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE):
        return REALS
    if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
        return [value.number for value in field.enum_type.values]
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return [False, True]
    return [] if field.cpp_type == FieldDescriptor.CPPTYPE_STRING else INTEGERS


def _with(base, changes):
    """The layer's text with these values; None where a field cannot hold one."""
    param = type(base)()
    param.CopyFrom(base)
    for place, field, value in changes:
        message = param
        for name, i in place:
            inner = getattr(message, name)
            message = inner if hasattr(inner, "DESCRIPTOR") else inner[i]
        values = getattr(message, field.name)
        try:
            if isinstance(values, (int, float)):
                setattr(message, field.name, value)
            else:
                values[-1:] = [value]
        except ValueError:
            return None
    return text_format.MessageToString(param, as_one_line=True)
