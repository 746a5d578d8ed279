"""Trained weights in files: Caffe's caffemodel, binary and HDF5."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from caffe_pylayers._disk import files
from caffe_pylayers._nets import upgrade
from caffe_pylayers._nets.backward_plan import loss_weights
from caffe_pylayers.runtime.files import blob_proto, hdf5
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.process import LOGGER
from caffe_pylayers.runtime.proto import caffe_pb2

_RENAME = "to learn a layer anew, give it another name"


def load(net: Any, path: str | os.PathLike[str]) -> None:
    """Copy a file's weights, binary or HDF5, to the net's layers of the same names.

    The file's other layers are ignored, the net's other layers keep what they have. ValueError,
    and nothing copied, unless all blobs of all common layers fit.
    """
    source(path)(net)


def source(path: str | os.PathLike[str]) -> Callable[[Any], None]:
    """What copies a file's weights to a net, as load does; ValueError here for a file that cannot be read."""
    if hdf5.is_hdf5(path):
        with hdf5.reading(path) as file:
            file["data"]
        return lambda net: load_hdf5(net, path)
    model = read_model(path)
    return lambda net: copy(model, net, path)


def read_model(path: str | os.PathLike[str]) -> Any:
    """The NetParameter in a binary caffemodel, in the current format; ValueError where there is none."""
    content = Path(path).read_bytes()
    if not content:
        raise ValueError(f"{path}: empty")
    try:
        model = caffe_pb2.NetParameter.FromString(content)
    except DecodeError:
        raise ValueError(f"{path}: no caffemodel, or not a whole one") from None
    upgrade.upgrade_net(model, path)
    return model


def copy(model: Any, net: Any, name: str | os.PathLike[str]) -> None:
    """Copy the weights, and the gradients if there are any, of a NetParameter called ``name``; as load does."""
    layers = _layers(net)
    by_name = {layer.name: layer for layer in reversed(layers)}
    checked: list[tuple[Blob, Any]] = []
    for source in model.layer:
        if source.name not in by_name:
            LOGGER.info("Ignoring source layer %s", source.name)
            continue
        blobs = by_name[source.name].blobs
        where = f'{name}: layer "{source.name}"'
        if len(blobs) != len(source.blobs):
            raise ValueError(f"{where} has {len(source.blobs)} blobs, the net's {len(blobs)}; {_RENAME}")
        for i, (blob, stored) in enumerate(zip(blobs, source.blobs)):
            _check(blob, stored, f"{where}, blob {i}")
            checked.append((blob, stored))
    for blob, stored in checked:
        blob.data[...] = blob_proto.values(stored).reshape(blob.shape)
        diff = blob_proto.values(stored, "diff")
        if diff.size:
            blob.diff[...] = diff.reshape(blob.shape)


def save(net: Any, path: str | os.PathLike[str], write_diff: bool = False) -> None:
    """Write the net, with its weights, as a binary caffemodel: all of the new file or none of it."""
    content = to_message(net, write_diff).SerializeToString()
    with files.whole(Path(path)) as temporary:
        temporary.write_bytes(content)


def to_message(net: Any, write_diff: bool = False) -> Any:
    """The net as a NetParameter: its layers, automatic Splits among them, and their weights."""
    model = caffe_pb2.NetParameter(name=net.name)
    for layer in _layers(net):
        written = model.layer.add()
        written.CopyFrom(layer.layer_param)
        written.ClearField("blobs")
        if not written.loss_weight:  # a loss has a weight of 1 by default, and Caffe writes it
            written.loss_weight.extend(loss_weights(written))
        for blob in layer.blobs:
            blob_proto.fill(written.blobs.add(), blob.data, blob.diff if write_diff else None)
    return model


def load_hdf5(net: Any, path: str | os.PathLike[str]) -> None:
    """Copy the weights of an HDF5 caffemodel, as load does; a shared blob is there once, with its owner."""
    layers = _layers(net)
    by_name = {layer.name: i for i, layer in enumerate(layers)}
    checked: list[tuple[Blob, Any]] = []
    with hdf5.reading(path) as file:
        for name, group in file["data"].items():
            if name not in by_name:
                LOGGER.info("Ignoring source layer %s", name)
                continue
            index = by_name[name]
            blobs = layers[index].blobs
            where = f'{path}: layer "{name}"'
            missing = [i for i in range(len(blobs)) if str(i) not in group and net._param_owner(index, i) == -1]
            if len(group) > len(blobs) or missing:
                raise ValueError(f"{where} has {len(group)} blobs, the net's {len(blobs)}; {_RENAME}")
            for i, blob in enumerate(blobs):
                if str(i) in group:
                    stored = group[str(i)]
                    _check_dataset(blob, stored, f"{where}, blob {i}")
                    checked.append((blob, stored))
        for blob, stored in checked:
            blob.data[...] = stored[()]


def save_hdf5(net: Any, path: str | os.PathLike[str], write_diff: bool = False) -> None:
    """Write the weights as an HDF5 caffemodel: all of the new file or none of it.

    A shared blob is written once, with its owner. ValueError for a layer name that HDF5 cannot
    have: an empty one, one with a slash, and one that a layer before has.
    """
    layers = _layers(net)
    _check_names([layer.name for layer in layers], path)
    with hdf5.writing(path) as file:
        data = file.create_group("data")
        diffs = file.create_group("diff") if write_diff else None
        for index, layer in enumerate(layers):
            group = data.create_group(layer.name)
            diff_group = None if diffs is None else diffs.create_group(layer.name)
            for i, blob in enumerate(layer.blobs):
                if net._param_owner(index, i) == -1:
                    group.create_dataset(str(i), data=blob.data)
                if diff_group is not None:
                    diff_group.create_dataset(str(i), data=blob.diff)


def _check(blob: Blob, stored: Any, where: str) -> None:
    if not blob_proto.fits(stored, blob.shape):
        raise ValueError(f"{where} has shape {blob_proto.shape(stored)}, the net's {blob.shape}; {_RENAME}")
    values, diffs = blob_proto.size(stored), blob_proto.size(stored, "diff")
    if values != blob.count:
        raise ValueError(f"{where} of shape {blob.shape} needs {blob.count} values, got {values}")
    if diffs not in (0, blob.count):
        raise ValueError(f"{where} of shape {blob.shape} needs {blob.count} gradients, got {diffs}")


def _check_dataset(blob: Blob, stored: Any, where: str) -> None:
    hdf5.check_numbers(stored, where)
    if stored.shape != blob.shape:
        raise ValueError(f"{where} has shape {stored.shape}, the net's {blob.shape}; {_RENAME}")


def _check_names(names: list[str], path: str | os.PathLike[str]) -> None:
    for i, name in enumerate(names):
        if not name or "/" in name:
            raise ValueError(f'{path}: HDF5 cannot have a layer named "{name}"; rename it, or save as binary')
        if name in names[:i]:
            raise ValueError(f'{path}: HDF5 cannot have two layers named "{name}"; rename one, or save as binary')


def _layers(net: Any) -> list[Any]:
    """The native layers: a Python layer as the net runs it, not the instance of its class."""
    return [step.layer for step in net._steps]
