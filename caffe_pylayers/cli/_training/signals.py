"""Signals that wait for the end of an iteration."""

from __future__ import annotations

import signal
import threading
from types import TracebackType
from typing import Any, Mapping


class Signals:
    """Notes SIGINT, SIGTERM and SIGHUP for the length of a ``with`` block.

    effects: of SIGINT and SIGHUP, "stop", "snapshot" or "none"; SIGTERM stops.
    stop: the signal to stop that came, else None. A second one does what it did before the block.
    """

    def __init__(self, effects: Mapping[str, str]) -> None:
        self._effects = {"SIGTERM": "stop", **effects}
        self.stop: signal.Signals | None = None
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
        self._restore(*self._before)

    def _note(self, number: int, frame: object) -> None:
        effect = self._effects[signal.Signals(number).name]
        if effect == "snapshot":
            self._hangup = True
        elif effect == "stop":
            self.stop = signal.Signals(number)
            self._restore(signal.SIGINT, signal.SIGTERM)

    def _restore(self, *numbers: int) -> None:
        for number in numbers:
            before = self._before[number]
            # None stands for a handler that Python did not set.
            signal.signal(number, signal.SIG_DFL if before is None else before)

    def hung_up(self) -> bool:
        """Whether a signal to take a snapshot came since the last time this was asked."""
        hangup, self._hangup = self._hangup, False
        return hangup
