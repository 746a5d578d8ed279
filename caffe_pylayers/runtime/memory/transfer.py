"""Copies of values that a thread has made to a GPU, beside what the GPU computes.

Pinned memory of the host and a stream of their own let the GPU fetch them by itself: nothing else waits. The memory
that a batch has on the GPU goes round: what a blob gives back for a batch receives a later one, once the GPU is through
with all that was begun before.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch

from caffe_pylayers.runtime.memory import allocator


class Copier:
    """Copies to one GPU, on a stream of its own."""

    def __init__(self, place: torch.device) -> None:
        self._place = place
        self._stream: Any = torch.cuda.Stream(place)  # type: ignore[no-untyped-call]

    def host_memory(self, count: int) -> torch.Tensor:
        """Return memory of the host for so many float32 values, from which the GPU can copy."""
        return torch.empty(count, pin_memory=True)

    def send(
        self, values: Sequence[torch.Tensor], targets: Sequence[torch.Tensor | None], free: Any
    ) -> list[torch.Tensor]:
        """Return the values on the GPU; waits for the copies alone, so that the host's memory may be written to.

        targets: memory there for each, None for none yet. free: what ``given`` returned with the targets, or None.
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

    def given(self, sent: Sequence[torch.Tensor]) -> Any:
        """Say that what was sent is in use from now on; return when what it replaces is free: an event."""
        using = torch.cuda.current_stream(self._place)
        for tensor in sent:
            tensor.record_stream(using)
        return using.record_event()


@functools.cache
def copier(place: torch.device) -> Copier | None:
    """Return the Copier to a device; None for one that computes in the host's memory."""
    return Copier(place) if place.type == "cuda" else None
