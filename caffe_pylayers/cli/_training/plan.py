"""The plan of a training, made from its options and checked before anything starts."""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from caffe_pylayers import _engine
from caffe_pylayers._nets import solver_rules
from caffe_pylayers._nets.forks.table import is_done
from caffe_pylayers._nets.stored import AskBlobs, Model, of_all
from caffe_pylayers.cli import UserError
from caffe_pylayers.cli._training import solver_file
from caffe_pylayers.cli._training.earlier import refuse_earlier
from caffe_pylayers.cli._training.launched import local_count, local_rank
from caffe_pylayers.cli._training.mode import check_mode, choose_mode
from caffe_pylayers.cli._training.options import Options
from caffe_pylayers.cli._training.snapshot_file import Snapshot, newest_snapshot, of_another_prefix, read_snapshot
from caffe_pylayers.cli._training.solver_check import solver_problems
from caffe_pylayers.cli._training.solver_file import SolverNet
from caffe_pylayers.cli._training.team import Alone
from caffe_pylayers.cli._training.weights import ModelFile

SEEDS = 2**32
RECORD_TITLE = "Written by caffe-pylayers train"


@dataclass(frozen=True)
class Plan:
    """The options of one training, resolved.

    param: the SolverParameter, with the options written into it.
    nets: the train net and the test nets.
    weights: the models to start from, by their files.
    snapshot: the snapshot to go on from; None to start anew.
    overwrite: True to remove the training that the output folder holds.
    output, log: the folder for all that is written, and the file of the log.
    sigint_effect, sighup_effect: "stop", "snapshot" or "none".
    """

    solver: Path
    param: Any
    nets: list[SolverNet]
    weights: dict[Path, Model]
    snapshot: Snapshot | None
    overwrite: bool
    output: Path
    log: Path
    sigint_effect: str
    sighup_effect: str

    @property
    def force_backward(self) -> bool:
        """The train net's field; with it a net without a loss learns, too."""
        return bool(self.nets[0].message.force_backward)

    @property
    def told(self) -> list[SolverNet]:
        """The nets, where weights may have told the runtime what layers of a fork are; else none."""
        given = _engine.on_runtime() and (self.weights or self.snapshot)
        of_forks = (is_done(layer) for net in self.nets for layer in net.message.layer)
        return self.nets if given and any(of_forks) else []

    @property
    def prefix(self) -> Path:
        """The start of the snapshots' paths."""
        return Path(self.param.snapshot_prefix)

    @property
    def model(self) -> Path:
        """The file of the final weights."""
        return self.output / "final.caffemodel"

    @property
    def finished(self) -> bool:
        """True if there is nothing left to do: the snapshot is the last one, and the final model is written.

        One that is older than the snapshot is of a training that ended before.
        """
        if self.snapshot is None or self.snapshot.iteration < self.param.max_iter or not self.model.is_file():
            return False
        return self.model.stat().st_mtime_ns >= self.snapshot.path.stat().st_mtime_ns


def solver_param(options: Options, team: Alone) -> Any:
    """Return the file's SolverParameter with the options in it, checked by itself, for this process's device."""
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
    if any(number < 0 for number in options.gpus) or len(set(options.gpus)) < len(options.gpus):
        raise UserError(f"--gpu takes device numbers from 0, each once; is {','.join(map(str, options.gpus))}")
    if options.gpus and len(options.gpus) != local_count():
        raise UserError(f"--gpu names {len(options.gpus)} GPUs, for {local_count()} processes on this machine")
    choose_mode(param, options.gpus, options.cpu, local_rank() if team.count > 1 else None)
    _raise(options.solver, solver_problems(param))
    return param


def make_plan(options: Options, param: Any) -> Plan:
    """Return the plan, its files and modules checked. Runs in the solver's base folder."""
    if sum(map(bool, (options.weights, options.snapshot, options.resume))) > 1:
        raise UserError("--weights starts anew, --snapshot and --resume go on: give one of them")
    if options.overwrite and (options.snapshot or options.resume):
        raise UserError("--overwrite starts anew, --snapshot and --resume go on: give one of them")
    prefix = solver_file.snapshot_prefix(param, options.solver)
    output = options.output_dir or prefix.parent
    log = options.log_csv or output / "log.csv"
    param.snapshot_prefix = str(output / prefix.name)
    snapshot = _snapshot(options, param)
    models = [ModelFile(path) for path in _weight_files(options, param, snapshot)]
    nets = solver_file.nets(param, options.solver, _blobs(snapshot, models))
    _raise(options.solver, solver_file.net_problems(nets))
    _raise(options.solver, solver_file.refusals(nets))
    check_mode(param, f"--gpu {param.device_id}" if options.gpus else f"{options.solver}: solver_mode: GPU")
    weights = {each.path: each.model for each in models}
    effects = options.sigint_effect, options.sighup_effect
    plan = Plan(options.solver, param, nets, weights, snapshot, options.overwrite, output, log, *effects)
    if not plan.finished:
        _make_writable(output)
        _make_writable(log.parent)
        if log.is_dir():
            raise UserError(f"--log-csv {log} is a folder; give the name of a file")
        if snapshot is None and not options.overwrite:
            refuse_earlier(plan.prefix, plan.model, options.resume)
        other = of_another_prefix(plan.prefix) if options.resume and snapshot is None else ""
        if other:
            print(f"nothing to go on from, this training starts anew: in {output}, {other}", file=sys.stderr)
    return plan


def _snapshot(options: Options, param: Any) -> Snapshot | None:
    """Return the snapshot to go on from; UserError for one that is past max_iter."""
    found = newest_snapshot(Path(param.snapshot_prefix)) if options.resume else None
    if options.snapshot:
        found = read_snapshot(options.snapshot)
    if found is not None and found.iteration > param.max_iter:
        raise UserError(
            f"snapshot {found.path} is at iteration {found.iteration}, past max_iter {param.max_iter};"
            " give a higher --max-iter, or an earlier --snapshot"
        )
    return found


def _blobs(snapshot: Snapshot | None, models: list[ModelFile]) -> AskBlobs | None:
    """Return what tells the blobs' shapes in the weights that the training starts from, or goes on from."""
    if snapshot is not None:
        return lambda: snapshot.model.layers
    return of_all([each.blobs for each in models])


def _raise(path: Path, problems: list[str]) -> None:
    if problems:
        raise UserError("\n  ".join([f"{path} cannot be trained:", *problems]))


def _weight_files(options: Options, param: Any, snapshot: Snapshot | None) -> list[Path]:
    """Return the files to start from, as the caffe program has it: the options go before the solver's own."""
    if not solver_file.has_field(param, "weights"):
        return list(options.weights)
    own = [Path(name).absolute() for name in solver_rules.weight_files(param)]
    chosen = [] if snapshot is not None else list(options.weights) or own
    param.ClearField("weights")
    param.weights.extend(map(str, chosen))
    return chosen


def _make_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        # That of a file in the place of a folder is "File exists".
        reason = "not a folder" if folder.is_file() else error.strerror
        raise UserError(f"cannot write to {folder}: {reason}") from None


def record_path(output: Path) -> Path:
    """Return where to write the solver file as it ran: never over one that the user wrote."""
    path = output / "solver.prototxt"
    if path.exists() and not path.read_text(encoding="utf-8", errors="replace").startswith(f"# {RECORD_TITLE}"):
        return output / "solver.effective.prototxt"
    return path


def write_record(plan: Plan) -> Path:
    """Write the solver file as it runs; return its path."""
    path = record_path(plan.output)
    comment = f"{RECORD_TITLE}: {plan.solver} as it ran.\nRelative paths start from {os.getcwd()}."
    solver_file.write(plan.param, path, comment)
    return path
