"""Who keeps the others waiting, where a process hangs: people are told after a while, and at last all end by it.

Nothing of this is sent while the processes go on. One that has waited for long shows in the store how many exchanges it
has begun; those that have not begun as many, or show nothing, are the ones that it waits for.
"""

from __future__ import annotations

import math
import os
import queue
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from caffe_pylayers.runtime.parallel.presence import GroupError, Presence, ask
from caffe_pylayers.runtime.parallel.speakers import first_here, solvers, speaks

VARIABLE = "CAFFE_PYLAYERS_TIMEOUT"  # seconds without an exchange, until the training ends
TIMEOUT = 1800.0
SHOW = 5.0  # seconds, until a process shows that it waits
QUIET = 60.0  # seconds, until people are told
SIGN = 20.0  # seconds, between two signs of one that works without the others
_ANSWER = 2.0  # seconds, until the store is one of those that hang


def timeout() -> float:
    """Return the seconds that the user has chosen; GroupError for what is no number above 0."""
    text = os.environ.get(VARIABLE) or str(TIMEOUT)
    try:
        chosen = float(text)
    except ValueError:
        chosen = math.nan
    if not chosen > 0:
        raise GroupError(f"{VARIABLE}={text} is no number of seconds above 0", quiet=not first_here())
    return chosen


class Stalls:
    """This process's waits for the others: of one exchange at a time.

    begun: how many exchanges it has begun, the same in all that have come as far.
    where: returns what people call the place to which the awaited ones have not come.
    """

    def __init__(self, store: Any, presence: Presence, timeout: float) -> None:
        self._store, self._presence, self._timeout = store, presence, timeout
        self.begun = 0
        self.where: Callable[[], str] = lambda: "the start"
        self._shown = 0  # what of begun is in the store
        self._signs: list[bytes] = []  # of the others, as they were when this process last looked
        self._since = self._due = self._next_sign = 0.0

    def look(self, began: float, of: Sequence[int] = ()) -> None:
        """Say who is awaited, if it is time; what waits calls this now and then.

        began: when the wait did. of: the only ones whom it may wait for; by default all others.
        GroupError when the timeout is over.
        """
        now = time.monotonic()
        if now - began < SHOW:
            return
        if self._shown != self.begun:
            self._shown, self._since, self._due = self.begun, began, began + QUIET
            self._asked(lambda: self._store.set(f"waits/{self._presence.rank}", str(self.begun)))
            self._signs = self._asked(self._read_signs) or []
        elif now > min(self._due, self._since + self._timeout):
            signs = self._asked(self._read_signs) or []
            if signs != self._signs:
                self._signs, self._since, self._due = signs, now, now + QUIET
            else:
                self._tell(now - self._since, of)

    def sign(self) -> None:
        """Show that this process works, without the others."""
        if time.monotonic() > self._next_sign:
            self._next_sign = time.monotonic() + SIGN
            self._asked(lambda: self._store.add(f"signs/{self._presence.rank}", 1))

    def _tell(self, seconds: float, of: Sequence[int]) -> None:
        awaited = self._asked(lambda: self._behind(of)) or [0]  # who keeps the store, where a launcher does not
        who = self._presence.name(awaited[0]) if len(awaited) == 1 else solvers(awaited, self._presence.count)
        late = f"{who} {'has' if len(awaited) == 1 else 'have'} not come to {self.where()} for {seconds:.0f} s"
        if seconds > self._timeout:
            raise self._presence.end(f"{late}, as {VARIABLE} allows")
        self._due = math.inf
        if speaks(f"{self._presence.place} {self.begun}"):
            text = f"{late}; the others wait until {self._timeout:.0f} s are over"
            print(text, file=sys.stderr, flush=True)

    def _behind(self, of: Sequence[int]) -> list[int]:
        others = of or [rank for rank in range(self._presence.count) if rank != self._presence.rank]
        return [rank for rank in others if int(self._word(f"waits/{rank}") or 0) < self.begun]

    def _read_signs(self) -> list[bytes]:
        return [self._word(f"signs/{rank}") for rank in range(self._presence.count)]

    def _word(self, key: str) -> bytes:
        return bytes(self._store.get(key)) if self._store.check([key]) else b""

    def _asked(self, question: Callable[[], Any]) -> Any:
        """Return the store's answer; None where it does not answer: then one hangs that will be named."""
        try:
            return ask(question).get(timeout=_ANSWER)[0]
        except queue.Empty:
            return None
