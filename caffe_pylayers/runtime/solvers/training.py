"""The loop of a training: iterations of a solver, and between them tests, snapshots and lines of the log."""

from __future__ import annotations

import enum
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from caffe_pylayers._layer import passes
from caffe_pylayers.runtime.process import is_logged, log_once, solver_rank
from caffe_pylayers.runtime.solvers import report

if TYPE_CHECKING:
    from caffe_pylayers.runtime.solvers.solver import Solver

FIRST = 0  # the rank of the solver that tests, shows and stores, of those that train together


class Action(enum.IntEnum):
    """The answers of an action function: what the solver is to do next."""

    NONE = 0
    STOP = 1
    SNAPSHOT = 2


def _no_action() -> int:
    return Action.NONE


@dataclass
class Hooks:
    """What a training calls in between.

    on_start: before the first forward of an iteration. on_gradients: when its gradients are complete.
    checks: between the batches of a test, to raise if another process of the training has ended.
    action: after each iteration, and between the batches of a test; it returns an Action.
    """

    on_start: list[Callable[[], object]] = field(default_factory=list)
    on_gradients: list[Callable[[], object]] = field(default_factory=list)
    checks: list[Callable[[], object]] = field(default_factory=list)
    action: Callable[[], int] = _no_action


def solve(solver: Solver, hooks: Hooks, resume: Any = None) -> None:
    """Train up to max_iter, from a snapshot if one is given; then snapshot, and show the loss and a test.

    Of solvers that train together the first one does what comes after the training.
    """
    param, net = solver.param, solver.net
    log_once(f"Solving {net.name}", f"Learning Rate Policy: {param.lr_policy}")
    if resume is not None:
        log_once(f"Restoring previous solver status from {os.fsdecode(resume)}")
        solver.restore(resume)
    smoothed = report.SmoothedLoss(param.average_loss)
    stopped = train(solver, hooks, param.max_iter, smoothed)
    if solver_rank() != FIRST:
        return
    if param.snapshot_after_train and (not param.snapshot or solver.iter % param.snapshot):
        solver.snapshot()
    if stopped:
        log_once("Optimization stopped early.")
        return
    if param.display and solver.iter % param.display == 0:
        smoothed.add(net.forward_loss())
        net.check_values()
        log_once(f"Iteration {solver.iter}, loss = {smoothed.value:g}")
    if param.test_interval and solver.iter % param.test_interval == 0:
        _test_all(solver, hooks)
    log_once("Optimization Done.")


def train(solver: Solver, hooks: Hooks, stop: int, smoothed: report.SmoothedLoss) -> bool:
    """Train up to iteration ``stop``, and add up the losses; return True if an action has stopped it before."""
    param, net, is_first = solver.param, solver.net, solver_rank() == FIRST
    started, shown = time.perf_counter(), solver.iter
    while solver.iter < stop:
        net.clear_param_diffs()
        if is_first and _test_is_due(solver) and _test_all(solver, hooks):
            return True
        for on_start in hooks.on_start:
            on_start()
        iteration = solver.iter
        display = bool(param.display) and iteration % param.display == 0
        net.debug_info = display and param.debug_info
        loss = solver.compute_gradients()
        if param.display and is_logged():
            smoothed.add(loss)
        if display and is_logged():
            now = time.perf_counter()
            speed = f"{(iteration - shown) / (now - started):g} iter/s, {now - started:g}s/{param.display} iters"
            log_once(f"Iteration {iteration} ({speed}), loss = {smoothed.value:g}")
            log_once(*report.train_outputs(net))
            started, shown = now, iteration
        for on_gradients in hooks.on_gradients:
            on_gradients()
        solver.apply_update()
        action = hooks.action()
        due = is_first and param.snapshot and solver.iter % param.snapshot == 0
        if due or action == Action.SNAPSHOT:
            solver.snapshot()
        if action == Action.STOP:
            return True
    return False


def _test_is_due(solver: Solver) -> bool:
    interval = solver.param.test_interval
    return bool(interval and solver.iter % interval == 0 and (solver.iter > 0 or solver.param.test_initialization))


def _test_all(solver: Solver, hooks: Hooks) -> bool:
    """Run the test nets, up to one that an action stops; return True if one has."""
    passes.begin()
    return any(_test(solver, hooks, number) for number in range(len(solver.test_nets)))


def _test(solver: Solver, hooks: Hooks, number: int) -> bool:
    """Log the means of a test net's outputs over its batches; return True if an action has stopped the training."""
    log_once(f"Iteration {solver.iter}, Testing net (#{number})")
    net, batches = solver.test_nets[number], solver.param.test_iter[number]
    net.share_with(solver.net)
    loss, sums = 0.0, report.OutputSums()
    for _ in range(batches):
        stopped = False
        while (action := hooks.action()) != Action.NONE:
            if action == Action.SNAPSHOT:
                solver.snapshot()
            else:
                stopped = True
        if stopped:
            log_once("Test interrupted.")
            return True
        for check in hooks.checks:
            check()
        loss += net.forward_loss()
        sums.add(net)
    net.check_values()
    if not is_logged():
        return False
    if solver.param.test_compute_loss:
        log_once(f"Test loss: {float(loss) / batches if batches else math.nan:g}")
    log_once(*sums.means(net, batches))
    return False
