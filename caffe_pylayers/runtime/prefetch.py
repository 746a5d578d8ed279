"""Batches made ahead of their use, by a thread."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Ahead(Generic[T]):
    """An iterator over another one's items, of which a thread makes up to ``depth`` before they are asked for.

    The thread starts with the first item and ends with this object. An error of the other comes where its
    item would have come, and then again each time.
    """

    def __init__(self, source: Iterator[T], depth: int) -> None:
        self._store: _Store[T] = _Store(depth)
        self._thread = threading.Thread(target=_fill, args=(source, self._store), name="prefetch", daemon=True)
        weakref.finalize(self, _end, self._store, self._thread)  # at the exit of the process at the latest

    def __iter__(self) -> Ahead[T]:
        return self

    def __next__(self) -> T:
        if self._thread.ident is None:
            self._thread.start()
        return self._store.take(self._thread)


class _Store(Generic[T]):
    """What has been made and not yet been asked for."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._error: BaseException | None = None
        self._ended = False

    def put(self, item: T) -> bool:
        """Add an item once there is room for it; False where no more are wanted."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or len(self._items) < self._depth)
            self._items.append(item)
            self._changed.notify_all()
            return not self._ended

    def fail(self, error: BaseException) -> None:
        """Say why no more items come."""
        with self._changed:
            self._error = error
            self._changed.notify_all()

    def take(self, thread: threading.Thread) -> T:
        """The next item, once there is one."""
        with self._changed:
            while not self._items:
                if self._error is not None:
                    raise self._error
                if not thread.is_alive():
                    raise RuntimeError("this process is a fork: its parent's thread that reads data is not in it")
                self._changed.wait()
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    def end(self) -> None:
        """Have no more items made."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()


def _fill(source: Iterator[T], store: _Store[T]) -> None:
    try:
        while store.put(next(source)):
            pass
    except BaseException as error:  # whatever it is, it is the reader's
        store.fail(error)


def _end(store: _Store[T], thread: threading.Thread) -> None:
    store.end()
    if thread.ident is not None and thread is not threading.current_thread():
        thread.join()
