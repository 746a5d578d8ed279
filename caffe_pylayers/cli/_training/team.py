"""The processes of one training: this one alone, or those that torchrun started, with a solver each.

The first of them leads: it reads what the training starts from, tests, writes all files and speaks. The others
follow: they get the solver and all values from it, and train with their share of the data.
"""

from __future__ import annotations

import contextlib
import os
import signal
from typing import Any, Iterator

from caffe_pylayers import _engine
from caffe_pylayers._layer.data.resuming import resume
from caffe_pylayers.cli import UserError
from caffe_pylayers.cli._errors import line_of
from caffe_pylayers.cli._training.evaluation import Objective
from caffe_pylayers.cli._training.signals import Signals

VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")  # torchrun's


def started() -> int:
    """Return how many processes a launcher such as torchrun started for this training; 1 where none did."""
    return int(os.environ["WORLD_SIZE"]) if all(map(os.environ.get, VARIABLES)) else 1


class Alone:
    """A training by this process."""

    rank = 0
    count = 1

    def leads(self) -> bool:
        """Return True in the process that leads."""
        return self.rank == 0

    def local_rank(self) -> int:
        """Return the number of this process on its machine."""
        return 0

    def local_count(self) -> int:
        """Return the number of processes on its machine."""
        return 1

    def first(self, what: str, text: str = "") -> str:
        """Return the text that the leader gives."""
        return text

    def join(self, solver: Any, resumed: bool = False) -> None:
        """Give all solvers the leader's values and state. resumed, of the leader: it goes on from a snapshot."""

    def step(self, solver: Any, objective: Objective, signals: Signals) -> float:
        """Do one iteration; return the mean of all processes' losses. Called in each."""
        solver.step(1)
        return objective.value()

    def stop(self, signals: Signals) -> signal.Signals | None:
        """Return the signal that ends the training here, None while there is none."""
        return signals.stop

    def hung_up(self, signals: Signals) -> bool:
        """Return True if a signal to take a snapshot came since the last call."""
        return signals.hung_up()


class Several(Alone):
    """A training by the processes of a group.

    A signal that one of them gets is obeyed by all, after the same iteration.
    """

    def __init__(self, group: Any) -> None:
        self._group = group
        self.rank, self.count = group.rank, group.count
        self._stop: signal.Signals | None = None
        self._hung_up = False

    def local_rank(self) -> int:
        return int(os.environ.get("LOCAL_RANK", self.rank))

    def local_count(self) -> int:
        return int(os.environ.get("LOCAL_WORLD_SIZE", self.count))

    def first(self, what: str, text: str = "") -> str:
        return str(self._group.first(what, text))

    def join(self, solver: Any, resumed: bool = False) -> None:
        from caffe_pylayers.runtime.parallel.nccl import NCCL

        self._nccl = nccl = NCCL(solver, self._group, numbers=4)
        nccl.bcast()
        if self.first("resumed", str(resumed)) == "True":
            self._share_state(solver)
        solver.add_callback(nccl)
        if solver.param.layer_wise_reduce:
            solver.net.after_backward(nccl)

    def _share_state(self, solver: Any) -> None:
        for blob in solver.history:
            self._group.broadcast(blob.update())
        iteration, step = map(int, self.first("state", f"{solver.iter} {solver.current_step}").split())
        if not self.leads():
            solver.resume(iteration, step)
            resume(solver.net, iteration * solver.param.iter_size)

    def step(self, solver: Any, objective: Objective, signals: Signals) -> float:
        def numbers() -> list[float]:
            here = signals.stop
            return [objective.value(), here == signal.SIGTERM, here is not None, signals.hung_up()]

        self._nccl.numbers = numbers
        solver.step(1)
        loss, terminated, stopped, hung_up = self._nccl.means
        if stopped and self._stop is None:
            self._stop = signal.SIGTERM if terminated else signal.SIGINT
        self._hung_up = self._hung_up or bool(hung_up)
        return loss

    def stop(self, signals: Signals) -> signal.Signals | None:
        return self._stop

    def hung_up(self, signals: Signals) -> bool:
        hung_up, self._hung_up = self._hung_up, False
        return hung_up


@contextlib.contextmanager
def joined() -> Iterator[Alone]:
    """Meet the other processes that a launcher started, for the length of the block.

    UserError where they do not come, or on a real Caffe.
    """
    count = started()
    if count == 1:
        yield Alone()
        return
    caffe = _engine.caffe()
    if not _engine.on_runtime():
        raise UserError("several processes train together on the runtime alone: --engine runtime")
    from caffe_pylayers.runtime.parallel.group import ENVIRONMENT, Group, GroupError

    before = caffe.solver_rank(), caffe.solver_count()
    try:
        group = Group(ENVIRONMENT, int(os.environ["RANK"]), count)
    except (GroupError, ValueError) as error:
        raise UserError(line_of(error)) from error
    caffe.set_solver_rank(group.rank)
    caffe.set_solver_count(count)
    try:
        yield Several(group)
    finally:
        caffe.set_solver_rank(before[0])
        caffe.set_solver_count(before[1])
        group.close()
