"""What Caffe keeps for the process beside mode and seed: its log, and its place among several solvers."""

from __future__ import annotations

import logging
from dataclasses import dataclass

LOGGER = logging.getLogger("caffe_pylayers.runtime")


@dataclass
class _Solvers:
    rank: int = 0
    count: int = 1
    multiprocess: bool = False


_solvers = _Solvers()


def init_log(level: int | bool = 0, stderr: bool = True) -> None:
    """Show the log on stderr: level 0 INFO, 1 WARNING, 2 ERROR, as glog counts."""
    LOGGER.setLevel((int(level) + 2) * 10)
    if stderr and not LOGGER.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(levelname).1s%(asctime)s] %(message)s", "%m%d %H:%M:%S"))
        LOGGER.addHandler(handler)


def log(message: str) -> None:
    """Write a line to the log."""
    LOGGER.info(message)


def solver_rank() -> int:
    """Which of the solvers that train together this process is; 0 for the first."""
    return _solvers.rank


def set_solver_rank(rank: int) -> None:
    """Say which of them it is."""
    _solvers.rank = rank


def solver_count() -> int:
    """How many solvers train together."""
    return _solvers.count


def set_solver_count(count: int) -> None:
    """Say how many."""
    _solvers.count = count


def set_multiprocess(value: bool) -> None:
    """Say that each of them is a process of its own."""
    _solvers.multiprocess = value
