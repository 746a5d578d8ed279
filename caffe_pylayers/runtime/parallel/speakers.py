"""What several processes of one machine have to say to people, said by one of them."""

from __future__ import annotations

import hashlib
import math
import os
import socket
import sys
import time
from collections.abc import Callable, Sequence

PATIENCE = 10.0  # seconds, until people are told whom a process waits for
_NAMED = 8  # solvers

_held: dict[str, socket.socket] = {}


def first_here() -> bool:
    """Return True in the first process of this machine, as its launcher counts them; where none does, in each."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


def speaks(what: str) -> bool:
    """Return True in the first process of this machine that asks about a text, for as long as that process lives.

    On Linux, where a socket's name ends with its process, however it ends; elsewhere each speaks.
    """
    if what not in _held and sys.platform == "linux":
        name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            name.bind(b"\0caffe-pylayers " + hashlib.sha256(what.encode()).hexdigest().encode())
        except OSError:
            name.close()
            return False
        _held[what] = name
    return True


class Waiting:
    """What one process of this machine tells people once, when PATIENCE is over, of what all of them wait for.

    what: the same for all who wait for it. text: returns what is told.
    """

    def __init__(self, what: str, text: Callable[[], str]) -> None:
        self._what, self._text, self._due = what, text, time.monotonic() + PATIENCE

    def tell(self) -> None:
        """Tell people, if it is time."""
        if time.monotonic() > self._due:
            self._due = math.inf
            if speaks(self._what):
                print(self._text(), file=sys.stderr, flush=True)


def solvers(ranks: Sequence[int], count: int) -> str:
    """Return what people call some of the solvers: ``solvers 1 and 5 of 8``."""
    named = list(map(str, ranks[:_NAMED]))
    if len(ranks) > _NAMED:
        named.append(f"{len(ranks) - _NAMED} more")
    *first, last = named
    return f"solver{'s' if first else ''} {', '.join(first)}{' and ' if first else ''}{last} of {count}"


def not_come(ranks: Sequence[int], count: int) -> str:
    """Return the sentence of solvers that are not there."""
    if not ranks:
        return "all solvers have come"
    return f"{solvers(ranks, count)} {'has' if len(ranks) == 1 else 'have'} not come"
