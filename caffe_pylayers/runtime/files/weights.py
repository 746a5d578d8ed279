"""Trained weights in files: Caffe's caffemodel, binary and HDF5."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from caffe_pylayers._disk import files, hdf5
from caffe_pylayers._layer.quote import quoted
from caffe_pylayers._nets import stored
from caffe_pylayers._nets.backward_plan import loss_weights
from caffe_pylayers._nets.forks.table import in_python
from caffe_pylayers.runtime.files import blob_proto
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.process import LOGGER
from caffe_pylayers.runtime.proto import caffe_pb2


def load(net: Any, path: str | os.PathLike[str]) -> None:
    """Copy a file's weights, binary or HDF5, to the net's layers of the same names.

    The file's other layers are ignored, the net's other layers keep what they have. ValueError,
    and nothing copied, unless all blobs of all common layers fit.
    """
    Source(path).copy_to(net)


class Source:
    """A file of weights, binary or HDF5, read once, when it is first asked for; OSError, or ValueError for none."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = path

    def blobs(self) -> dict[str, stored.Blobs]:
        """Return the shapes of the blobs, by layer."""
        return self._read[0]

    def copy_to(self, net: Any) -> None:
        """Copy the weights to a net, as load does."""
        self._read[1](net)

    @functools.cached_property
    def _read(self) -> tuple[dict[str, stored.Blobs], Callable[[Any], None]]:
        path = self.path
        if hdf5.is_hdf5(path):
            with hdf5.reading(path) as file:
                return stored.hdf5_layers(file, path), lambda net: load_hdf5(net, path)
        model = read_model(path)
        return stored.model_blobs(model), lambda net: copy(model, net, path)


def read_model(path: str | os.PathLike[str]) -> Any:
    """Return the NetParameter in a binary caffemodel, in the current format; ValueError for a file that is none."""
    model = caffe_pb2.NetParameter()
    stored.parse_model(Path(path).read_bytes(), model, path)
    return model


def copy(model: Any, net: Any, name: str | os.PathLike[str]) -> None:
    """Copy the weights, and the gradients if there are any, of a NetParameter called ``name``; as load does."""
    learned = _learned(net)
    by_name = {layer.name: layer for layer in reversed(_layers(net))}
    checked: list[tuple[Blob, Any]] = []
    for source, blobs in zip(model.layer, map(stored.layer_blobs, model.layer)):
        if source.name not in by_name:
            LOGGER.info("Ignoring source layer %s", source.name)
            continue
        _check(stored.misfit(source.name, blobs, learned[source.name], hdf5=False), name)
        for i, (blob, proto) in enumerate(zip(by_name[source.name].blobs, source.blobs)):
            _check_values(blob, proto, f"{name}: layer {quoted(source.name)}, blob {i}")
            checked.append((blob, proto))
    for blob, proto in checked:
        blob.data[...] = blob_proto.values(proto).reshape(blob.shape)
        diff = blob_proto.values(proto, "diff")
        if diff.size:
            blob.diff[...] = diff.reshape(blob.shape)


def save(net: Any, path: str | os.PathLike[str], write_diff: bool = False) -> None:
    """Write the net, with its weights, as a binary caffemodel: all of the new file or none of it."""
    content = to_message(net, write_diff).SerializeToString()
    with files.whole(Path(path)) as temporary:
        temporary.write_bytes(content)


def to_message(net: Any, write_diff: bool = False) -> Any:
    """Return the net as a NetParameter: its layers, automatic Splits among them, and their weights."""
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
    learned = _learned(net)
    by_name = {layer.name: layer for layer in reversed(_layers(net))}
    read = {}
    with hdf5.reading(path) as file:
        layers = stored.hdf5_layers(file, path)
        for name in layers:
            if name not in by_name:
                LOGGER.info("Ignoring source layer %s", name)
                continue
            _check(stored.misfit(name, layers[name], learned[name], hdf5=True), path, hdf5.ContentError)
            for i in layers[name]:
                read[name, i] = hdf5.values(file["data"][name][str(i)], f"{path}: layer {quoted(name)}, blob {i}")
    for (name, i), values in read.items():
        blob = by_name[name].blobs[i]
        blob.data[...] = values.reshape(blob.shape)


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


def _learned(net: Any) -> dict[str, list[stored.Learned]]:
    """The net's parameters by layer; of layers of one name those of the first, which Caffe copies to."""
    found: dict[str, list[stored.Learned]] = {}
    for index, layer in enumerate(_layers(net)):
        of_fork = layer.type != "Python" and in_python(layer.layer_param)
        blobs = [
            stored.Learned(blob.shape, net._param_owner(index, i) != -1, of_fork) for i, blob in enumerate(layer.blobs)
        ]
        found.setdefault(layer.name, blobs)
    return found


def _check(misfit: str, path: str | os.PathLike[str], error: type[ValueError] = ValueError) -> None:
    if misfit:
        raise error(f"{path}: {misfit}; {stored.RENAME}")


def _check_values(blob: Blob, proto: Any, where: str) -> None:
    values, diffs = blob_proto.size(proto), blob_proto.size(proto, "diff")
    if values != blob.count:
        raise ValueError(f"{where} of shape {blob.shape} needs {blob.count} values, got {values}")
    if diffs not in (0, blob.count):
        raise ValueError(f"{where} of shape {blob.shape} needs {blob.count} gradients, got {diffs}")


def _check_names(names: list[str], path: str | os.PathLike[str]) -> None:
    for i, name in enumerate(names):
        if not name or "/" in name:
            raise ValueError(f"{path}: HDF5 cannot have a layer named {quoted(name)}; rename it, or save as binary")
        if name in names[:i]:
            raise ValueError(f"{path}: HDF5 cannot have two layers named {quoted(name)}; rename one, or save as binary")


def _layers(net: Any) -> list[Any]:
    """The native layers: a Python layer as the net runs it, not the instance of its class."""
    return [step.layer for step in net.steps]
