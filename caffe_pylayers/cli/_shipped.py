"""Folders of the repository that a wheel carries inside the package: ``prototxt`` and ``scripts``."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).parent


def shipped(name: str) -> Path:
    """Return the folder of this name: the wheel's copy, or in a checkout the folder itself."""
    carried = _HERE / "_shipped" / name
    return carried if carried.is_dir() else _HERE.parents[1] / name
