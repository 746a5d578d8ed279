"""What a process of a training does that another one leads: it computes gradients of its share of the data."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from caffe_pylayers import _engine
from caffe_pylayers.cli import UserError
from caffe_pylayers.cli._training.building import base_folder, build
from caffe_pylayers.cli._training.evaluation import Objective
from caffe_pylayers.cli._training.loop import TrainingError, iterate, tested
from caffe_pylayers.cli._training.options import Options, Result
from caffe_pylayers.cli._training.plan import solver_param
from caffe_pylayers.cli._training.signals import Signals
from caffe_pylayers.cli._training.snapshot_file import newest_snapshot
from caffe_pylayers.cli._training.solver_file import snapshot_prefix
from caffe_pylayers.cli._training.team import Alone


def follow(options: Options, team: Alone) -> Result:
    """Train with the leader's solver until the leader stops."""
    with Signals({"SIGINT": options.sigint_effect, "SIGHUP": options.sighup_effect}, team.count > 1) as signals:
        led = team.first("solver")  # before anything fails here by what the leader fails by, too
        param = solver_param(options, team)
        output = options.output_dir or snapshot_prefix(param, options.solver).parent
        if not led:
            return Result(0, {}, output)
        with base_folder(param, options.solver):
            prefix = output / snapshot_prefix(param, options.solver).name
            param = _for_this_process(led, param, options)
            iteration = _train(param, team, signals, prefix)
        return Result(iteration, {}, output, stopped_by=None if iteration >= param.max_iter else team.stop(signals))


def _for_this_process(led: str, param: Any, options: Options) -> Any:
    """Return the leader's solver on this process's device; UserError where this process was told to do another one's.

    param: that of this process's file and options.
    """
    from caffe_pylayers.runtime.parallel import agreement

    solver = _engine.messages().SolverParameter.FromString(bytes.fromhex(led))
    mine, leads = ([f"type {each.type}", *agreement.fields(each)] for each in (param, solver))
    for one, other in zip(mine, leads):
        if one != other:
            raise UserError(
                f"{options.solver}, with the options here, has {one}, and the leader's {other}: give all processes the "
                "same file and options"
            )
    for field in ("test_net", "test_net_param", "test_iter", "test_interval", "test_state"):
        solver.ClearField(field)
    solver.solver_mode, solver.device_id = param.solver_mode, param.device_id
    return solver


def _train(param: Any, team: Alone, signals: Signals, prefix: Path) -> int:
    solver = build(param, param, team)
    objective = Objective(solver.net, param.iter_size)
    team.join(solver)
    try:
        tested(solver, team, signals)
        while solver.iter < param.max_iter and not team.stop(signals):
            if not math.isfinite(iterate(solver, objective, team, signals)["loss"]):
                break  # the leader says so
    except TrainingError as error:
        if team.speaks_of(error):  # it is the leader, who takes the snapshots, that has ended
            found = newest_snapshot(prefix)
            error.snapshot = None if found is None else found.path
        raise
    return int(solver.iter)
