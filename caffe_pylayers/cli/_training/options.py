"""A training's options and its result."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping, Sequence


@dataclass(frozen=True)
class Options:
    """The options of ``train``; paths are absolute, and None stands for what the solver file says.

    gpus: one for each process on this machine.
    """

    solver: Path
    max_iter: int | None = None
    weights: Sequence[Path] = ()
    snapshot: Path | None = None
    resume: bool = False
    overwrite: bool = False
    output_dir: Path | None = None
    level: int | None = None
    stages: Sequence[str] = ()
    gpus: Sequence[int] = ()
    cpu: bool = False
    seed: int | None = None
    log_csv: Path | None = None
    sigint_effect: str = "stop"
    sighup_effect: str = "snapshot"


@dataclass(frozen=True)
class Result:
    """The outcome of a training.

    iteration: the last one.
    tests: the last test's results, by the log's columns: ``{"test/accuracy": 0.97}``.
    snapshot: the newest solverstate; None if none was taken.
    model: the final weights; None unless max_iter was reached.
    log, plot: the log and its picture, None where there is none.
    solver: the solver file as it ran.
    stopped_by: the signal that ended it before max_iter.
    """

    iteration: int
    tests: Mapping[str, float]
    output_dir: Path
    snapshot: Path | None = None
    model: Path | None = None
    log: Path | None = None
    plot: Path | None = None
    solver: Path | None = None
    stopped_by: signal.Signals | None = None
