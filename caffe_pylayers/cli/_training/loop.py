"""The iterations of a training, and what happens between them.

The driver steps the solver itself, ``solver.step(1)`` at a time, instead of calling ``solver.solve()``, and takes the
tests and snapshots upon itself (``solver_file.for_engine`` takes them out of the solver that the engine gets):

- pycaffe hands the results of its tests, and the loss, to the program's log alone; here they go to the CSV log;
- Caffe ends the process where a snapshot cannot be written, and leaves half of it behind;
- a layer's exception, a signal or a loss that is not finite must end the training with a snapshot of the last whole
  iteration, or none.

On a GPU the losses stay there until one is shown or something depends on them, a second at most: who reads each one
has the GPU wait for the host in each iteration.

The numbers are Caffe's: ``step`` is one iteration of ``solve``, at the same learning rate.
"""

from __future__ import annotations

import contextlib
import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Iterator, NamedTuple

from caffe_pylayers._layer import arrays
from caffe_pylayers.cli import UserError
from caffe_pylayers.cli._curves.log import Log, Row
from caffe_pylayers.cli._errors import print_foreign, raised_here, told
from caffe_pylayers.cli._training.evaluation import Evaluation, Objective, Results
from caffe_pylayers.cli._training.pictures import Pictures
from caffe_pylayers.cli._training.progress import Progress
from caffe_pylayers.cli._training.signals import Signals
from caffe_pylayers.cli._training.snapshot_writer import DivergedError, SnapshotError, SnapshotWriter
from caffe_pylayers.cli._training.team import Alone

LONGEST_UNREAD = 1.0  # seconds that a loss stays on a GPU


class Done(NamedTuple):
    """An iteration that was begun and ended at these moments of time.monotonic.

    row: its own; the loss is a number, or what Objective.losses takes.
    """

    row: Row
    begin: float
    end: float


class TrainingError(UserError):
    """A layer failed; the weights are those of the last whole iteration.

    snapshot: the solverstate to go on from; None before the first iteration.
    """


@dataclass
class TrainingLoop:
    """One run of a solver.

    param: its SolverParameter, tests and snapshots included.
    model: the file of the weights once max_iter is reached.
    draw: called with the pictures of a test and its iteration.
    team: the processes that train together, of which this one leads.
    tests: the last test's results.
    """

    solver: Any
    param: Any
    objective: Objective
    evaluation: Evaluation
    snapshots: SnapshotWriter
    log: Log
    progress: Progress
    model: Path
    draw: Callable[[Pictures, int], None]
    team: Alone
    tests: Results = field(default_factory=dict)
    _unread: list[Done] = field(default_factory=list)
    _read_at: float = 0.0

    def run(self, signals: Signals) -> None:
        """Train until max_iter, or until a signal to stop.

        TrainingError where a layer fails and DivergedError where the loss is not finite, both
        naming the iteration. There is a snapshot of the last whole iteration after any failure but the latter.
        """
        try:
            with self._snapshot_on_failure():
                self._iterate(signals)
                self._finish()
        except DivergedError as error:
            raise self._explained(error) from error

    @property
    def reached(self) -> bool:
        """True once max_iter is reached."""
        return bool(self.solver.iter >= self.param.max_iter)

    @contextlib.contextmanager
    def _snapshot_on_failure(self) -> Iterator[None]:
        try:
            yield
        except (DivergedError, SnapshotError):
            raise
        except (Exception, SystemExit) as error:  # SystemExit: a layer's, not ours
            snapshot = self._save()
            if isinstance(error, TrainingError):
                error.snapshot = snapshot
            raise

    def _iterate(self, signals: Signals) -> None:
        self._complete(self.log.first, signals)
        tested(self.solver, self.team, signals)
        while not self.reached and not self.team.stop(signals):
            begin = time.monotonic()
            row = self._step(signals)
            self._unread.append(Done(row, begin, time.monotonic()))
            iteration = row["iteration"]
            if self.evaluation.due(iteration):
                self._read()
                self._complete(row, signals)
            elif not self._may_wait(row):
                self._read()
            if self._test_between(iteration):
                tested(self.solver, self.team, signals)
            if self.team.hung_up(signals) or (self.param.snapshot > 0 and self.solver.iter % self.param.snapshot == 0):
                self._save()
        self._read()

    def _step(self, signals: Signals) -> Row:
        tests = self._test_between(self.solver.iter + 1)
        return iterate(self.solver, self.objective, self.team, signals, tests)

    def _may_wait(self, row: Row) -> bool:
        """Return True for a row whose loss is on a GPU and may be read later, with others."""
        on_device = isinstance(row["loss"], list) and any(arrays.is_tensor(x) for x in row["loss"][0])
        recent = time.monotonic() - self._read_at < LONGEST_UNREAD
        return on_device and recent and not self.progress.shows(row["iteration"])

    def _read(self) -> None:
        """Read the losses of the iterations since the last call, show them and log them; DivergedError for the first
        that is not finite. What is logged of one with a test ``_complete`` writes.
        """
        done, self._unread = self._unread, []
        late = iter(self.objective.losses([each.row["loss"] for each in done if isinstance(each.row["loss"], list)]))
        self._read_at = time.monotonic()
        for row, begin, end in done:
            if isinstance(row["loss"], list):
                row["loss"] = next(late)
            iteration, loss = row["iteration"], row["loss"]
            if not math.isfinite(loss):
                self.log.write(row, end)
                raise DivergedError(f"iteration {iteration}: the loss is {loss}")
            self.progress.update(iteration, loss, row.get("lr"), end - begin)
            if not self.evaluation.due(iteration):
                self.log.write(row, end)

    def _test_between(self, iteration: int) -> bool:
        """Return True if there is a test after this iteration, and another iteration after it."""
        return self.evaluation.due(iteration) and iteration < int(self.param.max_iter)

    def _complete(self, row: Row, signals: Signals) -> None:
        """Test if it is time, unless the row says that that is done, and log the row."""
        iteration = row["iteration"]
        try:
            if self.evaluation.due(iteration) and not row.keys() & set(self.evaluation.columns):
                with blame(f"iteration {iteration}, testing"):
                    self.tests = self.evaluation.run(lambda: self.team.interrupted(signals)) or {}
                    if self.tests:
                        self.draw(self.evaluation.pictures(), iteration)
                row.update(self.tests)
                self.progress.tested(iteration, self.tests)
        finally:
            if row.keys() - {"iteration", "seconds"}:
                self.log.write(row)

    def _finish(self) -> None:
        if not self.reached:
            self._save()
            self.progress.say(f"stopped at iteration {self.solver.iter}")
            return
        if self.param.snapshot_after_train:
            self._save()
        self.progress.say(f"model {self.snapshots.final(self.model)}")

    def _save(self) -> Path | None:
        """Take the snapshot of this iteration, if it is not taken yet, and return its solverstate; None at 0.

        DivergedError, and none is taken, where a loss that was not read yet is not finite.
        """
        self._read()
        if self.solver.iter == 0:
            return None
        if getattr(self.solver, "torn", False):  # the runtime's
            self.progress.say("no snapshot: the iteration failed halfway through its updates")
            return self.snapshots.last
        fresh = self.snapshots.last_iteration != self.solver.iter
        path = self.snapshots.save()
        if fresh:
            self.progress.say(f"snapshot {path}")
        return path

    def _explained(self, error: DivergedError) -> DivergedError:
        last = self.snapshots.last
        return DivergedError(
            f"{error}; the update spoilt the weights, so there is no snapshot of it; "
            + (f"the last good one is {last}" if last else "there is none before it")
            + f"; a base_lr below {self.param.base_lr:g} may help"
        )


def iterate(solver: Any, objective: Objective, team: Alone, signals: Signals, tests: bool = False) -> Row:
    """Do one iteration; return its row, whose loss is what ``team.step`` returns. tests: as ``Alone.step`` takes it."""
    row: Row = {"iteration": solver.iter + 1}
    with blame(f"iteration {row['iteration']}"):
        lr = getattr(solver, "lr", None)  # the next step's; older engines do not tell
        loss = team.step(solver, objective, signals, tests)
    row.update(loss=loss, **({} if lr is None else {"lr": lr}))
    return row


def tested(solver: Any, team: Alone, signals: Signals) -> None:
    """Go on after a test, all processes together."""
    with blame(f"iteration {solver.iter}, testing"):
        team.tested(signals)


@contextlib.contextmanager
def blame(where: str) -> Iterator[None]:
    """Turn an exception of a layer into TrainingError; its traceback is printed unless it is one of this package's."""
    try:
        yield
    except (Exception, SystemExit) as error:
        text = str(error)
        # The package's own layers print it, and its other messages say all.
        if not getattr(error, "_printed_by_layer", False) and not raised_here(error):
            print_foreign(error)
            text = told(error)
        raise TrainingError(f"{where}: {text}") from error
