"""The state of a solver in a file, Caffe's solverstate, binary and HDF5."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from caffe_pylayers._disk import files, hdf5
from caffe_pylayers._nets import stored
from caffe_pylayers.runtime.files import blob_proto
from caffe_pylayers.runtime.proto import caffe_pb2

HDF5_SUFFIX = ".h5"


@dataclass(frozen=True)
class SolverState:
    """A solver's state, to go on from.

    iteration: the updates done. learned_net: the caffemodel that belongs to it, "" for none. current_step: the steps
    that the learning rate has taken, of the step policies. history: the update rule's own blobs, float32.
    """

    iteration: int
    learned_net: str
    current_step: int
    history: list[np.ndarray[Any, Any]]


def save_state(
    path: str | os.PathLike[str], iteration: int, learned_net: str, current_step: int, history: Sequence[Any]
) -> None:
    """Write a state, as HDF5 where the name ends in .h5: all of the new file or none of it.

    history: float32 arrays.
    """
    write = _write_hdf5 if _named_hdf5(path) else _write_binary
    write(path, SolverState(iteration, learned_net, current_step, list(history)))


def load_state(path: str | os.PathLike[str], history: Sequence[tuple[int, ...]] | None = None) -> SolverState:
    """Return the state in a file, HDF5 where its name ends in .h5.

    history: the shapes that its blobs must have, if given; nothing is read of others.
    ValueError for a file that holds no state, or one of other shapes.
    """
    return (_read_hdf5 if _named_hdf5(path) else _read_binary)(path, history)


def _check_history(
    path: str | os.PathLike[str], found: list[tuple[int, ...]], wanted: Sequence[tuple[int, ...]] | None
) -> None:
    problem = "" if wanted is None else stored.history_misfit(found, wanted)
    if problem:
        raise hdf5.ContentError(f"{path}: {problem}")


def _named_hdf5(path: str | os.PathLike[str]) -> bool:
    return os.fspath(path).endswith(HDF5_SUFFIX)


def _write_binary(path: str | os.PathLike[str], state: SolverState) -> None:
    message = caffe_pb2.SolverState(
        iter=state.iteration, learned_net=state.learned_net, current_step=state.current_step
    )
    for array in state.history:
        blob_proto.fill(message.history.add(), array)
    with files.whole(Path(path)) as temporary:
        temporary.write_bytes(message.SerializeToString())


def _read_binary(path: str | os.PathLike[str], wanted: Sequence[tuple[int, ...]] | None) -> SolverState:
    content = Path(path).read_bytes()
    try:
        message = caffe_pb2.SolverState.FromString(content)
    except DecodeError:
        message = caffe_pb2.SolverState()
    if not message.HasField("iter"):
        raise ValueError(f"{path}: no solverstate, or not a whole one")
    _check_history(path, [blob_proto.shape(blob) for blob in message.history], wanted)
    history = []
    for i, blob in enumerate(message.history):
        try:
            history.append(blob_proto.to_array(blob))
        except ValueError as error:
            raise ValueError(f"{path}: history blob {i}: {error}") from None
    return SolverState(message.iter, message.learned_net, message.current_step, history)


def _write_hdf5(path: str | os.PathLike[str], state: SolverState) -> None:
    with hdf5.writing(path) as file:
        file.create_dataset("iter", data=np.array([state.iteration], np.int32))
        hdf5.write_string(file, "learned_net", state.learned_net)
        file.create_dataset("current_step", data=np.array([state.current_step], np.int32))
        history = file.create_group("history")
        for i, array in enumerate(state.history):
            history.create_dataset(str(i), data=np.asarray(array, np.float32))


def _read_hdf5(path: str | os.PathLike[str], wanted: Sequence[tuple[int, ...]] | None) -> SolverState:
    with hdf5.reading(path) as file:
        learned_net = hdf5.read_string(file["learned_net"]) if "learned_net" in file else ""
        blobs = hdf5.group(file["history"], f"{path}: history")
        named = {f"{path}: history blob {i}": blobs.get(str(i)) for i in range(len(blobs))}
        _check_history(path, [hdf5.shape(blob, where) for where, blob in named.items()], wanted)
        history = [hdf5.values(blob, where) for where, blob in named.items()]
        return SolverState(int(file["iter"][0]), learned_net, int(file["current_step"][0]), history)
