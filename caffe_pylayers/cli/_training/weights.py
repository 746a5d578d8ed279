"""Trained weights in a file, before Caffe reads it: it ends the process over what does not fit."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping

import numpy as np

from caffe_pylayers import _engine
from caffe_pylayers._disk import hdf5
from caffe_pylayers._layer.quote import quoted
from caffe_pylayers._nets import stored
from caffe_pylayers._nets.forks.table import KINDS
from caffe_pylayers._nets.stored import Model
from caffe_pylayers.cli import UserError


def read_model(path: Path) -> Model:
    """Return the blobs' shapes in a caffemodel, binary or HDF5. UserError unless it is there and whole."""
    return read_whole(path)[0]


def read_whole(path: Path, port: bool = False) -> tuple[Model, Any]:
    """Return what read_model returns, and the NetParameter in a binary caffemodel; None for HDF5.

    port: a fork's is taken, which this engine's caffe may not read.
    """
    net = None
    try:
        if hdf5.is_hdf5(path):
            with hdf5.reading(path) as file:
                model = Model(stored.hdf5_layers(file, path), hdf5=True)
        else:
            net = _engine.messages().NetParameter()
            as_it_is = stored.parse_model(path.read_bytes(), net, path)
            if not (as_it_is or port or _engine.on_runtime()):
                raise UserError(f"weights {path}: a fork's, which this caffe cannot read; see `caffe-pylayers port`")
            model = Model(stored.model_blobs(net), hdf5=False)
    except OSError as error:
        raise UserError(f"weights {path}: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"weights {error}") from None
    if not model.layers:
        raise UserError(f"weights {path}: no caffemodel, or not a whole one")
    return model, net


class ModelFile:
    """A caffemodel, read once, when it is first asked for; UserError as read_model."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @functools.cached_property
    def model(self) -> Model:
        """The blobs' shapes."""
        return read_model(self.path)

    def blobs(self) -> Mapping[str, stored.Blobs]:
        """Return the blobs' shapes by layer, for ``prototxt.read_net``."""
        return self.model.layers


@dataclass(frozen=True)
class LearnedBlob:
    """A parameter of a net.

    shared: another layer before has the same one, under the same ``param`` name. of_fork: the layer is a fork's.
    """

    layer: str
    number: int
    shape: tuple[int, ...]
    shared: bool
    of_fork: bool


def learned_blobs(net: Any) -> list[LearnedBlob]:
    """Return the parameters of a net, in order."""
    seen: set[int] = set()
    found = []
    for layer, blobs in net.params.items():
        of_fork = net.layer_dict[layer].type in KINDS
        for number, blob in enumerate(blobs):
            address = blob.data.ctypes.data
            found.append(LearnedBlob(layer, number, tuple(blob.shape), address in seen, of_fork))
            seen.add(address)
    return found


def check_model(path: Path, model: Model, net: Any) -> int:
    """Return how many of a model's layers Caffe copies into a net; UserError unless it can copy them."""
    learned: dict[str, list[stored.Learned]] = {name: [] for name in net._layer_names}
    for blob in learned_blobs(net):
        learned[blob.layer].append(stored.Learned(blob.shape, blob.shared, blob.of_fork))
    common = [name for name in model.layers if name in learned]
    problems = [stored.misfit(name, model.layers[name], learned[name], model.hdf5) for name in common]
    if any(problems):
        listed = "\n  ".join(filter(None, problems))
        raise UserError(f"weights {path} do not fit the net; {stored.RENAME}:\n  {listed}")
    copied = sum(bool(model.layers[name]) for name in common)
    if not copied and any(learned.values()):
        raise UserError(nothing_in_common(path, model))
    return copied


def check_finite(path: Path, model: Model, net: Any) -> None:
    """Raise UserError for a value that is none in what has been copied of a model: a loss of it would be none, too."""
    for layer in filter(model.layers.__contains__, net.params):
        for i, blob in enumerate(net.params[layer]):
            wrong = np.flatnonzero(~np.isfinite(blob.data))
            if wrong.size:
                value = blob.data.reshape(-1)[wrong[0]]
                where = f"layer {quoted(layer)}, blob {i}: {value:g} at index {wrong[0]}"
                raise UserError(f"weights {path}: {where}; {wrong.size} of its {blob.count} values are no numbers")


def nothing_in_common(path: str | Path, model: Model) -> str:
    """Return what is said of weights of another net."""
    return f"weights {path}: none of its layers is in the net; it has {', '.join(sorted(model.layers))}"
