"""What messages call a layer, and the file of its net before it."""

from __future__ import annotations

import contextlib
from typing import Any, Iterator

from caffe_pylayers._layer.quote import plain, quoted


def title(layer: Any) -> str:
    """Return what messages call a layer: ``layer "loss" (Python)``. layer: anything that has its name and type."""
    return f"layer {quoted(layer.name)}{f' ({plain(layer.type)})' if layer.type else ''}"


@contextlib.contextmanager
def naming(path: Any) -> Iterator[None]:
    """Have errors that begin with a layer begin with the file of its net; path: None where there is none."""
    try:
        yield
    except Exception as error:
        if path is not None and str(error).startswith(("layer ", "unknown layer type")):
            error.args = (f"{path}: {error}",)
            if isinstance(error, ImportError):
                error.msg = error.args[0]
        raise
