"""Who of the processes that train together is still there, and why one that is not has ended."""

from __future__ import annotations

import contextlib
import json
import math
import os
import queue
import selectors
import socket
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

from caffe_pylayers.runtime.parallel import addresses
from caffe_pylayers.runtime.parallel.speakers import Waiting, first_here, not_come

MEETING = 300.0  # seconds, until the others have come
REACH = 20.0  # seconds, until one that has come answers
NEWS = 5.0  # seconds, until all know that one has ended
COMING = 2.0  # seconds, from a process's keeping the meeting place to its coming
# A machine that goes with all it has closes no connection. After 5 s of silence it is asked, 15 s later given up.
KEEPALIVE = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
_LEFT = "left"

_present: weakref.WeakSet[Presence] = weakref.WeakSet()


class GroupError(RuntimeError):
    """The others cannot be reached, or are not what they should be; one line.

    quiet: True where another process says the same: to people it need not be said again.
    """

    def __init__(self, message: str, quiet: bool = False) -> None:
        super().__init__(message)
        self.quiet = quiet


class Presence:
    """This process among those that train together, as long as it lives.

    Each process watches the next one by a connection, which the system closes however a process ends. The one that
    notices tells the one that watches it, and so on around: all know at once, whatever they are computing.

    store: where they meet; host and port: where that is.
    """

    def __init__(self, store: Any, host: str, port: int, rank: int, count: int) -> None:
        self.rank, self.count = rank, count
        self._store, self._host, self.place = store, host, f"{host}:{port}"
        self._next = (rank + 1) % count
        self._people: dict[int, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self._end: tuple[str, bool] | None = None  # why the training ends, and whether another one says it
        self._news = threading.Event()
        self._next_left = False
        self._leader: socket.socket | None = None
        self._heard_by_leader = False
        self._watchers: list[socket.socket] = []
        self._listener = _listening()
        self._awake, self._wake = socket.socketpair()
        self._connections = [self._listener, self._awake, self._wake]
        self._thread: threading.Thread | None = None
        self._telling: threading.Thread | None = None
        _present.add(self)

    # --- the meeting -------------------------------------------------------------------------------

    def meet(self) -> list[str]:
        """Wait until all have come; return their addresses on the ways to the host.

        GroupError for one that does not come, or is not what it should be.
        """
        self._come()
        for rank in [*range(self._next, self.count), *range(self._next)]:
            self.wait_for(f"here/{rank}", self._not_come, MEETING)
            self._people[rank] = there = json.loads(self._word_of(f"here/{rank}"))
            if there["count"] != self.count:
                raise self.end(f"{self.name(rank)}: its solver_count is {there['count']}, solver {self.rank}'s another")
            if rank == self._next != self.rank:
                self._watch(there)
        return [self._people[rank]["way"] for rank in range(self.count)]

    def refused(self) -> GroupError | None:
        """Return the error of a second process with this rank, of which the first one is told; None without a first."""
        last = time.monotonic() + COMING
        try:
            while not self.asked(lambda: self._store.check([f"here/{self.rank}"])):
                if time.monotonic() > last:
                    return None
                time.sleep(0.05)
            self._come()
        except GroupError as error:
            return error
        return None

    def _come(self) -> None:
        """Say in the store where this process is; GroupError where one with its rank is there."""
        try:
            way, port = addresses.towards(self._host), self._listener.getsockname()[1]
        except OSError as error:
            raise self.end(f"{self.name(self.rank)} has no way to {self._host}: {error.strerror or error}") from None
        me = {"machine": socket.gethostname(), "process": os.getpid(), "count": self.count, "way": way, "port": port}
        self._people[self.rank] = me
        first = json.loads(self.asked(lambda: self._store.compare_set(f"here/{self.rank}", "", json.dumps(me))))
        if first != me:
            raise self.end(
                f"{self._twice}{_process(first)} and {_process(me)}; each process has a RANK of its own, and each "
                "training a MASTER_PORT of its own"
            )

    @property
    def _twice(self) -> str:
        return f"solver {self.rank} is there twice: "

    def _not_come(self) -> str:
        """Return the sentence of those that this process waits for."""
        ranks = range(self.count)
        missing = self.asked(lambda: [rank for rank in ranks if not self._store.check([f"here/{rank}"])])
        return not_come(missing, self.count)

    def wait_for(
        self,
        key: str,
        otherwise: Callable[[], str] | None = None,
        limit: float = math.inf,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> None:
        """Wait for word of another in the store.

        otherwise: returns whom this process waits for, which people are told, and GroupError says after a limit of
            seconds.
        meanwhile: called now and then.
        """
        last, pause = time.monotonic() + limit, 0.02
        waiting = Waiting(self.place, lambda: f"waiting at {self.place}: {otherwise()}") if otherwise else None
        while True:
            self._look()
            self.check()
            if self.asked(lambda: self._store.check([key])):
                return
            if otherwise is not None and time.monotonic() > last:
                raise self.end(otherwise())
            if waiting is not None:
                waiting.tell()
            meanwhile()
            self._news.wait(pause)  # not the store's own wait, which prints that it is over
            pause = min(2 * pause, 0.2)

    def _look(self) -> None:
        """Hear what one has told in the store: one that had not met all."""
        if self.asked(lambda: self._store.check(["end"])):
            reason = self._word_of("end")
            self._hear(reason, quiet=not reason.startswith(self._twice))  # one of two is told where people look

    def _word_of(self, key: str) -> str:
        return str(self.asked(lambda: self._store.get(key)).decode())

    def asked(self, question: Callable[[], Any]) -> Any:
        """Return the store's answer; GroupError where one of the others, or the store, has ended or does not answer."""
        answers = ask(question)
        keeper = f"the process that keeps the meeting place, on {self._host},"
        last = time.monotonic() + REACH
        while True:
            try:
                answer, error = answers.get(timeout=0.5)
            except queue.Empty:
                self.check()
                if time.monotonic() > last:
                    raise self.end(f"{keeper} does not answer", quiet=not first_here()) from None
                continue
            if error is not None:
                raise self.end(f"{keeper} has ended", quiet=not first_here()) from error
            return answer

    # --- word of an end ----------------------------------------------------------------------------

    def name(self, rank: int) -> str:
        """Return what people call a process."""
        there = self._people.get(rank)
        return f"solver {rank} of {self.count}" + (f" ({_process(there)})" if there else "")

    @property
    def ended(self) -> bool:
        """True if one has ended."""
        return self._end is not None

    def check(self) -> None:
        """GroupError if one has ended."""
        if self._end is not None:
            raise GroupError(*self._end)

    def end(self, reason: str, quiet: bool = False) -> GroupError:
        """Tell all why the training ends; return the error that says it: with what was told before, if that is so."""
        leader = self._towards_leader()  # which leaves once it has heard
        if self._hear(reason, quiet=quiet):
            self._leader = leader
            # The neighbours know already; the store may be what has ended, or does not answer.
            self._telling = threading.Thread(target=self._tell_store, args=[reason], name="store", daemon=True)
            self._telling.start()
        return GroupError(*(self._end or (reason, False)))

    def explain(self, reason: str) -> GroupError:
        """Return the error that tells why this process does not reach the others; ``reason`` if nobody knows more."""
        self._news.wait(NEWS)
        if self._next_left:
            return self.end(f"{self.name(self._next)} has left, and solver {self.rank} goes on")
        return self.end(f"{self.name(self.rank)} does not reach the others, which are there: {reason}")

    @property
    def leader_speaks(self) -> bool:
        """True if the first process has heard why the training ends, of one that has found that out."""
        if self._leader is not None:
            self._leader.settimeout(NEWS)
            self._heard_by_leader = self._heard_by_leader or bool(_received(self._leader))
        return self._heard_by_leader

    def _towards_leader(self) -> socket.socket | None:
        """Return a connection by which the first process tells that it has heard; None where there is none."""
        if self.rank == 0 or 0 not in self._people or self._end is not None:
            return None
        try:
            found = socket.create_connection(self._address(self._people[0]), timeout=COMING)
        except OSError:
            return None
        self._connections.append(found)
        return found

    def leave(self) -> None:
        """Be there no more, by intention."""
        self._wake.close()
        for thread in (self._thread, self._telling):
            if thread is not None:
                thread.join(NEWS)  # it may wait for a machine that is gone
        self._listener.setblocking(False)
        with contextlib.suppress(OSError):  # until no more have connected, to hear why this one ends
            while True:
                self._let_watch()
        self._tell(_LEFT)
        self.forget()

    def forget(self) -> None:
        """Close all connections, without a word: a child of a fork has them, too, but they are its parent's."""
        for connection in self._connections + self._watchers:
            connection.close()
        _present.discard(self)

    def _hear(self, reason: str, quiet: bool = True) -> bool:
        """Know why the training ends, and pass it on. Return False if that was known."""
        with self._lock:
            if self._end is not None:
                return False
            self._end = reason, quiet
        self._news.set()
        self._tell(reason)
        return True

    def _tell(self, text: str) -> None:
        with self._lock:
            for watcher in self._watchers:
                with contextlib.suppress(OSError):
                    watcher.sendall(text.replace("\n", " ").encode() + b"\n")

    def _tell_store(self, reason: str) -> None:
        with contextlib.suppress(RuntimeError):
            self._store.compare_set("end", "", reason)

    # --- the connections ---------------------------------------------------------------------------

    def _address(self, there: dict[str, Any]) -> tuple[str, int]:
        return self._host if addresses.is_local(there["way"]) else there["way"], there["port"]

    def _watch(self, there: dict[str, Any]) -> None:
        """Connect to the next process, and watch it from now on."""
        host, port = self._address(there)
        try:
            watched = socket.create_connection((host, port), timeout=REACH)
        except ConnectionRefusedError:
            self._look()  # it may have told why
            raise self.end(f"{self.name(self._next)} has ended") from None
        except OSError as error:
            here = self._people[self.rank]["machine"]
            raise self.end(
                f"{self.name(self._next)} cannot be reached from machine {here}, at {host}: {error}. Which network "
                f"interface is used {addresses.VARIABLE} says"
            ) from None
        watched.settimeout(None)
        watched.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in KEEPALIVE.items():
            if hasattr(socket, option):
                watched.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
        self._connections.append(watched)
        self._thread = threading.Thread(target=self._listen, args=[watched], name="presence", daemon=True)
        self._thread.start()

    def _listen(self, watched: socket.socket) -> None:
        """Hear what the next process tells, and let others watch this one, until this one leaves."""
        with selectors.DefaultSelector() as selector:
            for connection in (self._listener, watched, self._awake):
                selector.register(connection, selectors.EVENT_READ)
            heard = b""
            while True:
                ready = [key.fileobj for key, _ in selector.select()]
                if self._awake in ready:
                    return
                if self._listener in ready:
                    try:
                        self._let_watch()
                    except OSError:  # this process may open no more files: it waits until others are closed
                        time.sleep(0.1)
                if watched in ready:
                    more = _received(watched)
                    heard += more
                    if not more or b"\n" in heard:
                        selector.unregister(watched)
                        self._hear_next(heard.partition(b"\n")[0].decode())

    def _let_watch(self) -> None:
        """Accept one that watches this process."""
        watcher, _ = self._listener.accept()
        with self._lock:
            self._watchers.append(watcher)
        if self._end is not None:
            self._tell(self._end[0])

    def _hear_next(self, text: str) -> None:
        """Hear the last word of the next process; it ends without one where it is killed."""
        if text == _LEFT:
            self._next_left = True
        elif text:
            self._hear(text)
        else:
            self.end(f"{self.name(self._next)} has ended")


def _listening() -> socket.socket:
    """Return a socket that others connect to, by IPv6 as by IPv4 where this machine has both."""
    if socket.has_dualstack_ipv6():
        with contextlib.suppress(OSError):
            return socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", 0))


def ask(question: Callable[[], Any]) -> queue.SimpleQueue[tuple[Any, Exception | None]]:
    """Ask a store in a thread of its own, as its calls wait however long; return where its answer or error comes."""
    answers: queue.SimpleQueue[tuple[Any, Exception | None]] = queue.SimpleQueue()

    def put_answer() -> None:
        try:
            answers.put((question(), None))
        except RuntimeError as error:
            answers.put((None, error))

    threading.Thread(target=put_answer, name="store", daemon=True).start()
    return answers


def _received(connection: socket.socket) -> bytes:
    """Return what has arrived; nothing if the other end is closed."""
    try:
        return connection.recv(4096)
    except OSError:
        return b""


def _process(there: dict[str, Any]) -> str:
    return f"process {there['process']} on machine {there['machine']}"


def _forget_all() -> None:
    for presence in list(_present):
        presence.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
