"""Processes on this machine, started by PyTorch's launcher, as ``torchrun --standalone`` starts them."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
import traceback
import uuid
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any

from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from caffe_pylayers.runtime import _openmp

WINDOWS = sys.platform == "win32"  # whose console sends a Ctrl-C to all processes itself
FORWARDED = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
STOPPED = (0, 128 + signal.SIGTERM)  # exit codes of a process that leaves the others to stop, too


class LaunchError(RuntimeError):
    """The processes cannot be started; or one ended, and none of them could say so."""


def launch(count: int, main: Callable[[list[str]], int], arguments: Sequence[str]) -> int:
    """Run ``main(arguments)`` in so many processes, each told by torchrun's variables who it is.

    Returns the first one's exit code, or that of one that failed: then the others are ended, 30 s later by force. 1 is
    that of those, too, that end because another has: a higher one says more. After codes of ``STOPPED`` they go on to
    their own end. Signals that this process gets, all of them get.
    LaunchError where the system does not start as many, and where one ends by force and no process has had the time to
    say so.
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
        logs_specs=DefaultLogsSpecs(log_dir=os.devnull),  # else a folder is left behind where this process is killed
        signals_to_handle="SIGQUIT",  # the others are ours
    )
    ends = multiprocessing.get_context("spawn").RawArray(ctypes.c_int, count)
    with _forwarding() as forwarded:
        try:
            codes = elastic_launch(config, _work)(main, list(arguments), ends)
        except ChildFailedError as error:
            failure = next(iter(error.failures.values()))
            if -failure.exitcode in forwarded:
                return 128 - int(failure.exitcode)
            if not any(ends):
                raise LaunchError(_mute(failure, count)) from error
            return int(max(ends))
        except OSError as error:
            raise LaunchError(f"{count} processes cannot be started here: {error.strerror}") from error
    return int(codes[0])


def _mute(failure: ProcessFailure, count: int) -> str:
    code = int(failure.exitcode)
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    return f"solver {failure.local_rank} of {count} (process {failure.pid} on machine {socket.gethostname()}) {how}"


def _work(main: Callable[[list[str]], int], arguments: list[str], ends: Any) -> int:
    """Run in a process. ends: gets its exit code where it fails and main has returned, which has then said why."""
    launcher = os.getppid()
    try:
        if not WINDOWS:
            os.setpgrp()  # a terminal's Ctrl-C comes from the launcher alone, once
            signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)
        code = main(arguments)
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
    except Exception:  # shown as Python shows it, which the launcher would keep to itself
        traceback.print_exc()
        code = 1
    if code not in STOPPED:
        ends[int(os.environ["RANK"])] = code
        sys.exit(code)
    if os.getppid() != launcher:  # it was killed, and will not take what is returned
        sys.exit(code)
    return code


@contextlib.contextmanager
def _forwarding() -> Iterator[set[int]]:
    """Have the processes that are started in this block get the signals that this one gets, once they can.

    Until then they are blocked in them, as in this thread, from which they have that: a Ctrl-C does not end an import.
    Yields the set of the signals that came.
    """
    came: set[int] = set()

    def forward(number: int, frame: FrameType | None) -> None:
        came.add(number)
        children = multiprocessing.active_children()
        if not children:
            sys.exit(128 + number)
        for process in children:
            if process.pid is not None and not WINDOWS:
                os.kill(process.pid, number)

    before = {number: signal.signal(number, forward) for number in FORWARDED}
    try:
        with _blocked():
            yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _blocked() -> Iterator[None]:
    """Block the signals in this thread, and so in what it starts; another one gets them for this process."""
    if WINDOWS:
        yield
        return
    over = threading.Event()
    getting = threading.Thread(target=over.wait, name="signals")
    getting.start()
    signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)
        over.set()
        getting.join()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
