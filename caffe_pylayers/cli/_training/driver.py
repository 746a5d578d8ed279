"""One training from its options to its result."""

from __future__ import annotations

import functools
import secrets
import sys
from pathlib import Path
from typing import Any, Callable, List

from caffe_pylayers._disk import files
from caffe_pylayers._layer.data.resuming import resume
from caffe_pylayers.cli import UserError
from caffe_pylayers.cli._curves.log import Log, Row, read_log
from caffe_pylayers.cli._errors import line_of, one_line
from caffe_pylayers.cli._training import solver_file
from caffe_pylayers.cli._training.building import base_folder, build
from caffe_pylayers.cli._training.earlier import move_later, remove_earlier
from caffe_pylayers.cli._training.evaluation import Evaluation, Objective
from caffe_pylayers.cli._training.follower import follow
from caffe_pylayers.cli._training.lock import locked
from caffe_pylayers.cli._training.loop import TrainingLoop
from caffe_pylayers.cli._training.options import Options, Result
from caffe_pylayers.cli._training.pictures import draw_nothing, draw_pictures
from caffe_pylayers.cli._training.plan import SEEDS, Plan, make_plan, solver_param, write_record
from caffe_pylayers.cli._training.progress import make_progress
from caffe_pylayers.cli._training.signals import Signals
from caffe_pylayers.cli._training.snapshot_writer import FOLDER, SnapshotWriter, check_names
from caffe_pylayers.cli._training.team import Alone, joined
from caffe_pylayers.cli._training.weights import check_finite, check_model

Plot = Callable[[List[str], List[Row], Path, str], None]


def drive(options: Options) -> Result:
    """Check what was asked for, and train: alone, or with the other processes that a launcher started."""
    with joined() as team:
        return _lead(options, team) if team.leads() else follow(options, team)


def _lead(options: Options, team: Alone) -> Result:
    param = solver_param(options, team)
    with base_folder(param, options.solver):
        plan = make_plan(options, param)
        if plan.finished:
            team.first("solver", "")
            return _nothing_left(plan)
        try:
            effects = {"SIGINT": plan.sigint_effect, "SIGHUP": plan.sighup_effect}
            with Signals(effects, team.count > 1) as signals, locked(plan.output):
                return _run(plan, team, signals, _plotter())
        except BrokenPipeError:  # a reader of what is printed has seen enough
            raise
        except OSError as error:  # not a layer's: those are TrainingErrors
            error.filename = error.filename or str(plan.output)
            raise UserError(line_of(error)) from error


def _nothing_left(plan: Plan) -> Result:
    assert plan.snapshot is not None  # noqa: S101 - of a finished plan
    path, iteration = plan.snapshot.path, plan.snapshot.iteration
    print(f"nothing left to do: {path} is at iteration {iteration} of {plan.param.max_iter}")
    return Result(iteration, {}, plan.output, path, plan.model)


def _run(plan: Plan, team: Alone, signals: Signals, plot: Plot | None) -> Result:
    param, output = plan.param, plan.output
    if team.count > 1 and param.random_seed < 0:
        param.random_seed = secrets.randbelow(SEEDS)  # one for all of them
    solver = _solver(plan, team)
    objective = Objective(solver.net, param.iter_size)
    if not (objective or plan.force_backward):
        raise UserError(f"{plan.solver}: no blob of its train net has a loss weight, so nothing would be learned")
    evaluation = Evaluation(solver, param)
    snapshots = SnapshotWriter(solver, plan.prefix, param)
    _load(plan, solver, snapshots)
    log = Log(plan.log, evaluation.columns, solver.iter, resume=plan.snapshot is not None)
    if log.aside:
        print(f"rows of {log.path} beyond iteration {solver.iter} were moved to {log.aside}", flush=True)
    record = write_record(plan)
    _clear_folder(plan, solver.iter)
    team.join(solver, resumed=plan.snapshot is not None)
    progress = make_progress(solver.iter, param.max_iter, param.display, param.average_loss)
    draw = functools.partial(draw_pictures, output) if plot is not None else draw_nothing
    loop = TrainingLoop(solver, param, objective, evaluation, snapshots, log, progress, plan.model, draw, team)
    picture = output / "train.png"
    try:
        progress.say(f"training {plan.solver} from iteration {solver.iter} on {_devices(param, team)}, into {output}")
        loop.run(signals)
    except KeyboardInterrupt:
        plot = None  # at once
        raise
    finally:
        progress.close()
        log.close()
        if plot is not None:
            _draw(plot, log.path, picture, f"{plan.solver.parent.name}/{plan.solver.name}")
    return Result(
        iteration=solver.iter,
        tests=loop.tests,
        output_dir=output,
        snapshot=snapshots.last,
        model=plan.model if loop.reached else None,
        log=log.path,
        plot=picture if plot is not None else None,
        solver=record,
        stopped_by=None if loop.reached else team.stop(signals),
    )


def _plotter() -> Plot | None:
    try:
        from caffe_pylayers.cli._curves.plot import plot
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "matplotlib":
            raise
        print("no plot: pip install 'caffe-pylayers[viz]'", file=sys.stderr)
        return None
    return plot


def _draw(plot: Plot, log: Path, picture: Path, title: str) -> None:
    """Draw the log; what was learned is safe, whether or not the disk has room for a picture of it."""
    from caffe_pylayers.cli._curves.plot import say_what_is_left_out

    try:
        columns, rows = read_log(log)
        plot(columns, rows, picture, title)
        say_what_is_left_out(log, columns, rows)
    except OSError as error:
        print(f"no plot: {picture}: {error.strerror}", file=sys.stderr)


def _solver(plan: Plan, team: Alone) -> Any:
    """Build the engine's solver; give it to the other processes."""
    engine_param = solver_file.for_engine(plan.param, plan.output / FOLDER / plan.prefix.name, plan.told)
    team.first("solver", engine_param.SerializeToString().hex())
    with files.partial(plan.output / "solver.prototxt") as temporary:
        solver_file.write(engine_param, temporary, "What the engine reads.")
        solver = build(plan.param, str(temporary), team)
    if plan.param.snapshot_format == plan.param.HDF5:
        check_names(solver.net)
    return solver


def _load(plan: Plan, solver: Any, snapshots: SnapshotWriter) -> None:
    """Start from weights or go on from a snapshot, as planned."""
    for path, model in plan.weights.items():
        copied = check_model(path, model, solver.net)
        with one_line():
            solver.net.copy_from(str(path))
        check_finite(path, model, solver.net)
        print(f"weights {path}: {copied} of its {len(model.layers)} layers", flush=True)
    if plan.snapshot is not None:
        plan.snapshot.check(solver.net, plan.param)
        solver.restore(str(plan.snapshot.path))
        resume(solver.net, solver.iter * plan.param.iter_size)  # which the runtime's restore has done, and Caffe's not
        snapshots.resumed(plan.snapshot.path, solver.iter)


def _clear_folder(plan: Plan, iteration: int) -> None:
    """Leave no snapshots beyond the iteration in the output folder, so that its newest is always this training's."""
    if plan.overwrite:
        remove_earlier(plan.prefix, plan.model, keep=plan.weights)
        return
    folder = move_later(plan.prefix, plan.model, iteration)
    if folder:
        print(f"snapshots beyond iteration {iteration} were moved to {folder}", flush=True)


def _devices(param: Any, team: Alone) -> str:
    if team.count > 1:
        return f"{team.count} {'CPU processes' if param.solver_mode == param.CPU else 'GPUs'}"
    return "the CPU" if param.solver_mode == param.CPU else f"GPU {param.device_id}"
