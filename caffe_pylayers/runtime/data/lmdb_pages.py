"""The values of an LMDB database, read page by page with every offset checked.

The lmdb library maps the file into memory and trusts it: a damaged page, one of zeros say, ends the process, and so
does a disk that cannot be read. The format is LMDB 0.9's on 64 bits, with one value to a key, as Caffe writes it.
"""

from __future__ import annotations

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


class State(NamedTuple):
    """What a transaction has left; the last one counts."""

    transaction: int
    page_size: int
    flags: int
    depth: int
    entries: int
    root: int
    last: int  # page


def values(path: str) -> Iterator[bytes]:
    """The values in a file, in the order of their keys; ValueError where they cannot be read."""
    count = 0
    try:
        with open(path, "rb", buffering=0) as file:
            state = max(_state(file, 0), _state(file, _state(file, 0).page_size))
            for value in _Pages(file, state).values():
                yield value
                count += 1
            if count != state.entries:
                raise ValueError(f"it should have {state.entries}")
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is damaged: after {count} records: {error}") from error


def _state(file: BinaryIO, offset: int) -> State:
    file.seek(offset)
    content = file.read(PAGE.size + ROOT.size)
    if len(content) < PAGE.size + ROOT.size or not PAGE.unpack_from(content)[1] & META:
        raise ValueError("it does not begin as one")
    magic, version, page_size, flags, depth, *rest, transaction = ROOT.unpack_from(content, PAGE.size)
    if (magic, version) != (MAGIC, VERSION) or not 512 <= page_size <= 1 << 16 or flags & SEVERAL:
        raise ValueError("it is of another format")
    return State(transaction, page_size, flags, depth, *rest)


class _Pages:
    """The tree of a state."""

    def __init__(self, file: BinaryIO, state: State) -> None:
        self._file, self._state = file, state
        self._ahead, self._ahead_from = b"", 0

    def values(self) -> Iterator[bytes]:
        """All values of its leaves."""
        if self._state.root == EMPTY:
            return
        if not 1 <= self._state.depth <= DEEPEST:
            raise ValueError(f"its tree has depth {self._state.depth}")
        node, header = NODE.unpack_from, NODE.size
        for page in self._leaves(self._state.root, self._state.depth):
            for at in _nodes(page):
                low, high, flags, key = node(page, at)
                start = at + header + key
                end = start + (NUMBER.size if flags else low | high << 16)
                if flags > BIG or end > len(page):
                    raise ValueError(f"page {PAGE.unpack_from(page)[0]} has a node that is none")
                if flags:
                    size = PAGE.size + (low | high << 16)
                    (number,) = NUMBER.unpack_from(page, start)
                    first = self._find(number, -(-size // self._state.page_size), OVERFLOW)
                    yield self._ahead[first + PAGE.size : first + size]
                else:
                    yield page[start:end]

    def _leaves(self, number: int, depth: int) -> Iterator[bytes]:
        at = self._find(number, 1, LEAF if depth == 1 else BRANCH)
        page = self._ahead[at : at + self._state.page_size]
        if depth == 1:
            yield page
            return
        for start in _nodes(page):
            low, high, top, _ = NODE.unpack_from(page, start)
            yield from self._leaves(low | high << 16 | top << 32, depth - 1)

    def _find(self, number: int, pages: int, kind: int) -> int:
        """Where pages of a kind are in what has been read."""
        if number + pages > self._state.last + 1:
            raise ValueError(f"there is no page {number + pages - 1}")
        size, start = pages * self._state.page_size, number * self._state.page_size
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
    """Where a page's nodes are."""
    number, _, lower, upper = PAGE.unpack_from(page)
    if not PAGE.size < lower <= upper <= len(page):
        raise ValueError(f"page {number} has no nodes")
    starts = struct.unpack_from(f"<{(lower - PAGE.size) // 2}H", page, PAGE.size)
    if min(starts) < upper or max(starts) > len(page) - NODE.size:
        raise ValueError(f"page {number} has nodes outside itself")
    return starts
