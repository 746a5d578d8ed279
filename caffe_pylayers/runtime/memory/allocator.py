"""Memory that is given back is kept by the process for the next layer, not returned to the system.

PyTorch's kernels make some of their results anew at each call. glibc maps large ones freshly each
time, and the system then clears every page of them again: up to a fifth of an iteration.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # of glibc's malloc.h
TOP_PAD = 1 << 24


@functools.cache
def keep_pages() -> bool:
    """Set up malloc so, once for the process; False where the C library is not glibc."""
    libc = _glibc()
    options = {M_MMAP_MAX: 0, M_TRIM_THRESHOLD: 2**31 - 1, M_TOP_PAD: TOP_PAD}
    return libc is not None and min(libc.mallopt(option, value) for option, value in options.items()) == 1


def return_pages() -> None:
    """Give the system all that is free now: after work that needed much memory once, such as loading a file."""
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


@functools.cache
def _glibc() -> Any:
    try:
        libc = ctypes.CDLL(None)
        return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None
    except (OSError, TypeError):  # another system
        return None
