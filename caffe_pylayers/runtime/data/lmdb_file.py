"""The values of an LMDB database, read page by page from its file with every offset checked.

The lmdb library maps the file into memory and trusts it: a page that is damaged, cut off while the database is open, or
on a disk that cannot be read, ends the process or gives wrong values. This format is LMDB 0.9's on 64 bits, with one
value to a key, as Caffe writes it.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

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


def values(path: str) -> Iterator[bytes]:
    """Give the values in a file, in the order of their keys; ValueError where they cannot be read."""
    count = 0
    try:
        with open(path, "rb", buffering=0) as file:
            meta = _last_meta(file)
            for value in _Pages(file, meta).values():
                yield value
                count += 1
            if count != meta.entries:
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

    def values(self) -> Iterator[bytes]:
        """Give the values of all leaves."""
        if self._meta.root == EMPTY:
            return
        if not 1 <= self._meta.depth <= DEEPEST:
            raise ValueError(f"its tree has depth {self._meta.depth}")
        for page in self._below(self._meta.root, self._meta.depth):
            for at in _nodes(page):
                low, high, flags, key = NODE.unpack_from(page, at)
                start, size = at + NODE.size + key, low | high << 16
                end = start + (NUMBER.size if flags else size)
                if flags > BIG or end > len(page):
                    raise ValueError(f"page {PAGE.unpack_from(page)[0]} has a node that is none")
                yield self._big(page, start, size) if flags else page[start:end]

    def _big(self, page: bytes, start: int, size: int) -> bytes:
        (number,) = NUMBER.unpack_from(page, start)
        first = self._find(number, -(-(PAGE.size + size) // self._meta.page_size), OVERFLOW) + PAGE.size
        return self._ahead[first : first + size]

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
        if number + pages > self._meta.last + 1:
            raise ValueError(f"there is no page {number + pages - 1}")
        size, start = pages * self._meta.page_size, number * self._meta.page_size
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
