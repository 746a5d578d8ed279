"""Where the processes that train together meet: a store that one of them keeps, or their launcher."""

from __future__ import annotations

import hashlib
import os
import queue
import socket
import time
import uuid
from collections import Counter
from datetime import timedelta
from typing import Any

from torch.distributed import TCPStore  # type: ignore[attr-defined]
from torch.distributed.distributed_c10d import PrefixStore

from caffe_pylayers.runtime.parallel import addresses
from caffe_pylayers.runtime.parallel.presence import COMING, MEETING, REACH, GroupError, Presence, ask
from caffe_pylayers.runtime.parallel.speakers import Waiting, first_here, not_come

ENVIRONMENT = "env://"  # the uid of a training that torchrun starts

_served: list[Any] = []  # stores of uids made here: each serves for as long as its object lives
_met: Counter[str] = Counter()  # how many groups this process has been in, by uid


def new_uid() -> str:
    """Return a name for a new group, ``host:port``: of a place to meet, which this process keeps until it ends."""
    store = TCPStore("localhost", 0, is_master=True, wait_for_workers=False)
    _served.append(store)
    return f"{addresses.outward()}:{store.port}"


def place(uid: str, rank: int, count: int) -> tuple[str, int]:
    """Return the host and port of the store of a uid; keep it where that is this process's part.

    ValueError for what is no uid. GroupError where the store cannot be kept.
    """
    if uid != ENVIRONMENT:
        host, _, number = uid.rpartition(":")
        if not (host and number.isdigit()):
            raise ValueError(f"a uid is what NCCL.new_uid() returns, got {uid!r}")
        return host, int(number)
    missing = [name for name in ("MASTER_ADDR", "MASTER_PORT") if not os.environ.get(name)]
    if missing:
        raise ValueError(f"uid {uid} needs torchrun's variables, and there is no {' and no '.join(missing)}")
    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    if rank == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":  # else the store is torchrun's
        _served.append(_serve(port, count))
    return host, port


def _serve(port: int, count: int) -> Any:
    """Return a store that this process keeps at a port: the same one for all its groups."""
    try:
        return TCPStore("localhost", port, count, is_master=True, wait_for_workers=False, multi_tenant=True)
    except RuntimeError as error:
        if "EADDRINUSE" in str(error):
            raise _refused(port, count) from error
        raise GroupError(f"solver 0 of {count} cannot keep port {port}: {str(error).splitlines()[0]}") from error


def _refused(port: int, count: int) -> GroupError:
    """Return the error of a process with RANK=0 whose port is taken; one that waits there with RANK=0 is told, too."""
    taken = GroupError(
        f"port {port} of this machine is in use by another program: set MASTER_PORT to one that is free, for all "
        "processes of this training"
    )
    try:
        store = _reached("localhost", port, COMING)
    except GroupError:
        return taken
    twin = Presence(PrefixStore("0/1", store), "localhost", port, 0, count)
    try:
        return twin.refused() or taken
    finally:
        twin.leave()


def store(uid: str, host: str, port: int, rank: int, count: int) -> Any:
    """Return the store in which the processes of a group leave each other word: each group of a uid has its own.

    GroupError where there is none.
    """
    limit = 0.0 if uid != ENVIRONMENT else MEETING if rank else REACH  # whoever has a uid has it from one who keeps it
    last = time.monotonic() + limit
    first = f"{host}:{port}, where solver 0 of {count} is to be"
    waiting = Waiting(first, lambda: f"waiting for an answer at {first}")
    while True:
        try:
            socket.create_connection((host, port), timeout=REACH).close()
            break
        except socket.gaierror as error:
            raise _of_all(f"{host}, where the solvers meet, is no host that this machine knows: {error}") from None
        except OSError as error:
            if time.monotonic() >= last:
                raise _of_all(_no_answer(uid, host, port, rank, error.strerror or str(error))) from None
        waiting.tell()
        time.sleep(0.2)
    found = _reached(host, port, REACH)
    _met[uid] += 1
    return PrefixStore(f"{_start(found, f'{host}:{port}', rank, count)}/{_met[uid]}", found)


def _of_all(reason: str) -> GroupError:
    """Return an error that all processes of this machine have: the first of them says it."""
    return GroupError(reason, quiet=not first_here())


def _no_answer(uid: str, host: str, port: int, rank: int, reason: str) -> str:
    there = f"nothing answers at {host}:{port}, where the solvers of this uid meet ({reason}): "
    if uid == ENVIRONMENT and rank == 0:
        return f"{there}MASTER_ADDR is to be an address of this machine, where RANK=0 is"
    if uid == ENVIRONMENT:
        return f"{there}solver 0 has not come, or this machine does not reach it"
    return f"{there}the process that made it has ended, or this machine does not reach it"


def _reached(host: str, port: int, limit: float) -> Any:
    """Return the store at an address; GroupError where something else answers there, or nothing in so many seconds."""
    each = timedelta(seconds=limit)  # PyTorch's for each of its attempts
    try:
        found, error = ask(lambda: TCPStore(host, port, is_master=False, timeout=each)).get(timeout=limit)
    except queue.Empty:
        found = error = None
    if found is None:
        raise _of_all(
            f"what answers at {host}:{port} is no meeting place of solvers, but another program: MASTER_ADDR and "
            "MASTER_PORT are to be, for all of them, an address of the machine with RANK=0 and a free port of it"
        ) from error
    return found


def _start(store: Any, where: str, rank: int, count: int) -> str:
    """Return a name of this start of all processes: where torchrun starts them again, what they left behind is there.

    torchrun counts restarts by machine, and each has its own number. So each process shows a number that is new, and
    the numbers of all that it sees, until all see the same: then those are of this start, since each sees its own.
    """
    if not int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0")):
        return "0"
    numbers, seen = ([f"{what}/{count}/{each}" for each in range(count)] for what in ("start", "seen"))
    name = b""
    store.set(numbers[rank], uuid.uuid4().hex)

    def missing() -> str:
        come = (store.check([numbers[i]]) and (not name or _is(store, seen[i], name)) for i in range(count))
        return not_come([i for i, there in enumerate(come) if not there], count)

    again = os.environ.get("TORCHELASTIC_RESTART_COUNT", "")
    last, waiting = time.monotonic() + MEETING, Waiting(f"{where} {again}", lambda: f"waiting at {where}: {missing()}")
    while time.monotonic() < last:
        if store.check(numbers):
            name = hashlib.sha256(b"".join(store.multi_get(numbers))).hexdigest().encode()
            store.set(seen[rank], name)
            if store.check(seen) and set(store.multi_get(seen)) == {name}:
                return name.decode()
        waiting.tell()
        time.sleep(0.1)
    raise _of_all(missing())


def _is(store: Any, key: str, value: bytes) -> bool:
    return bool(store.check([key]) and store.get(key) == value)
