"""The upgrade from the V0 format, ``layers { layer { type: "conv" kernelsize: 5 } }``, to V1."""

from __future__ import annotations

import logging
import os
from typing import Any

from caffe_pylayers._layer.quote import quoted
from caffe_pylayers._nets.said import say
from caffe_pylayers._nets.titles import title

_TYPES = {
    "accuracy": "ACCURACY",
    "bnll": "BNLL",
    "concat": "CONCAT",
    "conv": "CONVOLUTION",
    "data": "DATA",
    "dropout": "DROPOUT",
    "euclidean_loss": "EUCLIDEAN_LOSS",
    "flatten": "FLATTEN",
    "hdf5_data": "HDF5_DATA",
    "hdf5_output": "HDF5_OUTPUT",
    "im2col": "IM2COL",
    "images": "IMAGE_DATA",
    "infogain_loss": "INFOGAIN_LOSS",
    "innerproduct": "INNER_PRODUCT",
    "lrn": "LRN",
    "multinomial_logistic_loss": "MULTINOMIAL_LOGISTIC_LOSS",
    "pool": "POOLING",
    "relu": "RELU",
    "sigmoid": "SIGMOID",
    "softmax": "SOFTMAX",
    "softmax_loss": "SOFTMAX_LOSS",
    "split": "SPLIT",
    "tanh": "TANH",
    "window_data": "WINDOW_DATA",
}

_CONV, _PRODUCT, _POOL, _LRN = "convolution_param", "inner_product_param", "pooling_param", "lrn_param"
_DATA, _HDF5, _IMAGES, _WINDOWS = "data_param", "hdf5_data_param", "image_data_param", "window_data_param"
_ANY = "any type"
_ITSELF = ""  # the layer, not a message of it

# Where a flat field went: its new name, and the message by the layer's type.
_FIELDS: dict[str, tuple[str, dict[str, str]]] = {
    "num_output": ("num_output", {"conv": _CONV, "innerproduct": _PRODUCT}),
    "biasterm": ("bias_term", {"conv": _CONV, "innerproduct": _PRODUCT}),
    "weight_filler": ("weight_filler", {"conv": _CONV, "innerproduct": _PRODUCT}),
    "bias_filler": ("bias_filler", {"conv": _CONV, "innerproduct": _PRODUCT}),
    "pad": ("pad", {"conv": _CONV, "pool": _POOL}),
    "kernelsize": ("kernel_size", {"conv": _CONV, "pool": _POOL}),
    "group": ("group", {"conv": _CONV}),
    "stride": ("stride", {"conv": _CONV, "pool": _POOL}),
    "pool": ("pool", {"pool": _POOL}),
    "dropout_ratio": ("dropout_ratio", {"dropout": "dropout_param"}),
    "local_size": ("local_size", {"lrn": _LRN}),
    "alpha": ("alpha", {"lrn": _LRN}),
    "beta": ("beta", {"lrn": _LRN}),
    "k": ("k", {"lrn": _LRN}),
    "source": (
        "source",
        {
            "data": _DATA,
            "hdf5_data": _HDF5,
            "images": _IMAGES,
            "window_data": _WINDOWS,
            "infogain_loss": "infogain_loss_param",
        },
    ),
    "scale": ("scale", {_ANY: "transform_param"}),
    "meanfile": ("mean_file", {_ANY: "transform_param"}),
    "cropsize": ("crop_size", {_ANY: "transform_param"}),
    "mirror": ("mirror", {_ANY: "transform_param"}),
    "batchsize": ("batch_size", {"data": _DATA, "hdf5_data": _HDF5, "images": _IMAGES, "window_data": _WINDOWS}),
    "rand_skip": ("rand_skip", {"data": _DATA, "images": _IMAGES}),
    "shuffle_images": ("shuffle", {"images": _IMAGES}),
    "new_height": ("new_height", {"images": _IMAGES}),
    "new_width": ("new_width", {"images": _IMAGES}),
    "concat_dim": ("concat_dim", {"concat": "concat_param"}),
    "det_fg_threshold": ("fg_threshold", {"window_data": _WINDOWS}),
    "det_bg_threshold": ("bg_threshold", {"window_data": _WINDOWS}),
    "det_fg_fraction": ("fg_fraction", {"window_data": _WINDOWS}),
    "det_context_pad": ("context_pad", {"window_data": _WINDOWS}),
    "det_crop_mode": ("crop_mode", {"window_data": _WINDOWS}),
    "hdf5_output_param": ("hdf5_output_param", {"hdf5_output": _ITSELF}),
}

_SAME = {"name", "type", "blobs", "blobs_lr", "weight_decay"}
_KEPT_OF_NET = {"name", "layers", "input", "input_dim", "force_backward"}
_KEPT_OF_LAYERS = {"bottom", "top", "layer"}


def upgrade(net: Any, name: str | os.PathLike[str]) -> None:
    """Bring the layers to V1, in place.

    Fields that mean nothing in this format are dropped, as Caffe does, with an error in the log.
    Raises ValueError for an unknown type, and for padding layers where there can be none.
    """
    _fold_paddings(net)
    dropped = _drop(net, _KEPT_OF_NET)
    for layers in net.layers:
        dropped += _drop(layers, _KEPT_OF_LAYERS)
        if layers.HasField("layer"):
            dropped += _upgrade_layer(layers.layer, layers)
            layers.ClearField("layer")
    for what in dropped:
        say(f"{name}: {what}: dropped, it means nothing here in a net of the V0 format", logging.ERROR)


def _fold_paddings(net: Any) -> None:
    """Turn each padding layer into the pad of the convolutions and poolings that read it."""
    source: dict[str, Any] = dict.fromkeys(net.input)
    for layers in net.layers:
        for i, blob in enumerate(layers.bottom):
            if blob not in source:
                raise ValueError(
                    f"layer {quoted(layers.layer.name)}: no layer before it makes its bottom {quoted(blob)}"
                )
            padding = source[blob]
            if padding is not None and padding.layer.type == "padding":
                _check_padding(padding, layers)
                layers.layer.pad = padding.layer.pad
                layers.bottom[i] = padding.bottom[0]
        source.update(dict.fromkeys(layers.top, layers))
    for i in reversed(range(len(net.layers))):
        if net.layers[i].layer.type == "padding":
            del net.layers[i]


def _check_padding(padding: Any, reader: Any) -> None:
    layer = reader.layer
    if layer.type not in ("conv", "pool"):
        raise ValueError(f"{title(layer)} reads a padding layer; only conv and pool can")
    counts = {
        f"layer {quoted(layer.name)}, which reads a padding layer, needs 1 bottom": len(reader.bottom),
        f"padding layer {quoted(padding.layer.name)} needs 1 bottom": len(padding.bottom),
        f"padding layer {quoted(padding.layer.name)} needs 1 top": len(padding.top),
    }
    for need, count in counts.items():
        if count != 1:
            raise ValueError(f"{need}, got {count}")


def _upgrade_layer(old: Any, new: Any) -> list[str]:
    """Move the fields of a V0 layer to where V1 has them; return those that have no place there."""
    dropped = []
    if old.HasField("name"):
        new.name = old.name
    if old.HasField("type"):
        new.type = _type(old, new)
    new.blobs.extend(old.blobs)
    new.blobs_lr.extend(old.blobs_lr)
    new.weight_decay.extend(old.weight_decay)
    for descriptor, value in old.ListFields():
        field = descriptor.name
        if field in _SAME:
            continue
        new_field, owners = _FIELDS.get(field, (field, {}))
        owner = owners.get(old.type, owners.get(_ANY))
        if owner is None:
            dropped.append(f"{field} of {title(old)}")
        else:
            try:
                _put(getattr(new, owner) if owner else new, new_field, value)
            except ValueError as error:
                raise ValueError(f"{title(old)}: {field}: {error}") from None
    return dropped


def _put(message: Any, field: str, value: Any) -> None:
    place = getattr(message, field)
    if hasattr(place, "append"):
        place.append(value)
    elif hasattr(place, "CopyFrom"):
        place.SetInParent()
        place.CopyFrom(value)
    else:
        setattr(message, field, value)


def _type(old: Any, new: Any) -> int:
    if old.type not in _TYPES:
        raise ValueError(
            f"layer {quoted(old.name)}: unknown type {quoted(old.type)} of the V0 format; "
            f"known: {', '.join(sorted(_TYPES))}, padding"
        )
    number: int = new.DESCRIPTOR.fields_by_name["type"].enum_type.values_by_name[_TYPES[old.type]].number
    return number


def _drop(message: Any, kept: set[str]) -> list[str]:
    """Clear all fields but those kept; return their names."""
    dropped = [descriptor.name for descriptor, _ in message.ListFields() if descriptor.name not in kept]
    place = f"of layers with top {quoted(message.top[0])}" if kept is _KEPT_OF_LAYERS and message.top else ""
    for field in dropped:
        message.ClearField(field)
    return [f"{field} {place}".strip() for field in dropped]
