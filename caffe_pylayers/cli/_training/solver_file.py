"""The solver file: reading it, the folder it is for, its nets, and writing it as it ran."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Sequence

from caffe_pylayers import _engine
from caffe_pylayers._disk import files
from caffe_pylayers._layer.phases import TEST
from caffe_pylayers._layer.quote import quoted
from caffe_pylayers._nets import check, prototxt, solver_rules
from caffe_pylayers._nets.forks import evaluation
from caffe_pylayers._nets.include_rules import State
from caffe_pylayers._nets.stored import AskBlobs
from caffe_pylayers.cli import UserError
from caffe_pylayers.cli._trial import refusal

NET_FIELDS = ("net", "train_net", "test_net")
NEVER = 2**31 - 1  # iterations


@dataclass(frozen=True)
class SolverNet:
    """A net of a solver: a NetParameter, the file it stands in, and the NetState it is built in."""

    message: Any
    path: Path
    state: Any


def read(path: Path) -> Any:
    """Return the SolverParameter in a file, in the current format; UserError for a file that is none."""
    return _read(prototxt.read_solver, path, "solver")


def base_folder(param: Any, path: Path, cwd: Path) -> Path:
    """Return the folder that a solver's relative paths start from.

    It is the working directory, as in Caffe, if the solver's nets are found from there; else the nearest folder above
    the solver file from which they are. UserError where there is none.
    """
    names = _net_files(param)
    folders = [cwd, *path.parents]
    for folder in folders:
        if all((folder / name).is_file() for name in names):
            return folder
    missing = ", ".join(quoted(name) for name in names if not (cwd / name).is_file())
    raise UserError(f"{path}: net {missing} is neither in {cwd} nor, from there up, in {path.parent}")


def _net_files(param: Any) -> list[str]:
    values = (getattr(param, field) for field in NET_FIELDS)
    return [name for value in values for name in ([value] if isinstance(value, str) else value) if name]


def nets(param: Any, path: Path, blobs: AskBlobs | None = None) -> list[SolverNet]:
    """Return the train net and the test nets, in Caffe's order; relative paths start from the working directory.

    blobs: those of the weights to start from, as ``prototxt.read_net`` takes them.
    """
    read: dict[str, Any] = {}  # each file is read once, as several nets may stand in it
    found = []
    for net in (solver_rules.train_net(param), *solver_rules.test_nets(param)):
        named = isinstance(net.source, str)
        if named and net.source not in read:
            read[net.source] = _read(functools.partial(prototxt.read_net, blobs=blobs), Path(net.source), "net")
        message = read[net.source] if named else net.source
        precision = evaluation.ap_version(param, _engine.messages()) if net.phase == TEST else ""
        if precision:
            message = type(message).FromString(message.SerializeToString())  # the file may hold the train net too
            evaluation.measure(message, precision)
        found.append(SolverNet(message, Path(net.source) if named else path, net.state(message)))
    return found


def _read(reader: Callable[[Path], Any], path: Path, what: str) -> Any:
    try:
        return reader(path)
    except OSError as error:
        raise UserError(f"{what} {path}: {error.strerror}") from None
    except ValueError as error:
        raise UserError(str(error)) from None


def net_problems(solver_nets: list[SolverNet]) -> list[str]:
    """Return the reasons why the nets cannot be built that can be found without building them."""
    found: dict[str, None] = {}  # in order, and once for nets that share a file
    for net in solver_nets:
        state = _state(net)
        messages = check.problems(net.message, net.path, (state.phase,), state.level, state.stages)
        found.update(dict.fromkeys(messages))
    return list(found)


def refusals(solver_nets: list[SolverNet]) -> list[str]:
    """Return why real Caffe would end the process as it builds one of the nets."""
    reasons = ((net.path, refusal(net.message, _state(net))) for net in solver_nets)
    return [f"{path}: {reason}" for path, reason in reasons if reason]


def _state(net: SolverNet) -> State:
    return State(net.state.phase, net.state.level, list(net.state.stage))


def snapshot_prefix(param: Any, path: Path) -> Path:
    """Return the absolute path that the names of snapshots start with: by default, the solver file without suffix."""
    return Path(os.path.abspath(solver_rules.snapshot_prefix(param, path) or path.with_suffix("")))


def for_engine(param: Any, prefix: Path, solver_nets: Sequence[SolverNet] = ()) -> Any:
    """Return a copy of a SolverParameter for the engine, without what the driver does itself.

    That is to test, to decide when to take a snapshot, and to load weights.
    prefix: the start of the paths of the snapshots that the engine writes when the driver asks for one.
    solver_nets: where given, they stand in it in place of those that it names.
    """
    engine = type(param)()
    engine.CopyFrom(param)
    if solver_nets:
        for field in (*NET_FIELDS, *(f"{field}_param" for field in NET_FIELDS)):
            engine.ClearField(field)
        engine.train_net_param.CopyFrom(solver_nets[0].message)
        engine.test_net_param.extend(net.message for net in solver_nets[1:])
    engine.snapshot = 0
    engine.snapshot_prefix = str(prefix)
    # Caffe wants an interval where there are test nets.
    engine.test_interval = NEVER if param.test_iter else 0
    engine.test_initialization = False
    if has_field(param, "weights"):
        engine.ClearField("weights")
    return engine


def has_field(param: Any, name: str) -> bool:
    """Return True if the messages of this caffe have a field of this name."""
    return name in param.DESCRIPTOR.fields_by_name


def write(param: Any, path: Path, comment: str) -> None:
    """Write a SolverParameter as text, under a comment."""
    from google.protobuf import text_format

    lines = "".join(f"# {line}\n" for line in comment.splitlines())
    if _engine.on_runtime():  # which reads a fork's fields
        param = evaluation.as_of_fork(param, _engine.messages())
    files.write_text(path, lines + text_format.MessageToString(param))
