"""The training that an output folder already holds: never mixed with another one.

A folder's newest snapshot is the one of the highest iteration, which is right only while there are none of a training
that was left. So a training that starts at iteration N leaves no snapshot beyond N behind it:

without an option    refused where the folder holds a training
--overwrite          starts at 0: the earlier training's snapshots and final model are removed
--snapshot FILE      starts at the snapshot's iteration: what the folder holds beyond it is moved to DIR/earlier.1
--resume             starts at the newest whole snapshot: there is none beyond it

Rows of a log beyond N are never dropped: see ``_curves.log.Log``.
"""

from __future__ import annotations

import contextlib
import shutil
from itertools import count
from pathlib import Path
from typing import Collection

from caffe_pylayers._disk import files
from caffe_pylayers.cli import UserError
from caffe_pylayers.cli._training.snapshot_file import is_state, of_another_prefix, read_snapshot, snapshot_files
from caffe_pylayers.cli._training.snapshot_writer import name_model


def refuse_earlier(prefix: Path, model: Path, resume: bool) -> None:
    """UserError where the folder holds snapshots with this prefix, or the final model.

    resume: the training was to go on, and found no snapshot to go on from.
    """
    held = [path for _, path in snapshot_files(prefix)][:1] or [path for path in [model] if path.exists()]
    if not held:
        return
    there = f"{prefix.parent} holds {held[0].name}"
    if resume:
        other = of_another_prefix(prefix)
        there += f" of a training, and no solverstate to go on from{f' ({other})' if other else ''}: "
    else:
        there += " of an earlier training: --resume goes on with it, "
    raise UserError(f"{there}--overwrite removes it and starts anew, --output-dir DIR leaves it alone")


def remove_earlier(prefix: Path, model: Path, keep: Collection[Path]) -> None:
    """Remove all snapshots with this prefix, and the final model, but those to keep."""
    kept = {path.resolve() for path in keep}
    for path in [*(path for _, path in snapshot_files(prefix)), model]:
        if path.resolve() not in kept:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()


def move_later(prefix: Path, model: Path, iteration: int) -> Path | None:
    """Move the snapshots beyond an iteration, and the final model with them, to a folder of their own.

    A training can go on from them there. Returns the folder; None where there is nothing to move.
    """
    later = [path for number, path in snapshot_files(prefix) if number > iteration]
    if not later:
        return None
    folder = next(path for n in count(1) if not (path := prefix.parent / f"earlier.{n}").exists())
    folder.mkdir()
    for state in filter(is_state, later):
        _copy_state(state, folder)
    for path in [*later, model]:
        if is_state(path):
            path.unlink()
        elif path.exists():
            path.rename(folder / path.name)
    return folder


def _copy_state(path: Path, folder: Path) -> None:
    """Copy a solverstate; a whole one is to name its model in the folder."""
    try:
        model: Path | None = read_snapshot(path).model_path
    except UserError:
        model = None
    with files.partial(folder / path.name, folder=True) as part:  # HDF5 opens no file that is locked
        copy = part / path.name
        shutil.copyfile(path, copy)
        if model is not None and model.resolve().parent == path.resolve().parent:
            name_model(copy, folder / model.name)
        files.move(copy, folder / path.name)
