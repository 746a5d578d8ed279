"""What is said of a net's file, once in a process: a net is read again for each that is made of it."""

from __future__ import annotations

import contextlib
import logging
from typing import Iterator

LOGGER = logging.getLogger("caffe_pylayers.runtime")  # which caffe.init_log shows
_said: set[str] = set()


def say(line: str, level: int = logging.WARNING) -> None:
    """Log a line, unless it was."""
    if line not in _said and LOGGER.isEnabledFor(level):
        _said.add(line)
        LOGGER.log(level, "%s", line)


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Say nothing in the length of the block, where another process says it."""
    before, LOGGER.disabled = LOGGER.disabled, True
    try:
        yield
    finally:
        LOGGER.disabled = before
