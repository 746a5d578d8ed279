"""Caffe Python layers to name in a prototxt, and the tools to train, check and write them.

Importing this package loads no engine: neither ``caffe`` nor ``torch``. The names below
resolve on first use.
"""

from __future__ import annotations

__version__ = "0.1.0"
__all__ = ["LabelledData", "Layer", "Parameter", "PrefetchedData", "__version__"]

_HOMES = {
    "LabelledData": "data.labelled_data",
    "Layer": "base",
    "Parameter": "base",
    "PrefetchedData": "data.prefetched_data",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    found: object = getattr(importlib.import_module(f"{__name__}._layer.{_HOMES[name]}"), name)
    return found
