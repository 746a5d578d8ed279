"""Snapshots on disk, read before Caffe restores one: it ends the process over what is missing or does not fit."""

from __future__ import annotations

import glob
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from caffe_pylayers import _engine
from caffe_pylayers._disk import hdf5
from caffe_pylayers._nets import stored
from caffe_pylayers._nets.solver_rules import HISTORIES
from caffe_pylayers._nets.stored import BlobShape, Model
from caffe_pylayers.cli import UserError
from caffe_pylayers.cli._training.weights import check_model, learned_blobs, read_model


@dataclass(frozen=True)
class Snapshot:
    """A solverstate and the model that it belongs to.

    path: the solverstate.
    iteration: the number of updates behind it.
    history: the shapes of the solver's own blobs.
    """

    path: Path
    iteration: int
    model_path: Path
    model: Model
    history: list[BlobShape]

    def check(self, net: Any, param: Any) -> None:
        """UserError unless the snapshot is one of this solver's type on this net."""
        check_model(self.model_path, self.model, net)
        learned = [blob.shape for blob in learned_blobs(net) if not blob.shared]
        expected = learned * HISTORIES[param.type]
        if len(self.history) != len(expected):
            raise UserError(
                f"snapshot {self.path}: holds {len(self.history)} history blobs where {param.type} on this net"
                f" has {len(expected)}; it is of another solver type or net"
            )
        for i, (blob, shape) in enumerate(zip(self.history, expected)):
            if not blob.fits(shape):
                raise UserError(f"snapshot {self.path}: history blob {i} is {blob.dims} where this net has {shape}")


def snapshot_files(prefix: Path) -> list[tuple[int, Path]]:
    """Return the iteration and path of each solverstate and caffemodel with this prefix, newest first."""
    found = []
    for path in prefix.parent.glob(f"{glob.escape(prefix.name)}_iter_*"):
        name = re.fullmatch(r"_iter_(\d+)\.(?:solverstate|caffemodel)(?:\.h5)?", path.name[len(prefix.name) :])
        if name:
            found.append((int(name[1]), path))
    return sorted(found, reverse=True)


def of_another_prefix(prefix: Path) -> str:
    """Return what there is to go on from beside snapshots with this prefix: the folder's newest; "" for none."""
    states = {path for path in prefix.parent.glob("*_iter_*") if is_state(path)}
    others = sorted(
        states.difference(path for _, path in snapshot_files(prefix)), key=lambda path: path.stat().st_mtime
    )
    return f"{others[-1].name} is of another snapshot_prefix than {prefix.name}" if others else ""


def is_state(path: Path) -> bool:
    """Return True for a solverstate, by its name."""
    return path.name.endswith((".solverstate", ".solverstate.h5"))


def newest_snapshot(prefix: Path) -> Snapshot | None:
    """Return the whole snapshot of the highest iteration with this prefix; None where there is none at all.

    Newer ones that are not whole are named on stderr. UserError where none of them is whole.
    """
    states = [path for _, path in snapshot_files(prefix) if is_state(path)]
    if any(path.suffix == ".h5" for path in states):
        hdf5.library()  # without it none could be told whole
    for path in states:
        try:
            return read_snapshot(path)
        except UserError as error:
            print(f"passed over: {error}", file=sys.stderr)
    if states:
        raise UserError(f"{prefix.parent}: none of its snapshots is whole; --overwrite starts anew")
    return None


def read_snapshot(path: Path) -> Snapshot:
    """Return the snapshot of a solverstate. UserError unless it and its model are there and whole.

    A relative path to the model starts from the working directory, as Caffe takes it.
    """
    if not path.is_file():
        raise UserError(f"snapshot {path}: no such file")
    try:
        iteration, model_path, history = (_read_hdf5 if path.suffix == ".h5" else _read_binary)(path)
    except OSError as error:
        raise UserError(f"snapshot {path}: {error.strerror}") from None
    if not model_path.is_file():
        raise UserError(
            f"snapshot {path}: its weights {os.path.abspath(model_path)} are not there; it needs both files"
        )
    try:
        model = read_model(model_path)
    except UserError as error:
        raise UserError(f"snapshot {path}: its {error}") from None
    return Snapshot(path, iteration, model_path, model, history)


def _read_binary(path: Path) -> tuple[int, Path, list[BlobShape]]:
    from google.protobuf.message import DecodeError

    state = _engine.messages().SolverState()
    try:
        state.ParseFromString(path.read_bytes())
    except DecodeError:
        raise _broken(path) from None
    if not (state.HasField("iter") and state.learned_net):
        raise _broken(path)
    return state.iter, Path(state.learned_net), [stored.blob_shape(blob) for blob in state.history]


def _read_hdf5(path: Path) -> tuple[int, Path, list[BlobShape]]:
    try:
        with hdf5.reading(path) as file:
            history = hdf5.group(file["history"], f"{path}: history")
            shapes = [hdf5.shape(history.get(str(i)), f"{path}: history blob {i}") for i in range(len(history))]
            return int(file["iter"][0]), Path(hdf5.read_string(file["learned_net"])), list(map(BlobShape, shapes))
    except ValueError as error:
        raise UserError(f"snapshot {error}") from None


def _broken(path: Path) -> UserError:
    return UserError(f"snapshot {path}: no solverstate, or not a whole one")
