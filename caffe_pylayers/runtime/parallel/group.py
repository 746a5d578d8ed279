"""The processes that train together: torch.distributed's group of them, where they meet, and what they agree upon."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed import TCPStore  # type: ignore[attr-defined]
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from caffe_pylayers.runtime.memory import device

MEETING = timedelta(minutes=5)  # until the others are there
# Between two sums: the first process may test for long while the others wait. One that ends is noticed at once.
WORK = timedelta(days=7)
ENVIRONMENT = "env://"  # the uid of a training that torchrun starts

# Of uids made here: a store serves for as long as its object lives.
_served: list[Any] = []


class GroupError(RuntimeError):
    """The others cannot be reached, or are not what they should be."""


def new_uid() -> str:
    """Return a name for a new group, ``host:port``: of a place to meet, which this process keeps until it ends."""
    store = TCPStore("localhost", 0, is_master=True, wait_for_workers=False, timeout=MEETING)
    _served.append(store)
    return f"{_host()}:{store.port}"


def _host() -> str:
    """Return an address by which other machines find this one; its own name for itself where it has none."""
    with contextlib.suppress(OSError):
        return socket.gethostbyname(socket.gethostname())
    return "localhost"


class Group:
    """The processes that have met, in the order of their ranks.

    Every process calls the same methods in the same order. GroupError where another one does not answer.

    uid: what ``new_uid`` returned in one process, for all of them; or ``env://``, where torchrun started them and its
        variables say who they are (RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT).
    """

    def __init__(self, uid: str, rank: int, count: int) -> None:
        if not 0 <= rank < count:
            raise ValueError(f"solver_rank {rank} is outside [0, {count}), as solver_count has it")
        self.rank, self.count = rank, count
        with self._telling(f"cannot meet the others at {uid}"):
            self._store = _store(uid, rank, count)
            backend = "gloo" if device.current() == device.HOST else "cpu:gloo,cuda:nccl"
            # Of its own: PyTorch keeps its addresses there.
            meeting = PrefixStore("torch", self._store)
            dist.init_process_group(backend, store=meeting, rank=rank, world_size=count, timeout=WORK)

    def close(self) -> None:
        """Leave the group."""
        if dist.is_initialized():
            dist.destroy_process_group()

    def first(self, what: str, text: str) -> str:
        """Return the text that the first process gives."""
        with self._telling(f"waiting for the first solver's {what}"):
            if self.rank == 0:
                self._store.set(f"first/{what}", text)
            return str(self._store.get(f"first/{what}").decode())

    def check_equal(self, what: str, text: str) -> None:
        """GroupError if a text, of ``what``, is not the same in all processes."""
        digest = hashlib.sha256(text.encode()).hexdigest()
        with self._telling(f"waiting for the others' {what}"):
            self._store.set(f"{what}/{self.rank}", digest)
            others = [self._store.get(f"{what}/{rank}").decode() for rank in range(self.count)]
        different = [rank for rank, other in enumerate(others) if other != others[0]]
        if different:
            raise GroupError(
                f"solver {self.rank} of {self.count}: solver {different[0]} has another {what} than solver 0"
            )

    def broadcast(self, tensor: torch.Tensor) -> None:
        """Give a tensor of the first process to all."""
        with self._telling("receiving the first solver's values"):
            dist.broadcast(tensor, 0)

    def sum(self, tensor: torch.Tensor) -> Any:
        """Begin to replace a tensor by its sum over the processes; return what ``finish`` waits for."""
        with self._telling("summing the gradients"):
            return dist.all_reduce(tensor, async_op=True)

    def finish(self, work: Any) -> None:
        """Wait for what ``sum`` began."""
        with self._telling("summing the gradients"):
            work.wait()

    def sums(self, values: Sequence[float]) -> list[float]:
        """Return the sums over the processes of a few numbers."""
        tensor = torch.tensor(values, dtype=torch.float64)
        self.finish(self.sum(tensor))
        return [float(value) for value in tensor]

    @contextlib.contextmanager
    def _telling(self, doing: str) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:  # torch.distributed's are, and have the addresses of its own code in them
            if isinstance(error, GroupError):
                raise
            reason = str(error).strip().splitlines()[0]
            raise GroupError(
                f"solver {self.rank} of {self.count}: {doing}: another one has ended, or cannot be reached: {reason}"
            ) from error


def _store(uid: str, rank: int, count: int) -> Any:
    """Return the store in which the processes of a uid leave each other word."""
    if uid == ENVIRONMENT:
        missing = [name for name in ("MASTER_ADDR", "MASTER_PORT") if not os.environ.get(name)]
        if missing:
            raise ValueError(f"uid {uid} needs torchrun's variables, and there is no {' and no '.join(missing)}")
        return next(iter(rendezvous(uid, rank, count, timeout=MEETING)))[0]
    host, _, port = uid.rpartition(":")
    if not (host and port.isdigit()):
        raise ValueError(f"a uid is what NCCL.new_uid() returns, got {uid!r}")
    return TCPStore(host, int(port), is_master=False, timeout=MEETING)
