"""The records of an LMDB database, read page by page from its file with every offset checked.

The lmdb library maps the file into memory and trusts it: a page that is damaged, cut off while the database is open, or
on a disk that cannot be read, ends the process or gives wrong values. This format is LMDB 0.9's on 64 bits, with one
value to a key, as Caffe writes it.
"""

from __future__ import annotations

import itertools
import os
import struct
from typing import BinaryIO, Callable, Iterator, NamedTuple, TypeVar

MAGIC, VERSION = 0xBEEFC0DE, 1
BRANCH, LEAF, OVERFLOW, META = 1, 2, 4, 8  # kinds of page
BIG = 1  # the flag of a node whose value has pages of its own
SEVERAL = 4  # the flag of a database with several values to a key
DEEPEST = 32  # trees that LMDB makes
EMPTY = 2**64 - 1  # the root where there is nothing
AHEAD = 1 << 18  # bytes read at once: pages that follow each other mostly lie so, too

PAGE = struct.Struct("<Q2xHHH")  # number, kind, and where the room between the nodes' pointers and the nodes is
ROOT = struct.Struct("<II16xI48xHH24xQQQQ")  # magic, version, page size; flags, depth, entries, root, last page, number
NODE = struct.Struct("<HHHH")  # low and high half of a value's size, or of a page's number; flags; size of the key
NUMBER = struct.Struct("<Q")

Found = TypeVar("Found")


class Meta(NamedTuple):
    """A meta page's account of the database after a transaction; of the two in a file the last transaction's counts."""

    transaction: int
    page_size: int
    flags: int
    depth: int
    entries: int
    root: int
    last: int  # page


def check_whole(path: str) -> None:
    """Raise ValueError for a file that is no LMDB, or that lacks pages at its end."""
    try:
        with open(path, "rb", buffering=0) as file:
            meta = _last_meta(file)
            size, needed = os.fstat(file.fileno()).st_size, (meta.last + 1) * meta.page_size
    except (OSError, ValueError) as error:
        raise _damaged(path, 0, error) from error
    if size < needed:
        raise ValueError(f"{path} is cut off: it has {size} bytes of {needed}")


class Place(NamedTuple):
    """Where in the file a record's value is, and its key."""

    start: int
    size: int
    key: bytes


def count(path: str) -> int:
    """Return how many values a file has; ValueError where that cannot be read."""
    try:
        with open(path, "rb", buffering=0) as file:
            return _last_meta(file).entries
    except (OSError, ValueError) as error:
        raise _damaged(path, 0, error) from error


def values(path: str, first: int = 0, step: int = 1) -> Iterator[bytes]:
    """Give every step-th of the values in a file from the first-th on, in the order of their keys.

    Those between are not read. ValueError where they cannot be.
    """
    return _each(path, lambda pages: pages.values(first, step), first, step)


def places(path: str) -> list[Place]:
    """Return where the values are, in the order of their keys; ValueError where that cannot be read."""
    return list(_each(path, _Pages.places))


def value_at(path: str, place: Place) -> bytes:
    """Return the value at one of the file's places."""
    with open(path, "rb", buffering=0) as file:
        file.seek(place.start)
        value = file.read(place.size)
    if len(value) < place.size:
        raise ValueError(f"{path} is cut off: {len(value)} bytes of {place.size} at {place.start}")
    return value


def _each(path: str, of: Callable[[_Pages], Iterator[Found]], first: int = 0, step: int = 1) -> Iterator[Found]:
    count = first
    try:
        with open(path, "rb", buffering=0) as file:
            meta = _last_meta(file)
            for found in of(_Pages(file, meta)):
                yield found
                count += step
            if count != first + step * len(range(first, meta.entries, step)):
                raise ValueError(f"it should have {meta.entries}")
    except (OSError, ValueError) as error:
        raise _damaged(path, count, error) from error


def _damaged(path: str, count: int, error: Exception) -> ValueError:
    reason = error.strerror if isinstance(error, OSError) else error
    return ValueError(f"{path} is damaged: after {count} records: {reason}")


def _last_meta(file: BinaryIO) -> Meta:
    first = _meta(file, 0)
    return max(first, _meta(file, first.page_size))


def _meta(file: BinaryIO, offset: int) -> Meta:
    file.seek(offset)
    content = file.read(PAGE.size + ROOT.size)
    if len(content) < PAGE.size + ROOT.size or not PAGE.unpack_from(content)[1] & META:
        raise ValueError("it does not begin as one")
    magic, version, page_size, flags, depth, *rest, transaction = ROOT.unpack_from(content, PAGE.size)
    if (magic, version) != (MAGIC, VERSION) or not 512 <= page_size <= 1 << 16 or flags & SEVERAL:
        raise ValueError("it is of another format")
    return Meta(transaction, page_size, flags, depth, *rest)


class _Pages:
    """The tree of a meta page."""

    def __init__(self, file: BinaryIO, meta: Meta) -> None:
        self._file, self._meta = file, meta
        self._ahead, self._ahead_from = b"", 0

    def values(self, first: int, step: int) -> Iterator[bytes]:
        """Give every step-th of the values of all leaves, from the first-th on."""
        for page, _, start, size, elsewhere in itertools.islice(self._leaf_nodes(), first, None, step):
            yield self._big(page, start, size) if elsewhere else page[start : start + size]

    def places(self) -> Iterator[Place]:
        """Give where the values of all leaves are."""
        for page, at, start, size, elsewhere in self._leaf_nodes():
            if elsewhere:
                first = self._checked(NUMBER.unpack_from(page, start)[0], self._pages_of(size)) + PAGE.size
            else:
                first = PAGE.unpack_from(page)[0] * self._meta.page_size + start
            yield Place(first, size, page[at + NODE.size : start])

    def _leaf_nodes(self) -> Iterator[tuple[bytes, int, int, int, bool]]:
        """Give (page, where in it the node begins, where the value does, its size, whether it has pages of its own).

        Where it has, their number stands in its place.
        """
        if self._meta.root == EMPTY:
            return
        if not 1 <= self._meta.depth <= DEEPEST:
            raise ValueError(f"its tree has depth {self._meta.depth}")
        for page in self._below(self._meta.root, self._meta.depth):
            for at in _nodes(page):
                low, high, flags, key = NODE.unpack_from(page, at)
                start, size = at + NODE.size + key, low | high << 16
                if flags > BIG or start + (NUMBER.size if flags else size) > len(page):
                    raise ValueError(f"page {PAGE.unpack_from(page)[0]} has a node that is none")
                yield page, at, start, size, bool(flags)

    def _big(self, page: bytes, start: int, size: int) -> bytes:
        (number,) = NUMBER.unpack_from(page, start)
        first = self._find(number, self._pages_of(size), OVERFLOW) + PAGE.size
        return self._ahead[first : first + size]

    def _pages_of(self, size: int) -> int:
        return -(-(PAGE.size + size) // self._meta.page_size)

    def _checked(self, number: int, pages: int) -> int:
        """Return where in the file these pages begin; ValueError where they are not in it."""
        if number + pages > self._meta.last + 1:
            raise ValueError(f"there is no page {number + pages - 1}")
        return number * self._meta.page_size

    def _below(self, number: int, depth: int) -> Iterator[bytes]:
        """Give the leaves below a page."""
        at = self._find(number, 1, LEAF if depth == 1 else BRANCH)
        page = self._ahead[at : at + self._meta.page_size]
        if depth == 1:
            yield page
            return
        for start in _nodes(page):
            low, high, top, _ = NODE.unpack_from(page, start)
            yield from self._below(low | high << 16 | top << 32, depth - 1)

    def _find(self, number: int, pages: int, kind: int) -> int:
        """Have pages of a kind in what has been read; return where they begin in it."""
        size, start = pages * self._meta.page_size, self._checked(number, pages)
        at = start - self._ahead_from
        if at < 0 or at + size > len(self._ahead):
            self._file.seek(start)
            self._ahead, self._ahead_from, at = self._file.read(max(size, AHEAD)), start, 0
            if len(self._ahead) < size:
                raise ValueError(f"page {number} is cut off")
        if PAGE.unpack_from(self._ahead, at)[:2] != (number, kind):
            raise ValueError(f"page {number} is not what it should be")
        return at


def _nodes(page: bytes) -> tuple[int, ...]:
    """Return where a page's nodes are."""
    number, _, lower, upper = PAGE.unpack_from(page)
    if not PAGE.size < lower <= upper <= len(page):
        raise ValueError(f"page {number} has no nodes")
    starts = struct.unpack_from(f"<{(lower - PAGE.size) // 2}H", page, PAGE.size)
    if min(starts) < upper or max(starts) > len(page) - NODE.size:
        raise ValueError(f"page {number} has nodes outside itself")
    return starts
