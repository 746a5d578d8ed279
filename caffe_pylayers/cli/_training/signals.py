"""Signals that wait for the end of an iteration."""

from __future__ import annotations

import os
import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any, Mapping

ONE_WISH = 1.0  # seconds


class Signals:
    """Notes SIGINT, SIGTERM and SIGHUP for the length of a ``with`` block.

    effects: of SIGINT and SIGHUP, "stop", "snapshot" or "none"; SIGTERM stops.
    passed_on: True where a launcher passes its signals on: what ends it and all of its processes, as job managers do,
        comes twice, and is one within ONE_WISH.
    stop: the first signal to stop that came, else None.

    A second one of the same kind does at once what it did before the block. One of another kind does not: a terminal
    and a job manager that end a training together send it SIGINT and SIGTERM at the same moment. A launcher that sees
    one of its processes end sends the others SIGTERM: one that leaves the block by an error has yet to say by which, so
    that the first is noted beyond the block, too.
    """

    def __init__(self, effects: Mapping[str, str], passed_on: bool = False) -> None:
        self._effects = {"SIGTERM": "stop", **effects}
        self.stop: signal.Signals | None = None
        self._passed_on = passed_on
        self._again = ONE_WISH if passed_on else 0.0
        self._stops: dict[int, float] = {}  # when each came first
        self._hangup = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():  # no other may set handlers
            for name in ("SIGINT", "SIGTERM", "SIGHUP"):
                if hasattr(signal, name):
                    number = getattr(signal, name)
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number in self._before:
            if not (error is not None and self._passed_on and number == signal.SIGTERM):
                self._restore(number)

    def _note(self, number: int, frame: FrameType | None) -> None:
        effect = self._effects[signal.Signals(number).name]
        if effect == "snapshot":
            self._hangup = True
        elif effect == "stop" and number in self._stops:
            if time.monotonic() - self._stops[number] >= self._again:
                self._do_as_before(number, frame)
        elif effect == "stop":
            self._stops[number] = time.monotonic()
            self.stop = self.stop or signal.Signals(number)

    def _do_as_before(self, number: int, frame: FrameType | None) -> None:
        # A handler that is restored before its signal is handled makes Python drop the signal, with a complaint:
        # so none is restored in advance.
        before = self._before[number]
        if callable(before):
            before(number, frame)
        else:
            self._restore(number)
            os.kill(os.getpid(), number)

    def _restore(self, number: int) -> None:
        before = self._before[number]
        # None stands for a handler that Python did not set.
        signal.signal(number, signal.SIG_DFL if before is None else before)

    def hung_up(self) -> bool:
        """Return True if a signal to take a snapshot came since the last call."""
        hangup, self._hangup = self._hangup, False
        return hangup
