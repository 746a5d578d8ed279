"""A progress bar for a loop that takes long."""

from __future__ import annotations

import sys
from typing import Iterable, Iterator, TypeVar

T = TypeVar("T")


def counted(items: Iterable[T], unit: str, total: int | None = None) -> Iterator[T]:
    """Yield the items; on a terminal, with tqdm installed, a bar on stderr counts them."""
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
