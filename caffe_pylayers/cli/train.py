"""Train a net as a solver file says.

    caffe-pylayers train --solver prototxt/lenet/solver.prototxt
    caffe-pylayers train --solver prototxt/lenet/solver.prototxt --resume

The solver may be of any of Caffe's types. Paths in its file and in its nets start from the working
directory, as in the caffe program; where its net is not found from there, from the nearest folder
above the solver file from which it is.

It is trained where --cpu or --gpu says, else where the file's solver_mode says, else on the CPU, as
the caffe program does (though its documentation gives GPU as the default).

Everything is written into one folder, --output-dir or that of the file's snapshot_prefix:
  PREFIX_iter_N.caffemodel, .solverstate   snapshots; snapshot_format: HDF5 appends .h5
  final.caffemodel                         the weights, once max_iter is reached
  solver.prototxt                          the solver file as it ran
  log.csv, train.png                       loss, learning rate and test outputs

A folder is for one training. Where it holds snapshots, give one of these:
  --resume         go on from the newest
  --snapshot FILE  go on from this one; later ones are moved to DIR/earlier.1
  --overwrite      remove them and start anew
The rows of a log that are not gone on from are moved to log.1.csv.

Several processes train together, each with the net's batch_size and its share of the data:
  --processes 4                                on this machine's CPU cores
  --gpu 0,1 and --gpu all                      on its GPUs
  torchrun --nproc-per-node 4 --nnodes 2 ... -m caffe_pylayers train --solver ...
                                               on several machines, see docs/several-processes.md
Gradients are averaged over them. The first one tests, and writes all files.

Ctrl-C and SIGTERM end the training after the iteration that runs, with a snapshot; a second one
ends it at once. SIGHUP takes a snapshot and goes on. The exit code is 0 at max_iter and after
Ctrl-C, 143 after SIGTERM, and 1 after any failure. GLOG_minloglevel=0 shows Caffe's own log.
"""

from __future__ import annotations

import argparse
import functools
import os
import shlex
import signal
import sys
from pathlib import Path
from typing import Sequence

from caffe_pylayers._engine.interrupts import held
from caffe_pylayers.cli import UserError, add_engine_arguments, main, translate_old_code
from caffe_pylayers.cli._device import quiet
from caffe_pylayers.cli._parser import given_path, given_paths
from caffe_pylayers.cli._training.launched import leads, local_count, refuse_caffe, speaks_here, started
from caffe_pylayers.cli._training.options import Options, Result

__all__ = ["Result", "add_arguments", "run", "train"]

# The options that a training that goes on is given again, and their defaults.
_RESUMED = {
    **dict.fromkeys(("max_iter", "output_dir", "level", "stage", "processes", "seed", "log_csv", "engine")),
    "gpu": (),
    "sigint_effect": "stop",
    "sighup_effect": "snapshot",
    "compat": False,
    "cpu": False,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--solver", "-solver", type=given_path, required=True, metavar="FILE", help="the solver prototxt"
    )
    parser.add_argument("--max-iter", type=int, metavar="N", help="train up to this iteration, whatever the file says")
    start = parser.add_mutually_exclusive_group()
    start.add_argument(
        *("--weights", "-weights"),
        type=given_paths,
        default=(),
        metavar="FILE[,FILE]",
        help="start from the weights in these caffemodels",
    )
    start.add_argument(
        *("--snapshot", "-snapshot"),
        type=given_path,
        metavar="FILE",
        help="go on from this .solverstate or .solverstate.h5",
    )
    start.add_argument("--resume", action="store_true", help="go on from the newest whole snapshot, if there is one")
    parser.add_argument(
        "--overwrite", action="store_true", help="start anew in a folder that holds a training: its snapshots go"
    )
    parser.add_argument("--output-dir", type=given_path, metavar="DIR", help="where everything is written")
    parser.add_argument("--level", "-level", type=int, metavar="N", help="the train net's level")
    parser.add_argument("--stage", "-stage", metavar="S[,S...]", help="the train net's stages, besides the file's")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument(
        *("--gpu", "-gpu"),
        type=_gpus,
        default=(),
        metavar="N[,N...]",
        help="train on these GPUs, or on all of them: all",
    )
    mode.add_argument("--cpu", action="store_true", help="train on the CPU")
    parser.add_argument("--processes", type=int, metavar="N", help="train by so many processes on this machine")
    add_engine_arguments(parser)
    parser.add_argument("--seed", type=int, metavar="N", help="seed of Caffe, numpy and random, for Python layers")
    parser.add_argument(
        "--log-csv", type=given_path, metavar="FILE", help="the log, one row an iteration (default: DIR/log.csv)"
    )
    for name, effect in (("sigint", "stop"), ("sighup", "snapshot")):
        parser.add_argument(
            *(f"--{name}-effect", f"--{name}_effect", f"-{name}_effect"),
            choices=("stop", "snapshot", "none"),
            default=effect,
            help=f"what {name.upper()} does (default: {effect})",
        )


def run(args: argparse.Namespace) -> int:
    """Train; return the exit code."""
    quiet()
    count = _processes(args)
    if count > 1 and started() == 1:
        return _launch(count, args)
    translate_old_code(args)
    try:
        result = train(
            args.solver,
            max_iter=args.max_iter,
            weights=args.weights,
            snapshot=args.snapshot,
            resume=args.resume,
            overwrite=args.overwrite,
            output_dir=args.output_dir,
            level=args.level,
            stages=args.stage.split(",") if args.stage else (),
            gpu=args.gpu,
            cpu=args.cpu,
            seed=args.seed,
            log_csv=args.log_csv,
            sigint_effect=args.sigint_effect,
            sighup_effect=args.sighup_effect,
        )
    except KeyboardInterrupt:
        if leads():
            print("stopped at once", file=sys.stderr)
        return 128 + signal.SIGINT
    except UserError as error:
        if error.snapshot is None or error.told:
            raise
        raise UserError(f"{error}\nonce that is mended, {_how_to_go_on(args, error.snapshot)}") from error
    if result.stopped_by is None:
        return 0
    if result.snapshot is not None:
        print(_how_to_go_on(args, result.snapshot), flush=True)
    return 0 if result.stopped_by == signal.SIGINT else 128 + result.stopped_by


def train(
    solver: str | os.PathLike[str],
    *,
    max_iter: int | None = None,
    weights: Sequence[str | os.PathLike[str]] = (),
    snapshot: str | os.PathLike[str] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    output_dir: str | os.PathLike[str] | None = None,
    level: int | None = None,
    stages: Sequence[str] = (),
    gpu: int | Sequence[int] = (),
    cpu: bool = False,
    seed: int | None = None,
    log_csv: str | os.PathLike[str] | None = None,
    sigint_effect: str = "stop",
    sighup_effect: str = "snapshot",
) -> Result:
    """Train a net, as the command line does.

    solver: its file; the options are the command line's, and None what the file says. Several GPUs, and several
        processes, are a launcher's to start: then each process calls this.
    Raises UserError for what is wrong with the files and options, TrainingError and DivergedError,
    both UserErrors, for what goes wrong in training.
    """
    quiet()
    with held():
        from caffe_pylayers.cli._training.driver import drive  # imports caffe

    return drive(
        Options(
            solver=_absolute(solver),
            max_iter=max_iter,
            weights=[_absolute(path) for path in weights],
            snapshot=None if snapshot is None else _absolute(snapshot),
            resume=resume,
            overwrite=overwrite,
            output_dir=None if output_dir is None else _absolute(output_dir),
            level=level,
            stages=list(stages),
            gpus=[gpu] if isinstance(gpu, int) else list(gpu),
            cpu=cpu,
            seed=seed,
            log_csv=None if log_csv is None else _absolute(log_csv),
            sigint_effect=sigint_effect,
            sighup_effect=sighup_effect,
        )
    )


def _gpus(text: str) -> Sequence[int] | str:
    """Return the GPUs that an argument names; ``all``, which the engine is asked for, as it is."""
    if text == "all":
        return text
    numbers = text.split(",")
    if not all(number.isascii() and number.isdigit() for number in numbers):
        raise argparse.ArgumentTypeError(f"takes numbers of GPUs from 0, or all; is {text!r}")
    return [int(number) for number in numbers]


def _processes(args: argparse.Namespace) -> int:
    """Return how many processes the options ask for on this machine; with ``--gpu all``, name its GPUs."""
    try:
        if args.gpu == "all":
            args.gpu = _every_gpu()
        asked = len(args.gpu) or 1
        if args.processes is None:
            return asked
        if args.processes < 1:
            raise UserError(f"--processes takes a number from 1; is {args.processes}")
        if args.gpu and asked != args.processes:
            raise UserError(
                f"--processes {args.processes} is another number than that of the GPUs, {asked}: leave it out"
            )
        if started() > 1 and args.processes != local_count():
            raise UserError(
                f"--processes {args.processes} is another number than the {local_count()} that were started on this "
                "machine: leave it out"
            )
        return int(args.processes)
    except UserError as error:
        error.told = not speaks_here()
        raise


def _every_gpu() -> list[int]:
    refuse_caffe()
    from caffe_pylayers.runtime.memory import device

    found = list(range(device.count()))
    if not found:
        raise UserError("--gpu all: this PyTorch sees no GPU; --cpu trains on the CPU")
    return found


def _check_gpus(count: int, args: argparse.Namespace) -> None:
    """UserError for GPUs that are not there, before processes are started that would find so."""
    from caffe_pylayers.runtime.memory import device

    instead = "--cpu"
    if args.gpu:
        last, asked = max(args.gpu), f"--gpu {','.join(map(str, args.gpu))}"
        instead = f"--processes {count} --cpu"
    elif _on_gpu(args):
        last, asked = count - 1, f"{args.solver}: solver_mode: GPU, and --processes {count}"
    else:
        return
    found = device.count()
    if last >= found and not device.keeps_cpu():
        sees = f"sees GPUs 0 to {found - 1}" if found else "sees no GPU"
        raise UserError(f"{asked}: this PyTorch {sees}; {instead} trains on the CPU")


def _on_gpu(args: argparse.Namespace) -> bool:
    """Return True where the solver file says so; UserError for one that cannot be read."""
    from caffe_pylayers._nets.said import silent
    from caffe_pylayers.cli._training import mode, solver_file

    with silent():  # the process that leads reads it, too
        param = solver_file.read(args.solver)
    mode.choose_mode(param, (), args.cpu, 0)
    return bool(param.solver_mode == param.GPU)


def _launch(count: int, args: argparse.Namespace) -> int:
    """Start processes with this command line; return the exit code."""
    refuse_caffe()
    _check_gpus(count, args)
    from caffe_pylayers.runtime.parallel.launch import LaunchError, launch

    of_script = args.prog != "caffe-pylayers train"  # scripts/train.py, whose name messages begin with
    try:
        if of_script:
            return launch(count, functools.partial(main, verb="train"), args.given)
        return launch(count, main, ["train", *args.given])
    except LaunchError as error:
        raise UserError(str(error)) from error


def _absolute(path: str | os.PathLike[str]) -> Path:
    return Path(os.path.abspath(path))


def _how_to_go_on(args: argparse.Namespace, snapshot: Path) -> str:
    """Return what to do to go on from a snapshot; what a launcher was told is not known here."""
    if started() in (1, _processes(args)):
        return f"go on with\n  {_resume_command(args, snapshot)}"
    replaced = [f"--{name}" for name in ("weights", "snapshot", "overwrite") if getattr(args, name)]
    instead = f" in the place of {replaced[0]}" if replaced else ""
    return f"go on: start all processes as before, with --resume{instead}"


def _resume_command(args: argparse.Namespace, snapshot: Path) -> str:
    """Return the command line that goes on from a snapshot, with the options that were given."""
    words = [*_program(), "--solver", str(args.solver), "--snapshot", str(snapshot)]
    for name, default in _RESUMED.items():
        value = getattr(args, name)
        if value is True:
            words.append(f"--{name}")
        elif value != default:
            text = ",".join(map(str, value)) if name == "gpu" else str(value)
            words += [f"--{name.replace('_', '-')}", text]
    return " ".join(map(shlex.quote, words))


def _program() -> list[str]:
    program = Path(sys.argv[0])
    if program.name == "__main__.py":
        return [sys.executable, "-m", "caffe_pylayers", "train"]
    if program.suffix == ".py":  # scripts/train.py
        return [sys.executable, sys.argv[0]]
    return [sys.argv[0], "train"]
