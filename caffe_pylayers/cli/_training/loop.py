"""The iterations of a training, and what happens between them."""

from __future__ import annotations

import contextlib
import math
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Iterator

from caffe_pylayers.cli import UserError
from caffe_pylayers.cli._curves.log import Log, Row
from caffe_pylayers.cli._errors import raised_here
from caffe_pylayers.cli._training.evaluation import Evaluation, Objective, Results
from caffe_pylayers.cli._training.progress import Progress
from caffe_pylayers.cli._training.signals import Signals
from caffe_pylayers.cli._training.snapshot import DivergedError, Snapshots


class TrainingError(UserError):
    """A layer failed; the weights are those of the last whole iteration.

    snapshot: where training can go on from; None before the first iteration.
    """

    snapshot: Path | None = None


@dataclass
class Training:
    """One run of a solver.

    param: its SolverParameter, with the tests and snapshots that the driver takes on.
    model: where the weights go when max_iter is reached.
    tests: the last test's results.
    """

    solver: Any
    param: Any
    objective: Objective
    evaluation: Evaluation
    snapshots: Snapshots
    log: Log
    progress: Progress
    model: Path
    tests: Results = field(default_factory=dict)

    def run(self, signals: Signals) -> None:
        """Train until max_iter, or until a signal to stop.

        TrainingError where a layer fails and DivergedError where the loss is not finite, both
        naming the iteration. After any failure but that there is a snapshot.
        """
        try:
            self._train(signals)
        except DivergedError as error:
            raise self._explained(error) from error

    @property
    def reached(self) -> bool:
        """Whether max_iter is."""
        return bool(self.solver.iter >= self.param.max_iter)

    def _train(self, signals: Signals) -> None:
        try:
            self._iterate(signals)
            self._finish()
        except DivergedError:
            raise
        except (Exception, SystemExit) as error:  # SystemExit: a layer's, not ours
            snapshot = self._save()
            if isinstance(error, TrainingError):
                error.snapshot = snapshot
            raise

    def _iterate(self, signals: Signals) -> None:
        self._complete(self.log.first, signals)
        while not self.reached and not signals.stop:
            begin = time.monotonic()
            row = self._step()
            self.progress.update(row["iteration"], row["loss"], row.get("lr"), time.monotonic() - begin)
            self._complete(row, signals)
            if signals.hung_up() or (self.param.snapshot > 0 and self.solver.iter % self.param.snapshot == 0):
                self._save()

    def _step(self) -> Row:
        row: Row = {"iteration": self.solver.iter + 1}
        with blame(f"iteration {row['iteration']}"):
            lr = getattr(self.solver, "lr", None)  # the next step's; older engines do not tell
            self.solver.step(1)
            row.update(loss=self.objective.value(), **({} if lr is None else {"lr": lr}))
        if not math.isfinite(row["loss"]):
            self.log.write(row)
            raise DivergedError(f"iteration {row['iteration']}: the loss is {row['loss']}")
        return row

    def _complete(self, row: Row, signals: Signals) -> None:
        """Test if it is time, unless the row says that that is done, and log the row."""
        iteration = row["iteration"]
        try:
            if self.evaluation.due(iteration) and not row.keys() & set(self.evaluation.columns):
                with blame(f"iteration {iteration}, testing"):
                    self.tests = self.evaluation.run(lambda: signals.stop is not None) or {}
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
        """The snapshot of this iteration; None before the first."""
        if self.solver.iter == 0:
            return None
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


@contextlib.contextmanager
def blame(where: str) -> Iterator[None]:
    """Turn an exception of a layer into TrainingError; its traceback is printed unless it is one of this package's."""
    try:
        yield
    except (Exception, SystemExit) as error:
        text = str(error)
        # The package's own layers print it, and its other messages say all.
        if not getattr(error, "_printed_by_layer", False) and not raised_here(error):
            traceback.print_exception(type(error), error, error.__traceback__)
            text = f"{type(error).__name__}: {error}"
        raise TrainingError(f"{where}: {text}") from error
