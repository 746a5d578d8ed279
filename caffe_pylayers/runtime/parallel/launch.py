"""Processes on this machine, started by PyTorch's launcher, as ``torchrun --standalone`` starts them."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import sys
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from caffe_pylayers.runtime import _openmp

FORWARDED = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
STOPPED = (0, 128 + signal.SIGTERM)  # exit codes of a process that leaves the others to stop, too


def launch(count: int, main: Callable[[list[str]], int], arguments: Sequence[str]) -> int:
    """Run ``main(arguments)`` in so many processes, each told by torchrun's variables who it is.

    Returns the first one's exit code, or that of one that failed: then the others are ended, 30 s later by force. After
    codes of ``STOPPED`` they go on to their own end. Signals that this process gets, all of them get.
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
    try:
        with _forwarding():
            codes = elastic_launch(config, _work)(main, list(arguments))
    except ChildFailedError as error:
        return max(1, *(failure.exitcode for failure in error.failures.values()))
    return int(codes[0])


def _work(main: Callable[[list[str]], int], arguments: list[str]) -> int:
    os.setpgrp()  # a terminal's Ctrl-C comes from the launcher alone, once
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)
        code = main(arguments)
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
    if code not in STOPPED:
        sys.exit(code)
    return code


@contextlib.contextmanager
def _forwarding() -> Iterator[None]:
    """Have the processes that are started in this block get the signals that this one gets, once they can.

    Until then they are blocked in them, as in this thread, from which they have that: a Ctrl-C does not end an import.
    """
    over = threading.Event()
    getting = threading.Thread(target=over.wait, name="signals")  # where they are not blocked
    before = {number: signal.signal(number, _forward) for number in FORWARDED}
    getting.start()
    signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)
        over.set()
        getting.join()
        for number, handler in before.items():
            signal.signal(number, handler)


def _forward(number: int, frame: FrameType | None) -> None:
    for process in multiprocessing.active_children():
        if process.pid is not None:
            os.kill(process.pid, number)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
