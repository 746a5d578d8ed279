"""Paths as pycaffe takes them: text, bytes or PathLike."""

from __future__ import annotations

import os
from typing import Any


def path_of(given: Any) -> str | None:
    """Return a path as text; None for what is no str, bytes or PathLike."""
    return os.fsdecode(given) if isinstance(given, (str, bytes, os.PathLike)) else None
