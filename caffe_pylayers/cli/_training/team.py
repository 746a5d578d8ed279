"""The processes of one training: this one alone, or those that torchrun started, with a solver each.

The first of them leads: it reads what the training starts from, tests, writes all files and speaks. The others
follow: they get the solver and all values from it, and train with their share of the data. Where one fails, the leader
says so, and how to go on; where the leader is there no more, the one that has found that out.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import time
from typing import Any, Iterator

from caffe_pylayers import _engine
from caffe_pylayers._engine import EngineError
from caffe_pylayers._engine.libraries import MissingLibrary
from caffe_pylayers._layer.data.resuming import resume
from caffe_pylayers.cli import UserError
from caffe_pylayers.cli._errors import line_of
from caffe_pylayers.cli._training.evaluation import Objective, Sums
from caffe_pylayers.cli._training.launched import refuse_caffe, started
from caffe_pylayers.cli._training.signals import ONE_WISH, Signals

STOPS = [getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name)]


class Alone:
    """A training by this process."""

    rank = 0
    count = 1

    def leads(self) -> bool:
        """Return True in the process that leads."""
        return self.rank == 0

    def first(self, what: str, text: str = "") -> str:
        """Return the text that the leader gives."""
        return text

    def join(self, solver: Any, resumed: bool = False) -> None:
        """Give all solvers the leader's values and state. resumed, of the leader: it goes on from a snapshot."""

    def step(self, solver: Any, objective: Objective, signals: Signals, tests: bool = False) -> float | Sums:
        """Do one iteration; return the mean of all processes' losses; of one alone, what Objective.losses takes.

        Called in each process. tests, of the leader: a test follows, and the others are to wait for it.
        """
        solver.step(1)
        return objective.sums()

    def tested(self, signals: Signals) -> None:
        """Go on together after a test: all obey the signals that any of them got meanwhile."""

    def stop(self, signals: Signals) -> signal.Signals | None:
        """Return the signal that ends the training here, None while there is none."""
        return signals.stop

    def hung_up(self, signals: Signals) -> bool:
        """Return True if a signal to take a snapshot came since the last call."""
        return signals.hung_up()

    def interrupted(self, signals: Signals) -> bool:
        """Return True if a test, which the leader computes alone, is to end early."""
        return signals.stop is not None

    def speaks_of(self, error: BaseException) -> bool:
        """Return True if this process says to people that all end by an error, and how to go on."""
        return True


class Several(Alone):
    """A training by the processes of a group.

    The loss, and the signals that any of them got, go with the gradients, before the update: all obey after the same
    iteration, and one that ends meanwhile leaves the others at the end of the iteration before. So does a signal that
    ends a test: the others wait until it is through.
    """

    def __init__(self, group: Any) -> None:
        self._group = group
        self.rank, self.count = group.rank, group.count
        self._launcher = os.getppid()
        self._nccl: Any = None
        self._stop: signal.Signals | None = None
        self._hung_up = False
        self._heard = -math.inf  # when the last signal to take a snapshot was

    def first(self, what: str, text: str = "") -> str:
        return str(self._group.first(what, text))

    def join(self, solver: Any, resumed: bool = False) -> None:
        from caffe_pylayers.runtime.parallel import agreement
        from caffe_pylayers.runtime.parallel.nccl import NCCL

        self._nccl = nccl = NCCL(solver, self._group, numbers=3 + len(STOPS))
        self._group.check_equal("net", agreement.layers(solver.net))
        if self.first("resumed", str(resumed)) == "True":
            self._share_state(solver)
        nccl.bcast()
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

    def step(self, solver: Any, objective: Objective, signals: Signals, tests: bool = False) -> float:
        self._nccl.numbers = lambda: [objective.scalar(), tests, *self._came(signals)]
        solver.step(1)
        loss, test_follows, *came = self._nccl.means
        self._obey(came)
        if test_follows and not self.leads():
            self.tested(signals)
        return float(loss)

    def tested(self, signals: Signals) -> None:
        self._obey(self._group.sums(self._came(signals)))

    def _came(self, signals: Signals) -> list[float]:
        """Return which signals this process got: to take a snapshot, and each of STOPS."""
        stop = signal.SIGTERM if self._left() else signals.stop
        return [signals.hung_up(), *(stop == number for number in STOPS)]

    def _obey(self, came: list[float]) -> None:
        """Note the signals that any process got, as ``_came`` has them, summed over all."""
        hung_up, *stopped = came
        if hung_up and time.monotonic() - self._heard >= ONE_WISH:  # each of the others got the same
            self._hung_up, self._heard = True, time.monotonic()
        self._stop = self._stop or next((number for number, count in zip(STOPS, stopped) if count), None)

    def _left(self) -> bool:
        """Return True if the launcher has ended: where it is killed, nobody else ends its processes."""
        return "TORCHELASTIC_RUN_ID" in os.environ and os.getppid() != self._launcher

    def stop(self, signals: Signals) -> signal.Signals | None:
        return self._stop

    def hung_up(self, signals: Signals) -> bool:
        hung_up, self._hung_up = self._hung_up, False
        return hung_up

    def interrupted(self, signals: Signals) -> bool:
        self._group.check()
        return super().interrupted(signals)

    def speaks_of(self, error: BaseException) -> bool:
        end = _group_error(error)
        return self.leads() or (end is not None and not end.quiet and not self._group.leader_speaks)

    def failed(self, error: BaseException) -> BaseException:
        """Tell the others by which error this process ends; return the error that people are to read here."""
        end = _group_error(error)
        if end is not None:
            return self._of_another(error, end)
        told = isinstance(error, (UserError, EngineError, MissingLibrary))
        heard = self._group.fail(line_of(error) if told else error)
        if self.leads() or not told:
            return error
        said = UserError(f"{self._group.name}: {error}")
        said.told = heard
        return said

    def _of_another(self, error: BaseException, end: Any) -> UserError:
        """Return the error of a process that ends because another one has, in that one's words."""
        said = UserError(str(end))
        said.told = not self.speaks_of(error)
        said.snapshot = getattr(error, "snapshot", None)
        return said


@contextlib.contextmanager
def joined() -> Iterator[Alone]:
    """Meet the other processes that a launcher started, for the length of the block.

    UserError where they do not come, where one of them ends, or on a real Caffe.
    """
    count = started()
    if count == 1:
        yield Alone()
        return
    caffe = _engine.caffe()
    refuse_caffe()
    from caffe_pylayers.runtime.parallel.group import ENVIRONMENT, Group, GroupError

    before = caffe.solver_rank(), caffe.solver_count()
    try:
        group = Group(ENVIRONMENT, int(os.environ["RANK"]), count)
    except (GroupError, ValueError) as error:
        raise _not_met(error) from error
    caffe.set_solver_rank(group.rank)
    caffe.set_solver_count(count)
    team = Several(group)
    try:
        yield team
    except BaseException as error:
        said = team.failed(error)
        if said is error:
            raise
        raise said from error
    finally:
        caffe.set_solver_rank(before[0])
        caffe.set_solver_count(before[1])
        group.close()


def _not_met(error: Exception) -> UserError:
    said = UserError(line_of(error))
    said.told = bool(getattr(error, "quiet", False))
    return said


def _group_error(error: BaseException | None) -> Any:
    """Return the GroupError behind an error, None where there is none."""
    from caffe_pylayers.runtime.parallel.group import GroupError

    while error is not None and not isinstance(error, GroupError):
        error = error.__cause__
    return error
