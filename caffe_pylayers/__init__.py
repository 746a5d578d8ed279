"""Caffe Python layers to name in a prototxt, and the tools to train, check and write them.

Importing this package loads no engine: neither ``caffe`` nor ``torch``. The names below
resolve on first use.
"""

from __future__ import annotations

__version__ = "0.1.0"
__all__ = ["Layer", "Parameter", "PrefetchedData", "__version__"]


def __getattr__(name: str) -> object:
    if name in ("Layer", "Parameter"):
        from caffe_pylayers._layer import base

        return getattr(base, name)
    if name == "PrefetchedData":
        from caffe_pylayers._layer.prefetched_data import PrefetchedData

        return PrefetchedData
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
