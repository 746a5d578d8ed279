"""Processes on this machine, started by PyTorch's launcher, as ``torchrun --standalone`` starts them."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import uuid
from collections.abc import Callable, Sequence
from types import FrameType

from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from caffe_pylayers.runtime import _openmp

FORWARDED = ("SIGINT", "SIGTERM", "SIGHUP")


def launch(count: int, main: Callable[[list[str]], int], arguments: Sequence[str]) -> int:
    """Run ``main(arguments)`` in so many processes, each told by torchrun's variables who it is.

    Returns the first one's exit code, or that of one that failed. Then the others are ended: a code of 1 is a failure,
    others are not. Signals that this process gets, all of them get.
    """
    for name in ("torch.distributed.elastic", "torch.multiprocessing"):  # the processes speak for themselves
        logging.getLogger(name).setLevel(logging.CRITICAL)
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, _cores() // count)))
    os.environ.update(_openmp.settings())  # the processes load PyTorch before anything of this package
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
        start_method="spawn",
        signals_to_handle="SIGQUIT",  # the others are ours
    )
    before = {number: signal.signal(number, _forward) for number in map(signal.Signals.__getitem__, FORWARDED)}
    try:
        codes = elastic_launch(config, _work)(main, list(arguments))
    except ChildFailedError as error:
        return max(1, *(failure.exitcode for failure in error.failures.values()))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return int(codes[0])


def _work(main: Callable[[list[str]], int], arguments: list[str]) -> int:
    os.setpgrp()  # a terminal's Ctrl-C comes from the launcher alone, once
    code = main(arguments)
    if code == 1:
        sys.exit(code)
    return code


def _forward(number: int, frame: FrameType | None) -> None:
    for process in multiprocessing.active_children():
        if process.pid is not None:
            os.kill(process.pid, number)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
