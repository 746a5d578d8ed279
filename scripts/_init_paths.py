"""Importing this lets the scripts run without an installation: it finds the package and a caffe."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path


def add_paths() -> None:
    """Put the package, its bare layer names and, where none can be imported, CAFFE_ROOT's caffe on sys.path."""
    root = Path(__file__).resolve().parent.parent
    folders = [root, root / "caffe_pylayers" / "bare"]
    if "CAFFE_ROOT" in os.environ and importlib.util.find_spec("caffe") is None:
        folders.append(Path(os.environ["CAFFE_ROOT"]).resolve() / "python")
    sys.path[1:1] = [str(folder) for folder in folders if str(folder) not in sys.path]


add_paths()
