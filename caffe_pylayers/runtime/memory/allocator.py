"""Memory of the process: kept for the next layer when it is given back, and refused before the system runs out.

PyTorch's kernels make some of their results anew at each call. glibc maps large ones freshly each time, and the
system then clears every page of them again: up to a fifth of an iteration. So malloc is told to keep its pages.

A system that has promised more memory than it has ends the process when the memory is written to. So large
allocations of the host are compared first with what there is.
"""

from __future__ import annotations

import ctypes
import functools
import math
import mmap
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from caffe_pylayers.runtime.memory import device

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # of glibc's malloc.h
TOP_PAD = 1 << 24

LEAST_GROWTH = 16 << 20  # bytes, which a round may be above the one before without a reason
RARELY = 64  # rounds from one return of pages to the next: in the round after it the system clears all of them again
LARGE = 1 << 28  # bytes, from which on an allocation is worth a look at the system's files
ADDRESSABLE = 1 << 47  # bytes; PyTorch has other words where a size is beyond 64 bits


class OutOfMemoryError(MemoryError):
    """Memory that cannot be had; the message says how many bytes."""

    def __init__(self, needed: int, available: int | None = None) -> None:
        there = "" if available is None else f", {available:,} are available"
        super().__init__(f"not enough memory: {needed:,} bytes are needed{there}")


def empty(shape: Sequence[int], place: torch.device = device.HOST) -> torch.Tensor:
    """A contiguous float32 tensor, undefined until it is written to. Raises OutOfMemoryError."""
    return _make(torch.empty, shape, place)


def zeros(shape: Sequence[int], place: torch.device = device.HOST) -> torch.Tensor:
    """A contiguous float32 tensor of zeros. Raises OutOfMemoryError."""
    return _make(torch.zeros, shape, place)


def _make(make: Any, shape: Sequence[int], place: torch.device) -> torch.Tensor:
    needed = 4 * math.prod(shape)
    if needed >= LARGE:
        found = available() if place.type == "cpu" else None
        if needed > (ADDRESSABLE if found is None else found):
            raise OutOfMemoryError(needed, found)
    try:
        made: torch.Tensor = make(tuple(shape), dtype=torch.float32, device=place)
    except RuntimeError as error:
        if shortage(error):
            raise OutOfMemoryError(needed) from error
        raise
    return made


def shortage(error: BaseException) -> str:
    """The message of an exception that says that memory cannot be had; empty for any other."""
    if isinstance(error, MemoryError):
        return str(error) or "not enough memory"
    if isinstance(error, torch.cuda.OutOfMemoryError):
        return f"not enough memory on the device: {str(error).partition('. GPU')[0]}"
    if isinstance(error, RuntimeError):
        found = _REFUSED.search(str(error))
        if found:
            return str(OutOfMemoryError(int(found[1])))
    return ""


_REFUSED = re.compile(r"DefaultCPUAllocator: .*you tried to allocate (\d+) bytes")


def available() -> int | None:
    """The bytes that the process can get: of the system and of its control group; None where neither tells."""
    found = [n for n in (_of_system(), _of_group()) if n is not None]
    return min(found, default=None)


def _of_system() -> int | None:
    """The bytes that the system can still give, swap included."""
    try:
        lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        return sum(int(lines[name].split()[0]) * 1024 for name in ("MemAvailable", "SwapFree"))
    except (OSError, ValueError, KeyError):  # another system
        return None


def _of_group(group: Path = Path("/sys/fs/cgroup")) -> int | None:
    """The bytes that the process's control group can still get, version 2 or 1; as a container sees it, at the root."""
    for limit, usage, reclaimable in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"),
    ):
        try:
            most, used = int((group / limit).read_text()), int((group / usage).read_text())
            lines = (group / limit).with_name("memory.stat").read_text().splitlines()
            stat = dict(line.split() for line in lines)
            return most - used + int(stat[reclaimable])
        except (OSError, ValueError, KeyError):  # no such file, or "max"
            continue
    return None


@functools.cache
def keep_pages() -> bool:
    """Have malloc keep freed memory for the process's next use; return False where the C library is not glibc."""
    libc = _glibc()
    options = {M_MMAP_MAX: 0, M_TRIM_THRESHOLD: 2**31 - 1, M_TOP_PAD: TOP_PAD}
    return libc is not None and min(libc.mallopt(option, value) for option, value in options.items()) == 1


def return_pages() -> None:
    """Give the system all free memory of glibc's now, after work that needed much once, such as loading a file."""
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


class Rounds:
    """Work that is done again and again, such as iterations, within the memory that a round of it needs.

    The first round may need more than others. And where large memory is freed and allocated in each, what is small and
    stays comes to lie in its midst, so that less and less of it fits: malloc asks the system for more, and the process
    would grow for hundreds of rounds. So the free memory is returned after the first, and now and then if it has grown.
    """

    def __init__(self) -> None:
        self._needed = 0  # bytes of the process after the largest of those rounds before which all was returned
        self._since = RARELY  # rounds, since all was returned

    def done(self) -> None:
        """A round is done."""
        self._since += 1
        if self._since == 1:
            self._needed = max(self._needed, resident())
        elif self._since >= RARELY and resident() > self._needed + max(self._needed >> 4, LEAST_GROWTH):
            return_pages()
            self._since = 0


def resident() -> int:
    """Return the bytes of the process that are in memory; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * mmap.PAGESIZE
    except OSError:  # another system
        return 0


@functools.cache
def _glibc() -> Any:
    try:
        libc = ctypes.CDLL(None)
        return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None
    except (OSError, TypeError):  # another system
        return None
