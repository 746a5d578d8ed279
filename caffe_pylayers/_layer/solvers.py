"""This process among the solvers that train together, as ``caffe.set_solver_rank`` and ``set_solver_count`` have it."""

from __future__ import annotations

import contextlib
import sys
from typing import Iterator

_alike = False


def rank() -> int:
    """Return this process's place among the solvers; 0 is the first, which alone tests."""
    return _told("solver_rank", 0)


def count() -> int:
    """Return how many solvers train together; 1 on an engine that knows of no more, too."""
    return _told("solver_count", 1)


def _told(name: str, default: int) -> int:
    ask = getattr(sys.modules.get("caffe"), name, None)
    return default if ask is None else int(ask())


@contextlib.contextmanager
def drawing_alike() -> Iterator[None]:
    """Say that in the block numpy's own generator gives the same in all solvers, as one who seeds it can."""
    global _alike  # noqa: PLW0603 - as numpy's generator, one of the process
    before, _alike = _alike, True
    try:
        yield
    finally:
        _alike = before


def draw_alike() -> bool:
    """Return True if what numpy's own generator gives is the same in all solvers."""
    return _alike or count() == 1
