"""Which test pass a batch belongs to.

Caffe tells a layer nothing of passes. One has ended where training went on: the package's layers
say so in the TRAIN phase, and the runtime's solvers and the driver before each test.
"""

from __future__ import annotations

_begun = 0


def begin() -> None:
    """Let the next batch of every metric be the first of a pass."""
    global _begun  # noqa: PLW0603 - one process, one solver
    _begun += 1


def current() -> int:
    """Return a number that stays as it is for the length of a pass."""
    return _begun
