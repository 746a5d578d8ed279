"""Ctrl-C while a library is imported that does not survive it."""

from __future__ import annotations

import contextlib
import signal
import threading
from types import FrameType
from typing import Iterator


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Hold the first Ctrl-C back until the end of the block.

    Interrupted as they load, PyTorch aborts the process, and numpy and matplotlib raise errors of other kinds.
    """
    before = signal.getsignal(signal.SIGINT)
    if not callable(before) or threading.current_thread() is not threading.main_thread():
        yield
        return
    came = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal came
        came = True
        signal.signal(number, before)

    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            signal.raise_signal(signal.SIGINT)
