"""A training as it was asked for, checked before anything starts."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from caffe_pylayers.cli import UserError
from caffe_pylayers.cli._training import solver_file
from caffe_pylayers.cli._training.mode import check_mode, choose_mode
from caffe_pylayers.cli._training.options import Options
from caffe_pylayers.cli._training.resume import newest_state
from caffe_pylayers.cli._training.solver_check import solver_problems
from caffe_pylayers.cli._training.state import State, read_state
from caffe_pylayers.cli._training.weights import Model, read_model

SEEDS = 2**32
RECORD_TITLE = "Written by caffe-pylayers train"


@dataclass(frozen=True)
class Job:
    """What is to be done.

    param: the SolverParameter with the options in it.
    sigint_effect, sighup_effect: stop, snapshot or none.
    weights: what to start from, by file.
    state: what to resume from.
    output: the output folder.
    force_backward: what the train net says: it learns even without a loss.
    """

    solver: Path
    param: Any
    weights: dict[Path, Model]
    state: State | None
    output: Path
    log: Path
    force_backward: bool
    sigint_effect: str
    sighup_effect: str

    @property
    def prefix(self) -> Path:
        """How the paths of snapshots start."""
        return Path(self.param.snapshot_prefix)

    @property
    def done(self) -> bool:
        """Whether there is nothing left to do."""
        return self.state is not None and self.state.iteration >= self.param.max_iter


def solver_param(options: Options) -> Any:
    """The file's SolverParameter with the options in it, checked by itself."""
    param = solver_file.read(options.solver)
    if options.max_iter is not None:
        param.max_iter = options.max_iter
    if options.level is not None:
        param.train_state.level = options.level
    param.train_state.stage.extend(options.stages)
    if options.seed is not None:
        if not 0 <= options.seed < SEEDS:
            raise UserError(f"--seed must be in [0, {SEEDS}); is {options.seed}")
        param.random_seed = options.seed
    if options.gpu is not None and options.gpu < 0:
        raise UserError(f"--gpu takes a device number from 0; is {options.gpu}")
    choose_mode(param, options.gpu, options.cpu)
    _raise(options.solver, solver_problems(param))
    return param


def make_job(options: Options, param: Any) -> Job:
    """The job, its files and modules checked. Runs in the solver's base folder."""
    if sum(map(bool, (options.weights, options.snapshot, options.resume))) > 1:
        raise UserError("--weights starts anew, --snapshot and --resume go on: give one of them")
    nets = solver_file.nets(param, options.solver)
    _raise(options.solver, solver_file.net_problems(nets))
    check_mode(param, f"--gpu {options.gpu}" if options.gpu is not None else f"{options.solver}: solver_mode: GPU")
    prefix = solver_file.snapshot_prefix(param, options.solver)
    output = options.output_dir or prefix.parent
    log = options.log_csv or output / "log.csv"
    param.snapshot_prefix = str(output / prefix.name)
    state = read_state(options.snapshot) if options.snapshot else None
    if options.resume:
        state = newest_state(output / prefix.name)
    weights = {path: read_model(path) for path in _weight_files(options, param, state)}
    effects = options.sigint_effect, options.sighup_effect
    made = Job(options.solver, param, weights, state, output, log, nets[0].message.force_backward, *effects)
    if not made.done:
        _make_writable(output)
        _make_writable(log.parent)
    return made


def _raise(path: Path, problems: list[str]) -> None:
    if problems:
        raise UserError("\n  ".join([f"{path} cannot be trained:", *problems]))


def _weight_files(options: Options, param: Any, state: State | None) -> list[Path]:
    """The files to start from, as the caffe program has it: the options go before the solver's own."""
    if not solver_file.has_field(param, "weights"):
        return list(options.weights)
    own = [Path(name.strip()).absolute() for names in param.weights for name in names.split(",")]
    chosen = [] if state is not None else list(options.weights) or own
    param.ClearField("weights")
    param.weights.extend(map(str, chosen))
    return chosen


def _make_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror}") from None


def record_path(output: Path) -> Path:
    """Where the solver file is written as it ran: never over one that the user wrote."""
    path = output / "solver.prototxt"
    if path.exists() and not path.read_text(encoding="utf-8", errors="replace").startswith(f"# {RECORD_TITLE}"):
        return output / "solver.effective.prototxt"
    return path


def write_record(made: Job) -> Path:
    """Write the solver file as it runs."""
    path = record_path(made.output)
    comment = f"{RECORD_TITLE}: {made.solver} as it ran.\nRelative paths start from {os.getcwd()}."
    solver_file.write(made.param, path, comment)
    return path
