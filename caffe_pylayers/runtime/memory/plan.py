"""When the memory of a net's blobs can serve for others: after the last layer that uses what it holds."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Call:
    """A layer's forward or backward: the memories that it reads, and those that it then writes as a whole.

    Each is a number that stands for one array: the values of blobs that share them, or their gradients.
    """

    reads: Sequence[int] = ()
    writes: Sequence[int] = ()


def last_uses(calls: Sequence[Call], kept: Collection[int] = ()) -> list[list[int]]:
    """Return for each of the calls, which are made in this order again and again, the memories that are free after it.

    A memory is free after the last call that reads or writes it. One that is read before it is written has what the
    calls of the round before have left there: it is never free, nor are those that are ``kept``.
    """
    last: dict[int, int] = {}
    held = set(kept)
    for i, call in enumerate(calls):
        held.update(memory for memory in call.reads if memory not in last)
        last.update((memory, i) for memory in (*call.reads, *call.writes))
    free: list[list[int]] = [[] for _ in calls]
    for memory, i in last.items():
        if memory not in held:
            free[i].append(memory)
    return free
