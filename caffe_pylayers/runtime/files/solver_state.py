"""The state of a solver in a file, Caffe's solverstate, binary and HDF5."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from caffe_pylayers._disk import files
from caffe_pylayers.runtime.files import blob_proto, hdf5
from caffe_pylayers.runtime.proto import caffe_pb2

HDF5_SUFFIX = ".h5"


@dataclass(frozen=True)
class State:
    """What a solver goes on from.

    iteration: how many updates are behind it. learned_net: the caffemodel that belongs to it, ""
    for none. current_step: of the step policies. history: the update rule's own blobs.
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
    write(path, State(iteration, learned_net, current_step, list(history)))


def load_state(path: str | os.PathLike[str]) -> State:
    """The state in a file, HDF5 where its name ends in .h5; ValueError where there is none."""
    return _read_hdf5(path) if _named_hdf5(path) else _read_binary(path)


def _named_hdf5(path: str | os.PathLike[str]) -> bool:
    return os.fspath(path).endswith(HDF5_SUFFIX)


def _write_binary(path: str | os.PathLike[str], state: State) -> None:
    message = caffe_pb2.SolverState(
        iter=state.iteration, learned_net=state.learned_net, current_step=state.current_step
    )
    for array in state.history:
        blob_proto.fill(message.history.add(), array)
    with files.whole(Path(path)) as temporary:
        temporary.write_bytes(message.SerializeToString())


def _read_binary(path: str | os.PathLike[str]) -> State:
    content = Path(path).read_bytes()
    try:
        message = caffe_pb2.SolverState.FromString(content)
    except DecodeError:
        message = caffe_pb2.SolverState()
    if not message.HasField("iter"):
        raise ValueError(f"{path}: no solverstate, or not a whole one")
    history = []
    for i, blob in enumerate(message.history):
        try:
            history.append(blob_proto.to_array(blob))
        except ValueError as error:
            raise ValueError(f"{path}: history blob {i}: {error}") from None
    return State(message.iter, message.learned_net, message.current_step, history)


def _write_hdf5(path: str | os.PathLike[str], state: State) -> None:
    with hdf5.writing(path) as file:
        file.create_dataset("iter", data=np.array([state.iteration], np.int32))
        hdf5.write_string(file, "learned_net", state.learned_net)
        file.create_dataset("current_step", data=np.array([state.current_step], np.int32))
        history = file.create_group("history")
        for i, array in enumerate(state.history):
            history.create_dataset(str(i), data=np.asarray(array, np.float32))


def _read_hdf5(path: str | os.PathLike[str]) -> State:
    with hdf5.reading(path) as file:
        learned_net = hdf5.read_string(file["learned_net"]) if "learned_net" in file else ""
        history = []
        for i in range(len(file["history"])):
            stored = file["history"][str(i)]
            hdf5.check_numbers(stored, f"{path}: history blob {i}")
            history.append(np.asarray(stored[()], np.float32))
        return State(int(file["iter"][0]), learned_net, int(file["current_step"][0]), history)
