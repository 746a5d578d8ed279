"""One training from its options to its result."""

from __future__ import annotations

import random
import sys
import traceback
from pathlib import Path
from typing import Any, Callable, List

import numpy as np

from caffe_pylayers import _engine
from caffe_pylayers._disk import files
from caffe_pylayers.cli import UserError
from caffe_pylayers.cli._curves.log import Log, Row, read_log
from caffe_pylayers.cli._errors import line_of
from caffe_pylayers.cli._training import solver_file
from caffe_pylayers.cli._training.evaluation import Evaluation, Objective
from caffe_pylayers.cli._training.job import SEEDS, Job, make_job, solver_param, write_record
from caffe_pylayers.cli._training.lock import locked
from caffe_pylayers.cli._training.loop import Training, blame
from caffe_pylayers.cli._training.mode import enter_mode
from caffe_pylayers.cli._training.options import Options, Result
from caffe_pylayers.cli._training.progress import make_progress
from caffe_pylayers.cli._training.signals import Signals
from caffe_pylayers.cli._training.snapshot import FOLDER, Snapshots, check_names
from caffe_pylayers.cli._training.weights import check_model

Plot = Callable[[List[str], List[Row], Path, str], None]


def drive(options: Options) -> Result:
    """Check what was asked for, and train."""
    param = solver_param(options)
    with files.working_directory(solver_file.base_folder(param, options.solver, Path.cwd())):
        job = make_job(options, param)
        if job.state is not None and job.done:
            print(f"nothing left to do: {job.state.path} is at iteration {job.state.iteration} of {param.max_iter}")
            return Result(job.state.iteration, {}, job.output, job.state.path)
        try:
            with Signals({"SIGINT": job.sigint_effect, "SIGHUP": job.sighup_effect}) as signals, locked(job.output):
                return _train(job, signals, _plotter())
        except OSError as error:  # no layer's: those are TrainingErrors
            _release_nets(error)
            error.filename = error.filename or str(job.output)
            raise UserError(line_of(error)) from error
        except BaseException as error:
            _release_nets(error)
            raise


def _release_nets(error: BaseException | None) -> None:
    """Take the nets from an exception's frames: their threads read files from this folder, left next."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def _train(job: Job, signals: Signals, plot: Plot | None) -> Result:
    param, output = job.param, job.output
    enter_mode(param)
    _seed(param.random_seed)
    solver = _solver(job)
    objective = Objective(solver.net, param.iter_size)
    if not (objective or job.force_backward):
        raise UserError(f"{job.solver}: no blob of its train net has a loss weight, so nothing would be learned")
    evaluation = Evaluation(solver, param)
    snapshots = Snapshots(solver, job.prefix, param)
    _load(job, solver, snapshots)
    log = Log(job.log, evaluation.columns, solver.iter, resume=job.state is not None)
    record = write_record(job)
    progress = make_progress(solver.iter, param.max_iter, param.display, param.average_loss)
    training = Training(solver, param, objective, evaluation, snapshots, log, progress, output / "final.caffemodel")
    picture = output / "train.png"
    try:
        progress.say(f"training {job.solver} from iteration {solver.iter} on {_device(param)}, into {output}")
        training.run(signals)
    except KeyboardInterrupt:
        plot = None  # at once
        raise
    finally:
        progress.close()
        log.close()
        if plot is not None:
            _draw(plot, log.path, picture, f"{job.solver.parent.name}/{job.solver.name}")
    reached = training.reached
    return Result(
        iteration=solver.iter,
        tests=training.tests,
        output_dir=output,
        snapshot=snapshots.last,
        model=training.model if reached else None,
        log=log.path,
        plot=picture if plot is not None else None,
        solver=record,
        stopped_by=None if reached else signals.stop,
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
    try:
        plot(*read_log(log), picture, title)
    except OSError as error:
        print(f"no plot: {picture}: {error.strerror}", file=sys.stderr)


def _seed(seed: int) -> None:
    """Seed what Python layers draw from; Caffe's own generator is the solver's to seed."""
    if seed >= 0:
        random.seed(seed)
        np.random.seed(seed % SEEDS)


def _solver(job: Job) -> Any:
    """The engine's solver."""
    part = files.part(job.output / "solver.prototxt")
    engine_param = solver_file.for_engine(job.param, job.output / FOLDER / job.prefix.name)
    solver_file.write(engine_param, part, "What the engine reads.")
    try:
        with blame("building the nets"):
            solver = _engine.caffe().get_solver(str(part))
    finally:
        part.unlink()
    if job.param.snapshot_format == job.param.HDF5:
        check_names(solver.net)
    return solver


def _load(job: Job, solver: Any, snapshots: Snapshots) -> None:
    """Start from weights or go on from a snapshot, if the job does."""
    for path, model in job.weights.items():
        copied = check_model(path, model, solver.net)
        solver.net.copy_from(str(path))
        print(f"weights {path}: {copied} of its {len(model)} layers", flush=True)
    if job.state is not None:
        job.state.check(solver.net, job.param)
        solver.restore(str(job.state.path))
        snapshots.resumed(job.state.path, solver.iter)


def _device(param: Any) -> str:
    return "the CPU" if param.solver_mode == param.CPU else f"GPU {param.device_id}"
