"""A solverstate, before Caffe restores it: it ends the process over what is missing or does not fit."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from caffe_pylayers import _engine
from caffe_pylayers.cli import UserError
from caffe_pylayers.cli._training.solver_check import history_blobs, solver_type
from caffe_pylayers.cli._training.weights import (
    BlobShape,
    Model,
    check_model,
    hdf5_library,
    learned_blobs,
    read_model,
    shape_of,
)


@dataclass(frozen=True)
class State:
    """What a solverstate says.

    iteration: how many updates it has behind it.
    model_path, model: the weights it belongs to.
    history: the shapes of the solver's own blobs.
    """

    path: Path
    iteration: int
    model_path: Path
    model: Model
    history: list[BlobShape]

    def check(self, net: Any, param: Any) -> None:
        """UserError unless the state is one of this solver's type on this net."""
        check_model(self.model_path, self.model, net)
        learned = [blob.shape for blob in learned_blobs(net) if not blob.shared]
        expected = learned * history_blobs(param)
        if len(self.history) != len(expected):
            raise UserError(
                f"snapshot {self.path}: holds {len(self.history)} history blobs where {solver_type(param)} on this net"
                f" has {len(expected)}; it is of another solver type or net"
            )
        for i, (blob, shape) in enumerate(zip(self.history, expected)):
            if not blob.fits(shape):
                raise UserError(f"snapshot {self.path}: history blob {i} is {blob.dims} where this net has {shape}")


def read_state(path: Path) -> State:
    """The state in a file. UserError unless it and its model are there and whole.

    A relative path to the model starts from the working directory, as Caffe takes it.
    """
    if not path.is_file():
        raise UserError(f"snapshot {path}: no such file")
    iteration, model_path, history = (_hdf5 if path.suffix == ".h5" else _binary)(path)
    if not model_path.is_file():
        raise UserError(f"snapshot {path}: its weights {_absolute(model_path)} are not there; it needs both files")
    try:
        model = read_model(model_path)
    except UserError as error:
        raise UserError(f"snapshot {path}: its {error}") from None
    return State(path, iteration, model_path, model, history)


def _absolute(path: Path) -> str:
    return os.path.abspath(path)


def _binary(path: Path) -> tuple[int, Path, list[BlobShape]]:
    from google.protobuf.message import DecodeError

    state = _engine.messages().SolverState()
    try:
        state.ParseFromString(path.read_bytes())
    except DecodeError:
        raise _broken(path) from None
    if not (state.HasField("iter") and state.learned_net):
        raise _broken(path)
    return state.iter, Path(state.learned_net), [shape_of(blob) for blob in state.history]


def _hdf5(path: Path) -> tuple[int, Path, list[BlobShape]]:
    h5py = hdf5_library()
    try:
        with h5py.File(path, "r") as file:
            history = file["history"]
            shapes = [BlobShape(tuple(history[key].shape)) for key in sorted(history, key=int)]
            return int(file["iter"][0]), Path(os.fsdecode(file["learned_net"][()])), shapes
    except (OSError, KeyError, ValueError):  # cut short, without these, with other names in it
        raise _broken(path) from None


def _broken(path: Path) -> UserError:
    return UserError(f"snapshot {path}: no solverstate, or not a whole one")
