"""Snapshots: a net's weights and its solver's state, each in a file, to go on from."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from caffe_pylayers._disk.hdf5 import ContentError
from caffe_pylayers._layer.data.resuming import resume
from caffe_pylayers._layer.quote import plain, quoted
from caffe_pylayers._nets.forks.table import BY_BLOBS
from caffe_pylayers.runtime.files import solver_state
from caffe_pylayers.runtime.memory import device
from caffe_pylayers.runtime.process import LOGGER

if TYPE_CHECKING:
    from caffe_pylayers.runtime.solvers.solver import Solver


def check_writable(param: Any, error: Callable[[str], ValueError]) -> None:
    """Raise the error for snapshots without a prefix, RuntimeError for a prefix that cannot be written to."""
    if not param.snapshot:
        return
    if not param.HasField("snapshot_prefix"):
        raise error(f"snapshot: {param.snapshot} needs a snapshot_prefix")
    if "\0" in param.snapshot_prefix:
        raise error(f"snapshot_prefix {quoted(param.snapshot_prefix)} is no start of a file's name")
    try:
        tempfile.TemporaryFile(dir=os.path.dirname(param.snapshot_prefix) or os.curdir).close()
    except OSError as reason:
        raise RuntimeError(
            f"cannot write to snapshot_prefix {plain(param.snapshot_prefix)}: {reason.strerror}; its folder must exist"
        ) from None


def save(solver: Solver) -> None:
    """Write PREFIX_iter_N.caffemodel and PREFIX_iter_N.solverstate, with .h5 where the format is HDF5."""
    param = solver.param
    hdf5 = param.snapshot_format == param.HDF5
    start, suffix = f"{param.snapshot_prefix}_iter_{solver.iter}", ".h5" if hdf5 else ""
    model, state = f"{start}.caffemodel{suffix}", f"{start}.solverstate{suffix}"
    kind = "HDF5" if hdf5 else "binary proto"
    LOGGER.info("Snapshotting to %s file %s", kind, model)
    (solver.net.save_hdf5 if hdf5 else solver.net.save)(model, param.snapshot_diff)
    LOGGER.info("Snapshotting solver state to %s file %s", kind, state)
    history = [blob.read().to(device.HOST).numpy() for blob in solver.history]
    solver_state.save_state(state, solver.iter, model, solver.current_step, history)


def restore(solver: Solver, path: str) -> None:
    """Load a state and the weights that it names; binary, or HDF5 by the suffix .h5.

    Raises RuntimeError for a file that is missing, ValueError for one that does not fit: then the
    solver's state is as it was.
    """
    if not os.path.exists(path):
        raise RuntimeError(f"Could not open file {path}")
    try:
        state = solver_state.load_state(path, [blob.shape for blob in solver.history])
    except ContentError as error:
        kind = next((layer.type for layer in solver.net.layers if layer.type in BY_BLOBS), None)
        if kind is None:
            raise
        raise ContentError(
            f"{error}; weights may have told which {kind} the net has: name the snapshot's as the solver's weights"
        ) from None
    history = [torch.as_tensor(array, dtype=torch.float32) for array in state.history]
    if state.learned_net:
        if not os.path.exists(state.learned_net):
            raise RuntimeError(f"{path}: the weights it belongs to are missing: {plain(state.learned_net)}")
        solver.net.copy_from(state.learned_net)
    for values, blob in zip(history, solver.history):
        blob.write().copy_(values.view(blob.shape))
    solver.resume(state.iteration, state.current_step)
    resume(solver.net, state.iteration * int(solver.param.iter_size))
