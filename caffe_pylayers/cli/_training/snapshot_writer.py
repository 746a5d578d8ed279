"""Writing snapshots: whole or not there, under Caffe's names."""

from __future__ import annotations

import contextlib
import math
import shutil
from collections import Counter
from pathlib import Path
from typing import Any, Iterator

import numpy as np

from caffe_pylayers import _engine
from caffe_pylayers._disk import files, hdf5
from caffe_pylayers._disk.room import check_room
from caffe_pylayers._layer.quote import plain, quoted
from caffe_pylayers._nets.solver_rules import HISTORIES
from caffe_pylayers.cli import UserError
from caffe_pylayers.cli._training.weights import learned_blobs

FOLDER = ".snapshot.part"  # in the output folder, while one is written


class DivergedError(UserError):
    """The weights or the loss are no longer finite."""


def check_names(net: Any) -> None:
    """UserError for layer names that Caffe cannot save in HDF5, where they name groups."""
    hdf5.library()
    counts = Counter(net._layer_names)
    bad = [name for name, count in counts.items() if "/" in name or name in ("", ".") or count > 1]
    if bad:
        names = ", ".join(map(quoted, bad))
        raise UserError(
            f"snapshot_format HDF5 cannot hold layers that have a slash, no name or another's name: {names};"
            " rename them, or use snapshot_format: BINARYPROTO"
        )


class SnapshotError(UserError):
    """A snapshot cannot be written.

    snapshot: where training can go on from; None before the first.
    """

    def __init__(self, message: str, snapshot: Path | None) -> None:
        super().__init__(message)
        self.snapshot = snapshot


class SnapshotWriter:
    """Takes a solver's snapshots.

    prefix: the start of their paths, absolute.
    param: the SolverParameter.
    last: the solverstate of the newest good one, None before the first; ``last_iteration`` is its iteration.
    """

    def __init__(self, solver: Any, prefix: Path, param: Any) -> None:
        self._solver = solver
        self._prefix = prefix
        self._param = param
        self._hdf5 = bool(param.snapshot_format == param.HDF5)
        self.last: Path | None = None
        self.last_iteration = -1

    def resumed(self, path: Path, iteration: int) -> None:
        """Count the snapshot that training went on from as the last."""
        self.last, self.last_iteration = path, iteration

    def save(self) -> Path:
        """Write the snapshot of this iteration unless it is there; return its solverstate.

        DivergedError for weights that are not finite, SnapshotError where it cannot be written.
        """
        if self.last is not None and self.last_iteration == self._solver.iter:
            return self.last
        self._check_finite()
        with self._telling(self._prefix.parent):
            self.last, self.last_iteration = self._write(), self._solver.iter
        return self.last

    def final(self, path: Path) -> Path:
        """Write the weights alone; raises as ``save`` does."""
        self._check_finite()
        with self._telling(path):
            path.parent.mkdir(parents=True, exist_ok=True)  # it may have been removed during the training
            with files.whole(path) as temporary:
                check_room(path.parent, self._sizes()[0])
                self._solver.net.save(str(temporary))
        return path

    @contextlib.contextmanager
    def _telling(self, path: Path) -> Iterator[None]:
        """Turn the system's refusal to write into a SnapshotError that names what there is to go on from."""
        try:
            yield
        except OSError as error:
            newest = f"the newest whole snapshot is {self.last}" if self.last else "there is no snapshot yet"
            told = f"{path}: iteration {self._solver.iter} cannot be kept: {error.strerror}; {newest}"
            raise SnapshotError(told, self.last) from error

    def _check_finite(self) -> None:
        for layer, blobs in self._solver.net.params.items():
            if not all(np.isfinite(blob.data).all() for blob in blobs):
                raise DivergedError(
                    f"iteration {self._solver.iter}: the weights of {plain(layer)} are no longer finite"
                )

    def _write(self) -> Path:
        folder = self._prefix.parent / FOLDER
        shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed
        folder.mkdir(parents=True)  # and the output folder again, should it have been removed meanwhile
        try:
            check_room(folder, *self._sizes())
            self._solver.snapshot()
            return self._publish(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _sizes(self) -> tuple[int, int]:
        """Return upper bounds of the model's and the state's sizes, in bytes."""
        learned = learned_blobs(self._solver.net)
        values = 4 * sum(math.prod(blob.shape) for blob in learned)
        headers = 4096 * (16 + len(learned) + len(self._solver.net._layer_names))
        return values * (1 + self._param.snapshot_diff) + headers, values * HISTORIES[self._param.type] + headers

    def _publish(self, folder: Path) -> Path:
        """Move what Caffe wrote to its names: the state last, for it is nothing without its model."""
        stem = f"{self._prefix.name}_iter_{self._solver.iter}"
        extension = ".h5" if self._hdf5 else ""
        model, state = f"{stem}.caffemodel{extension}", f"{stem}.solverstate{extension}"
        path = self._prefix.parent / state
        name_model(folder / state, path.with_name(model))
        files.move(folder / model, path.with_name(model))
        files.move(folder / state, path)
        return path


def name_model(state: Path, model: Path) -> None:
    """Write the path of its model into a solverstate."""
    (_name_model_hdf5 if model.suffix == ".h5" else _name_model_binary)(state, model)


def _name_model_binary(state: Path, model: Path) -> None:
    message = _engine.messages().SolverState.FromString(state.read_bytes())
    message.learned_net = str(model)
    state.write_bytes(message.SerializeToString())


def _name_model_hdf5(state: Path, model: Path) -> None:
    with hdf5.library().File(state, "r+") as file:
        del file["learned_net"]
        hdf5.write_string(file, "learned_net", str(model))
