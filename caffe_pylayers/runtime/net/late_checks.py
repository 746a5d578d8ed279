"""The checks of values on a device that a net collects in a forward, and reads when it looks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import torch

from caffe_pylayers._layer import late
from caffe_pylayers.runtime.memory import device
from caffe_pylayers.runtime.memory.transfer import sent_to_host
from caffe_pylayers.runtime.net.step import Step


class LateChecks:
    """What a net's layers have checked on the device, each with its step, until ``settle`` raises what they found."""

    def __init__(self) -> None:
        self._step: Step | None = None
        self._made: list[tuple[torch.Tensor, Callable[[], Exception], Step | None]] = []
        self._answers: Callable[[], list[bool]] | None = None  # of a forward that is through, and that nobody has read

    @contextlib.contextmanager
    def collect(self) -> Iterator[None]:
        """Collect the checks of the block, a forward on a device, and have their answers sent to the host behind it.

        Raises what those of the forward before found, which nobody has looked at.
        """
        self.settle()
        try:
            with late.collected_by(self._collect):
                yield
        except BaseException:
            self._made = []
            raise
        if self._made:
            self._answers = answers([good for good, _, _ in self._made])

    def at(self, step: Step) -> None:
        """Say which step the next checks are of."""
        self._step = step

    def settle(self) -> None:
        """Raise what the first wrong value's layer says; it waits for the forward, not for what was begun after it."""
        if self._answers is None:
            return
        made, read = self._made, self._answers
        self._made, self._answers = [], None
        for right, (_, error, step) in zip(read(), made):
            if not right:
                found = error()
                if step is not None:
                    step.explain(found, "forward")
                raise found

    def _collect(self, good: torch.Tensor, error: Callable[[], Exception]) -> bool:
        if good.device.type != device.current().type:  # of a layer that computes on the host
            return False
        self._made.append((good.all(), error, self._step))
        return True


def answers(flags: list[torch.Tensor]) -> Callable[[], list[bool]]:
    """Send booleans of a GPU to the host, behind the work that it has; return what waits for them and gives them."""
    return sent_to_host(torch.stack(flags) if len(flags) > 1 else flags[0].view(1))
