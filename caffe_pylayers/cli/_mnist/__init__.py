"""MNIST: a sample of 5,000 digits, reading of its files, writing of Caffe's databases."""

from __future__ import annotations

import importlib
from typing import Any


class DataError(Exception):
    """The digits cannot be had or written; the message names the file and what is wrong with it."""


def optional(name: str) -> Any:
    """The module ``name`` of the extra ``data``; DataError where it cannot be imported."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise DataError(f"{name} cannot be imported ({error}): pip install 'caffe-pylayers[data]'") from error
