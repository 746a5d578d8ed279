"""A bar on a terminal, where tqdm is installed, for what takes long."""

from __future__ import annotations

import sys
from typing import Iterable, Iterator, TypeVar

T = TypeVar("T")


def counted(items: Iterable[T], unit: str, total: int | None = None) -> Iterator[T]:
    """The items, with a bar on stderr of how many there were; nothing where that is no terminal."""
    if sys.stderr.isatty():
        try:
            from tqdm import tqdm
        except ModuleNotFoundError as error:
            if error.name != "tqdm":
                raise
        else:
            yield from tqdm(items, total=total, unit=f" {unit}s", dynamic_ncols=True, leave=False)
            return
    yield from items
