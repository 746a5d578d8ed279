"""Threads and processes that make the batches of a data layer ahead.

Batch n is worker n % W's, so that the order needs no agreement; each worker writes its batches into memories of its
own, in turn. A worker says what it has made, the shapes, or why it could not, a ``Failure``.

Processes are forked: they have the layer with all that it read, whatever it is made of. Beside the threads of Caffe and
PyTorch that is safe for what workers do, which is Python, NumPy and decoding: they use no lock of those threads, no GPU
and, of OpenCV, no thread. They leave Ctrl-C and hang-ups to their parent, and end when it does, however it ends.
"""

from __future__ import annotations

import contextlib
import gc
import mmap
import os
import signal
import sys
import threading
import time
import traceback
import warnings
import weakref
from multiprocessing.connection import Connection, Pipe
from queue import Empty, SimpleQueue
from typing import Any, Iterator, NamedTuple

import numpy as np

from caffe_pylayers._layer.data.batch import AT, STOP, ItemError, Stopped, make_batch
from caffe_pylayers._layer.data.memory import OwnMemory, SharedMemory

GRACE = 2.0  # seconds that a worker has to end in, which waits for its item
WAIT = 60.0  # seconds after which a layer that waits for a worker says so
_LOOK = 2.0  # seconds after which an idle process looks for its parent
_QUIET = ("SIGINT", "SIGHUP", "SIGTERM")  # the parent's to handle: it may want batches until it has saved its state


class Task(NamedTuple):
    """A batch to be made: the items at positions ``first`` and following, into the memory ``slot``."""

    first: int
    indices: list[int]
    slot: int


class Failure(NamedTuple):
    """Why a batch could not be made: one line, the traceback, and what is raised of it."""

    text: str
    traceback: str
    error: type = ItemError


class WorkerTraceback(Exception):  # noqa: N818 - what it is
    """The traceback of an exception in a worker; as the cause of another one it is printed above it."""

    def __str__(self) -> str:
        return f'in a worker:\n"""\n{self.args[0]}"""'


def _made(layer: Any, task: Task, memories: list[Any], state: Any) -> Any:
    """Make a batch; return its shapes or a Failure."""
    try:
        return make_batch(layer, task.first, task.indices, memories[task.slot], state)
    except Stopped:
        return Failure("stopped", "")
    except ItemError as error:
        cause = error.__cause__ or error
        return Failure(str(error), "".join(traceback.format_exception(type(cause), cause, cause.__traceback__)))
    except KeyboardInterrupt:
        return Failure(layer.name_of(int(state[AT])), traceback.format_exc(), KeyboardInterrupt)
    except BaseException as error:  # of this package, or MemoryError
        return Failure(f"{type(error).__name__}: {error}", traceback.format_exc())


def _say_what_takes_long(layer: Any, state: Any) -> None:
    name = layer.name_of(int(state[AT]))
    print(f"{type(layer).__name__}: waits {WAIT:g} seconds and more for {name}", file=sys.stderr, flush=True)


class ThreadWorker:
    """A thread. It holds the layer only while it makes a batch, so that a layer that nobody has ends it."""

    def __init__(self, layer: Any, depth: int) -> None:
        self.memories = [OwnMemory() for _ in range(depth)]
        self._state = np.zeros(2, np.int64)
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        self._results: SimpleQueue[Any] = SimpleQueue()
        arguments = (weakref.ref(layer), self._tasks, self._results, self.memories, self._state)
        self._thread = threading.Thread(target=_serve_thread, args=arguments, name="caffe-pylayers-data", daemon=True)
        self._thread.start()

    def ask(self, task: Task) -> None:
        """Have a batch made after those that were asked for before."""
        self._tasks.put(task)

    def take(self, layer: Any) -> Any:
        """Wait for the next batch; return its shapes or a Failure."""
        while True:
            try:
                return self._results.get(timeout=WAIT)
            except Empty:
                _say_what_takes_long(layer, self._state)

    def stop(self) -> None:
        """Let it end after the item that it is at."""
        self._state[STOP] = 1
        self._tasks.put(None)

    def wait(self) -> None:
        """Wait until it has ended."""
        if self._thread is not threading.current_thread():
            self._thread.join(GRACE)


def _serve_thread(layer: Any, tasks: Any, results: Any, memories: list[Any], state: Any) -> None:
    while True:
        task = tasks.get()
        alive = layer()
        if task is None or alive is None:
            return
        results.put(_made(alive, task, memories, state))
        del alive


class ProcessWorker:
    """A forked process, whose memories are shared with it."""

    def __init__(self, layer: Any, depth: int) -> None:
        self.memories = [SharedMemory() for _ in range(depth)]
        self._state = np.frombuffer(mmap.mmap(-1, 16), np.int64)
        self._parent, self._status = os.getpid(), 0
        self._pipe, theirs = Pipe()
        try:
            self._process = self._fork(layer, theirs)
        finally:
            theirs.close()

    def _fork(self, layer: Any, pipe: Connection) -> int:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()  # or the child would have the text, too
        with _signals_held() as mask, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python 3.12 says that there are threads
            process = os.fork()
            if not process:
                try:
                    self._pipe.close()
                    _serve_process(layer, pipe, self._parent, mask, self.memories, self._state)
                finally:
                    os._exit(0)  # without the parent's handlers, buffers and objects
        return process

    def ask(self, task: Task) -> None:
        """Have a batch made after those that were asked for before."""
        with contextlib.suppress(OSError):  # it has ended, which take tells
            self._pipe.send(task)

    def take(self, layer: Any) -> Any:
        """Wait for the next batch; return its shapes or a Failure, of a process that has ended, too."""
        try:
            while not self._pipe.poll(WAIT):
                _say_what_takes_long(layer, self._state)
            return self._pipe.recv()
        except (EOFError, OSError):
            at = layer.name_of(int(self._state[AT]))
            return Failure(f"{at}: the worker process {self._process} {self._end()} while it was at this item", "")

    def stop(self) -> None:
        """Let it end after the item that it is at; in a process forked later it goes on, for its parent."""
        if os.getpid() == self._parent:
            self._state[STOP] = 1
        self._pipe.close()

    def wait(self) -> None:
        """Wait until it has ended; a process that does not is killed."""
        if os.getpid() == self._parent:
            end = time.monotonic() + GRACE
            while not self._ended() and time.monotonic() < end:
                time.sleep(0.002)
            if not self._ended():
                os.kill(self._process, signal.SIGKILL)
                self._ended(wait=True)
        for memory in self.memories:
            memory.close()

    def _ended(self, wait: bool = False) -> bool:
        if self._process:
            try:
                ended, self._status = os.waitpid(self._process, 0 if wait else os.WNOHANG)
            except ChildProcessError:  # this program waits for any child, or for none
                ended = self._process
            if ended:
                self._process = 0
        return not self._process

    def _end(self) -> str:
        end = time.monotonic() + GRACE
        while not self._ended() and time.monotonic() < end:
            time.sleep(0.002)
        if not os.WIFSIGNALED(self._status):
            return f"has ended with status {os.WEXITSTATUS(self._status)}"
        number = os.WTERMSIG(self._status)
        hint = " (the machine may be out of memory)" if number == signal.SIGKILL else ""
        return f"was ended by {signal.Signals(number).name}{hint}"


@contextlib.contextmanager
def _signals_held() -> Iterator[Any]:
    """Hold back the signals that are the parent's to handle; yields the mask of before."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [getattr(signal, name) for name in _QUIET])
    try:
        yield before
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve_process(layer: Any, pipe: Connection, parent: int, mask: Any, memories: list[Any], state: Any) -> None:
    gc.freeze()  # what the parent left is not collected here: that would close files and threads of its own
    for name in _QUIET:
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(0)  # its threads have not come along
    with contextlib.suppress(EOFError, OSError):  # the parent is gone, or wants no more
        while True:
            while not pipe.poll(_LOOK):
                if os.getppid() != parent:
                    return
            made = _made(layer, pipe.recv(), memories, state)
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:
                    stream.flush()
            pipe.send(made)


class Ahead:
    """The batches of a layer from one number on, made by its workers, each ``prefetch`` batches ahead."""

    def __init__(self, layer: Any, number: int) -> None:
        kind = ProcessWorker if layer.worker_type == "process" else ThreadWorker
        self._process = os.getpid()
        self._workers: list[Any] = []
        try:
            for _ in range(layer.workers):
                self._workers.append(kind(layer, layer.prefetch))
        except BaseException:
            self.stop()
            raise
        self._depth = layer.prefetch
        for ahead in range(layer.workers * layer.prefetch):
            self._ask(layer, number + ahead)

    @property
    def elsewhere(self) -> bool:
        """True in a process that was forked after the workers were made, which they do not serve."""
        return os.getpid() != self._process

    def take(self, layer: Any, number: int) -> list[Any]:
        """Return the arrays of a batch, valid until ``done``; raises ItemError, or an item's KeyboardInterrupt."""
        worker, slot = self._place(number)
        made = worker.take(layer)
        if isinstance(made, Failure):
            raise made.error(made.text) from (WorkerTraceback(made.traceback) if made.traceback else None)
        arrays: list[Any] = worker.memories[slot].arrays(made)
        return arrays

    def done(self, layer: Any, number: int) -> None:
        """Let the memory of a batch be used for the next one of its worker."""
        self._ask(layer, number + len(self._workers) * self._depth)

    def stop(self) -> None:
        """End the workers. May be called at any moment, twice too: a garbage collection does."""
        workers, self._workers = self._workers, []
        for worker in workers:
            worker.stop()
        for worker in workers:
            worker.wait()

    def _place(self, number: int) -> tuple[Any, int]:
        turn, which = divmod(number, len(self._workers))
        return self._workers[which], turn % self._depth

    def _ask(self, layer: Any, number: int) -> None:
        worker, slot = self._place(number)
        first, indices = layer.items_of_batch(number)
        worker.ask(Task(first, indices, slot))
