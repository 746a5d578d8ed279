"""The processes that train together: torch.distributed's group of them, where they meet, and what they agree upon."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from multiprocessing import util
from typing import Any

import torch
import torch.distributed as dist

from caffe_pylayers.runtime.parallel import addresses, meeting
from caffe_pylayers.runtime.parallel.meeting import ENVIRONMENT, new_uid
from caffe_pylayers.runtime.parallel.presence import GroupError, Presence
from caffe_pylayers.runtime.parallel.stalls import Stalls, timeout

__all__ = ["ENVIRONMENT", "Group", "GroupError", "new_uid"]

LOOK = timedelta(seconds=1)  # from one look at whether the others are there to the next
# Between two sums: the first process may test for long while the others wait. One that ends is noticed otherwise.
WORK = timedelta(days=7)
# NCCL's own watch over the others would end this process before it says why, and takes its snapshot.
NCCL_WATCH = "TORCH_NCCL_ASYNC_ERROR_HANDLING"

_users = 0  # groups that use the one of torch.distributed that was made here, one for the process
_broken = False  # one of them waits for what the others no longer send


class Group:
    """The processes that have met, in the order of their ranks.

    Every process calls the same methods in the same order. Where another one has ended, or is not what it should be,
    each of them raises GroupError, which says who and why: within seconds, whatever it waits for.

    uid: what ``new_uid`` returned in one process, for all of them; or ``env://``, where torchrun started them and its
        variables say where they meet (MASTER_ADDR, MASTER_PORT).
    """

    _exit: util.Finalize | None = None

    def __init__(self, uid: str, rank: int, count: int) -> None:
        if not 0 <= rank < count:
            raise ValueError(f"solver_rank {rank} is outside [0, {count}), as solver_count has it")
        self.rank, self.count = rank, count
        limit = timeout()
        host, port = meeting.place(uid, rank, count)
        self._store = meeting.store(uid, host, port, rank, count)
        self._presence = Presence(self._store, host, port, rank, count)
        self.stalls = Stalls(self._store, self._presence, limit)
        self._under_way = 0  # sums
        self._words = 0
        self._together: Any = None  # torch.distributed's group
        self._process = os.getpid()
        self.earlier = _last_error()
        self._exit = util.Finalize(None, _exit, [weakref.ref(self)], exitpriority=100)  # before data layers' workers
        try:
            ways = self._presence.meet()
            with self._reaching():
                address = addresses.among(ways[rank], ways)
                self._together = self._watched(lambda: _join(self._store, rank, count, address))
        except BaseException as error:
            self.fail(error)
            self.close()
            raise

    def close(self) -> None:
        """Leave the group."""
        if self._exit is None or self._process != os.getpid() or not self._exit.still_active():
            return
        self._exit.cancel()
        if self._under_way:
            self._presence.end(f"{self.name} has left in an iteration")
        if self._together is not None:
            _part(self._together, broken=self._under_way > 0 or self._presence.ended)
        self._presence.leave()

    __del__ = close

    @property
    def name(self) -> str:
        """What messages call this process: ``solver 1 of 2 (process 4711 on machine h)``."""
        return self._presence.name(self.rank)

    @property
    def leader_speaks(self) -> bool:
        """True if the first process has heard of an end that this one has found out: it tells people."""
        return self._presence.leader_speaks

    def fail(self, error: BaseException | str) -> bool:
        """Tell the others that this process ends, and why. Nothing if one of them has told.

        Returns True if one of them says it to people, or says what it has told.
        """
        text = str(error).strip().splitlines()[:1]
        kind = [] if isinstance(error, str) else [type(error).__name__]
        reason = ": ".join([self.name, *kind, *text])
        end = self._presence.end(reason)
        return end.quiet or str(end) == reason

    def check(self) -> None:
        """GroupError if one of the others has ended; for who works long without them, as a test does."""
        self._presence.check()
        self.stalls.sign()

    # --- words -------------------------------------------------------------------------------------

    def first(self, what: str, text: str) -> str:
        """Return the text that the first process gives."""
        key = self._key(what)
        if self.rank == 0:
            self._presence.asked(lambda: self._store.set(key, text))
        self._wait_for(key, [0])
        return str(self._presence.asked(lambda: self._store.get(key)).decode())

    def check_equal(self, what: str, text: str) -> None:
        """GroupError if a text, of ``what``, is not the same in all processes; it has the first line that differs."""
        firsts = self.first(what, text)
        if text != firsts:
            raise self._presence.end(f"{self.name} has another {what} than solver 0{_difference(text, firsts)}")
        key = self._key(what)
        if self._presence.asked(lambda: self._store.add(f"{key}/same", 1)) == self.count:
            self._presence.asked(lambda: self._store.set(key, ""))
        self._wait_for(key)

    def _wait_for(self, key: str, of: Sequence[int] = ()) -> None:
        began = time.monotonic()
        self._presence.wait_for(key, meanwhile=lambda: self.stalls.look(began, of))

    def _key(self, what: str) -> str:
        """Return a name for the store, the same in all processes and of this call alone."""
        self._words += 1
        self.stalls.begun += 1
        return f"{what}/{self._words}"

    # --- tensors -----------------------------------------------------------------------------------

    def broadcast(self, tensor: torch.Tensor) -> None:
        """Give a tensor of the first process to all."""
        with self._reaching():
            work = dist.broadcast(tensor, 0, self._together, async_op=True)
        self.stalls.begun += 1
        self._wait(work, tensor.device)

    def sum(self, tensor: torch.Tensor) -> Any:
        """Begin to replace a tensor by its sum over the processes; return what ``finish`` waits for."""
        with self._reaching():
            work = dist.all_reduce(tensor, group=self._together, async_op=True)
        self._under_way += 1
        self.stalls.begun += 1
        return work, tensor.device

    def finish(self, works: Sequence[Any]) -> None:
        """Have the sums that ``sum`` began; on a GPU, for what is begun there from now on."""
        for work, where in works:
            self._wait(work, where)
            self._under_way -= 1

    def sums(self, values: Sequence[float]) -> list[float]:
        """Return the sums over the processes of a few numbers."""
        tensor = torch.tensor(values, dtype=torch.float64)
        self.finish([self.sum(tensor)])
        return [float(value) for value in tensor]

    def _wait(self, work: Any, where: torch.device) -> None:
        """Wait for work of torch.distributed, as long as the others are there."""
        began = time.monotonic()
        if where.type != "cpu":
            # The GPU's stream would wait by itself, but NCCL's sum goes on for ever without one of the others, and what
            # is behind it in the stream too: nobody could read the weights, which are still those of the iteration
            # before. gloo's own threads copy and send what is on a GPU.
            while not work.is_completed():
                self._presence.check()
                self.stalls.look(began)
                time.sleep(2e-5)
            with self._reaching():
                work.wait()  # which the stream does, not the host
            return
        while True:
            self._presence.check()
            with self._reaching():
                try:
                    work.wait(LOOK)
                    return
                except RuntimeError:  # LOOK is over, or the work has failed
                    if work.is_completed():
                        raise
            self.stalls.look(began)

    def _watched(self, call: Callable[[], Any]) -> Any:
        """Return what a call returns, in a thread of its own: it may wait for one that has ended, and for ever."""
        done: list[Any] = []
        thread = threading.Thread(target=lambda: done.append(_outcome(call)), name="joining", daemon=True)
        thread.start()
        while thread.is_alive():
            self._presence.check()
            thread.join(0.02)
        returned, error = done[0]
        if error is not None:
            raise error
        return returned

    @contextlib.contextmanager
    def _reaching(self) -> Iterator[None]:
        """Have the errors of torch.distributed, which hold addresses of its own code, say who has ended."""
        try:
            yield
        except GroupError:
            raise
        except (RuntimeError, OSError) as error:
            raise self._presence.explain(str(error).strip().splitlines()[0]) from error


def _outcome(call: Callable[[], Any]) -> tuple[Any, Exception | None]:
    try:
        return call(), None
    except Exception as error:
        return None, error


def _exit(group: weakref.ref[Group]) -> None:
    """Leave a group as the process ends; the others are told by what error it does."""
    left = group()
    if left is None:
        return
    error = sys.exc_info()[1] or _last_error()
    if error is not None and error is not left.earlier and not (isinstance(error, SystemExit) and not error.code):
        left.fail(error)
    left.close()


def _last_error() -> BaseException | None:
    """Return the error whose traceback Python has shown last, which is the one that the process ends by, if any."""
    return getattr(sys, "last_value", None)


# --- torch.distributed's group ---------------------------------------------------------------------


def _join(store: Any, rank: int, count: int, address: str) -> Any:
    """Return torch.distributed's group: one for all of this process, or one beside a script's own."""
    global _users
    if _broken:
        raise GroupError("a training by several processes has broken off in this one: start a new process for the next")
    with _settings(address):
        if not dist.is_initialized():
            dist.init_process_group(_backend(), store=store, rank=rank, world_size=count, timeout=WORK)
        elif (dist.get_rank(), dist.get_world_size()) != (rank, count):
            earlier = f"solver {dist.get_rank()} of {dist.get_world_size()}"
            raise ValueError(f"solver {rank} of {count} is {earlier} in a group that it has not left")
        elif not _users:
            return dist.new_group(backend=_backend(), timeout=WORK)
    _users += 1
    return dist.group.WORLD


def _backend() -> str:
    """Return gloo for CPUs and, where it can be, NCCL for GPUs: which of them are used tensors say, later."""
    return "cpu:gloo,cuda:nccl" if dist.is_nccl_available() and torch.cuda.is_available() else "gloo"


def _part(together: Any, broken: bool) -> None:
    """Leave torch.distributed's group, if no other group of this process needs it."""
    global _users, _broken
    ours = together is dist.group.WORLD
    if ours:
        _users -= 1
    if broken:
        _broken = True
        if hasattr(together, "abort"):  # not in every PyTorch; what NCCL has put on the GPU waits for ever otherwise
            together.abort()
        # To free it would wait for what the others no longer send.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(together))
    elif not (ours and _users):
        dist.destroy_process_group(together)


@contextlib.contextmanager
def _settings(address: str) -> Iterator[None]:
    """Have gloo use the interface of an address, and NCCL leave the watch to Presence, unless the user has chosen."""
    wanted = {addresses.VARIABLE: addresses.interface(address), NCCL_WATCH: "0"}
    ours = {name: value for name, value in wanted.items() if value and not os.environ.get(name)}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            del os.environ[name]


def _difference(text: str, firsts: str) -> str:
    """Return ``: its line, not the first's`` for the first line that differs; nothing for long ones."""
    for mine, other in itertools.zip_longest(text.splitlines(), firsts.splitlines(), fillvalue="nothing"):
        if mine != other:
            return f": {_short(mine)}, not {_short(other)}"
    return ""


def _short(line: str) -> str:
    return line if len(line) < 100 else line[:97] + "..."
