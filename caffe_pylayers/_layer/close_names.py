"""Names that a misspelt one may stand for."""

from __future__ import annotations

import difflib
from typing import Iterable


def close_names(name: str, known: Iterable[str], count: int = 1) -> list[str]:
    """Return the known names that are most like this one in all but case, the closest first."""
    lower = {each.lower(): each for each in known}
    return [lower[each] for each in difflib.get_close_matches(name.lower(), lower, n=count)]
