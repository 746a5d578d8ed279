"""The engine on PyTorch: the same prototxts, Python layers and caffemodels, without building Caffe.

    from caffe_pylayers import runtime
    caffe = runtime.install()        # from here on, `import caffe` is caffe_pylayers.pycaffe

net      the net: its graph, fusion of layers, its run
layers   the native layer types, a file for each family, and the one that calls Python layers
solvers  solver types, the rates and the update
memory   blobs: values on their device, in their layout
data     databases, images and prefetching for the data layers
files    caffemodels, solverstates and HDF5
proto    Caffe's messages

Needs Python 3.10 or newer and the extra ``runtime``.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from caffe_pylayers._engine.install import install
from caffe_pylayers._engine.libraries import optional

__all__ = ["install"]


def __getattr__(name: str) -> Any:
    """caffe's names are found here too: ``from caffe_pylayers.runtime import Net``."""
    # The import system's own questions, and its modules here, which it finds itself.
    if name.startswith("__") or importlib.util.find_spec(f"{__name__}.{name}") is not None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with optional("the runtime", "runtime"):
        face = importlib.import_module("caffe_pylayers.pycaffe")
    return getattr(face, name)
