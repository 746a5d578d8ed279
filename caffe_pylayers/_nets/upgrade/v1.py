"""The upgrade from the V1 format, ``layers { type: CONVOLUTION blobs_lr: 1 }``, to the current one."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._layer.quote import quoted
from caffe_pylayers._nets.forks.enums import V1_TYPES

_TYPES = {
    "NONE": "",
    "ABSVAL": "AbsVal",
    "ACCURACY": "Accuracy",
    "ARGMAX": "ArgMax",
    "BNLL": "BNLL",
    "CONCAT": "Concat",
    "CONTRASTIVE_LOSS": "ContrastiveLoss",
    "CONVOLUTION": "Convolution",
    "DATA": "Data",
    "DECONVOLUTION": "Deconvolution",
    "DROPOUT": "Dropout",
    "DUMMY_DATA": "DummyData",
    "ELTWISE": "Eltwise",
    "EUCLIDEAN_LOSS": "EuclideanLoss",
    "EXP": "Exp",
    "FLATTEN": "Flatten",
    "HDF5_DATA": "HDF5Data",
    "HDF5_OUTPUT": "HDF5Output",
    "HINGE_LOSS": "HingeLoss",
    "IM2COL": "Im2col",
    "IMAGE_DATA": "ImageData",
    "INFOGAIN_LOSS": "InfogainLoss",
    "INNER_PRODUCT": "InnerProduct",
    "LRN": "LRN",
    "MEMORY_DATA": "MemoryData",
    "MULTINOMIAL_LOGISTIC_LOSS": "MultinomialLogisticLoss",
    "MVN": "MVN",
    "POOLING": "Pooling",
    "POWER": "Power",
    "RELU": "ReLU",
    "SIGMOID": "Sigmoid",
    "SIGMOID_CROSS_ENTROPY_LOSS": "SigmoidCrossEntropyLoss",
    "SILENCE": "Silence",
    "SLICE": "Slice",
    "SOFTMAX": "Softmax",
    "SOFTMAX_LOSS": "SoftmaxWithLoss",
    "SPLIT": "Split",
    "TANH": "TanH",
    "THRESHOLD": "Threshold",
    "WINDOW_DATA": "WindowData",
    **V1_TYPES,
}

# What the ParamSpec of a learned blob has, in repeated fields of the layer.
_SPECS = {"param": "name", "blob_share_mode": "share_mode", "blobs_lr": "lr_mult", "weight_decay": "decay_mult"}

_MESSAGES = ("include", "exclude", "blobs")
_TRANSFORMED = {"DATA": "data_param", "IMAGE_DATA": "image_data_param", "WINDOW_DATA": "window_data_param"}
_TRANSFORMATIONS = ("scale", "mean_file", "crop_size", "mirror")


def move_transformations(net: Any) -> None:
    """Move scale, mean_file, crop_size and mirror from the data layers' own messages to transform_param.

    One layer that has any makes Caffe give every data layer both messages.
    """
    layers = [
        (layer, getattr(layer, _TRANSFORMED[kind])) for layer in net.layers if (kind := _kind(layer)) in _TRANSFORMED
    ]
    if not any(source.HasField(field) for _, source in layers for field in _TRANSFORMATIONS):
        return
    for layer, source in layers:
        source.SetInParent()
        layer.transform_param.SetInParent()
        for field in _TRANSFORMATIONS:
            if source.HasField(field):
                setattr(layer.transform_param, field, getattr(source, field))
                source.ClearField(field)


def upgrade(net: Any) -> None:
    """Turn ``layers`` into ``layer``.

    Raises ValueError where a net has both, and for a type that only a fork's V1 format has.
    """
    if net.layer:
        raise ValueError(
            'both "layer" and "layers"; rewrite the old ones, layers { type: CONVOLUTION }, '
            'as layer { type: "Convolution" }'
        )
    for old in net.layers:
        _upgrade_layer(old, net.layer.add())
    net.ClearField("layers")


def _upgrade_layer(old: Any, new: Any) -> None:
    new.bottom.extend(old.bottom)
    new.top.extend(old.top)
    if old.HasField("name"):
        new.name = old.name
    if old.HasField("type"):
        kind = _kind(old)
        if kind not in _TYPES:
            raise ValueError(
                f"layer {quoted(old.name)}: {kind} is no type of BVLC's V1 format; "
                'rewrite it as layer { type: "..." }'
            )
        new.type = _TYPES[kind]
    for field in _MESSAGES:
        for message in getattr(old, field):
            getattr(new, field).add().CopyFrom(message)
    for field, spec_field in _SPECS.items():
        for i, value in enumerate(getattr(old, field)):
            spec = new.param[i] if i < len(new.param) else new.param.add()
            setattr(spec, spec_field, value)
    new.loss_weight.extend(old.loss_weight)
    for descriptor, message in old.ListFields():
        if descriptor.name.endswith("_param"):
            target = getattr(new, descriptor.name)
            target.SetInParent()
            target.CopyFrom(message)


def _kind(layer: Any) -> str:
    name: str = layer.DESCRIPTOR.fields_by_name["type"].enum_type.values_by_number[layer.type].name
    return name
