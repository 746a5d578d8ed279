"""``caffe.Timer``."""

from __future__ import annotations

import time

from caffe_pylayers.runtime._openmp import torch
from caffe_pylayers.runtime.memory import device


class Timer:
    """A stopwatch; on a GPU it waits for the work that the GPU still does."""

    def __init__(self) -> None:
        self._started: float | None = None
        self._seconds = 0.0

    def start(self) -> None:
        """Start, unless it runs."""
        if self._started is None:
            self._started = _now()

    def stop(self) -> None:
        """Stop, if it runs."""
        if self._started is not None:
            self._seconds, self._started = _now() - self._started, None

    @property
    def ms(self) -> float:
        """The milliseconds from start to stop; a running timer is stopped."""
        self.stop()
        return self._seconds * 1e3


def _now() -> float:
    if device.current().type == "cuda":
        torch.cuda.synchronize(device.current())
    return time.perf_counter()
