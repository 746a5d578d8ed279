"""Copies to a GPU of values that a thread has made, and from it, beside what the GPU computes.

Pinned memory of the host and a stream of their own let the GPU fetch them by itself: nothing else waits. The memory
that a batch has on the GPU goes round: what a blob gives back for a batch receives a later one, once the GPU is through
with all that was begun before.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch

from caffe_pylayers.runtime.memory import allocator, device


class Copier:
    """Copies to one GPU, on a stream of its own."""

    def __init__(self, place: torch.device) -> None:
        self._place = place
        self._stream = torch.cuda.Stream(place)  # type: ignore[no-untyped-call]

    def host_memory(self, count: int) -> torch.Tensor:
        """Return memory of the host for so many float32 values, from which the GPU can copy."""
        return torch.empty(count, dtype=torch.float32, pin_memory=True)

    def send(
        self,
        values: Sequence[torch.Tensor],
        targets: Sequence[torch.Tensor | None],
        free: torch.cuda.Event | None,
    ) -> list[torch.Tensor]:
        """Return float32 values of the host on the GPU, in their shapes.

        It waits for the copies alone: then the host's memory may be written to.

        targets: for each its memory there, used where it has as many values; None for none yet.
        free: after which event the targets are free, as ``given`` returned; None where nothing was given yet.
        """
        sent = []
        with torch.cuda.stream(self._stream):
            if free is not None:
                self._stream.wait_event(free)
            for each, target in zip(values, targets):
                if target is None or target.numel() != each.numel():
                    memory = allocator.empty((each.numel(),), self._place)
                else:
                    memory = target
                sent.append(memory.view(each.shape).copy_(each, non_blocking=True))
            done = self._stream.record_event()
        done.synchronize()
        return sent

    def given(self, sent: Sequence[torch.Tensor]) -> torch.cuda.Event:
        """Say that what was sent is in use from now on; return the event after which what it replaces is free."""
        using = torch.cuda.current_stream(self._place)
        for tensor in sent:
            tensor.record_stream(using)
        free: torch.cuda.Event = using.record_event()
        return free


def sent_to_host(values: torch.Tensor) -> Callable[[], list[Any]]:
    """Send values of a GPU to the host, behind the work that it has; return what waits for them and gives them."""
    if values.device.type != "cuda":
        return values.tolist
    sent: Any = values.to(device.HOST, non_blocking=True)  # in pinned memory
    there = torch.cuda.current_stream(values.device).record_event()

    def read() -> list[Any]:
        there.synchronize()
        found: list[Any] = sent.tolist()
        return found

    return read


@functools.cache
def copier(place: torch.device) -> Copier | None:
    """Return the Copier to a device; None for one that computes in the host's memory."""
    return Copier(place) if place.type == "cuda" else None
