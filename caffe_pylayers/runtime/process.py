"""Caffe's settings of the process: its log, and its place among several solvers that train together."""

from __future__ import annotations

import logging
import operator
from dataclasses import dataclass

LOGGER = logging.getLogger("caffe_pylayers.runtime")


@dataclass
class _Solvers:
    rank: int = 0
    count: int = 1
    multiprocess: bool = False


_solvers = _Solvers()


def _is_said_here(record: logging.LogRecord) -> bool:
    """Let the first solver alone warn: all of them read the same files, and would say the same."""
    return _solvers.rank == 0 or record.levelno < logging.WARNING


LOGGER.addFilter(_is_said_here)


def init_log(level: int | bool = 0, stderr: bool = True) -> None:
    """Show the log on stderr: level 0 INFO, 1 WARNING, 2 ERROR, as glog counts."""
    LOGGER.setLevel((operator.index(level) + 2) * 10)
    if stderr and not LOGGER.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(levelname).1s%(asctime)s] %(message)s", "%m%d %H:%M:%S"))
        LOGGER.addHandler(handler)


def log(message: str) -> None:
    """Write a line to the log."""
    LOGGER.info(message)


def is_logged() -> bool:
    """Return True if ``log_once`` writes: else what is costly to know, such as values on a GPU, need not be known."""
    return _solvers.rank == 0 and LOGGER.isEnabledFor(logging.INFO)


def log_once(*lines: str) -> None:
    """Write lines to the log in the first of the solvers that train together: the others have the same to say."""
    if _solvers.rank == 0:
        for line in lines:
            LOGGER.info("%s", line)


def solver_rank() -> int:
    """Return this process's rank among the solvers that train together; 0 is the first."""
    return _solvers.rank


def set_solver_rank(rank: int) -> None:
    """Set this process's rank among the solvers."""
    _solvers.rank = operator.index(rank)


def solver_count() -> int:
    """Return the number of solvers that train together."""
    return _solvers.count


def set_solver_count(count: int) -> None:
    """Set the number of solvers that train together."""
    _solvers.count = operator.index(count)


def set_multiprocess(value: bool) -> None:
    """Set whether each solver is a process of its own."""
    _solvers.multiprocess = bool(value)
