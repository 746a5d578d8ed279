"""Becoming ``caffe``: the runtime under the name that scripts and Python layers import."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from caffe_pylayers._engine import VARIABLE

FACE = "caffe_pylayers.pycaffe"
ELSEWHERE = {"caffe.proto": "caffe_pylayers.runtime.proto"}


def install() -> ModuleType:
    """Make ``import caffe`` give the runtime; returns it.

    A real Caffe wins: RuntimeError if one is loaded, or if CAFFE_PYLAYERS_ENGINE=caffe asks for
    one. One that is only installed is passed over here: calling this is the choice.
    """
    face = importlib.import_module(FACE)
    if sys.modules.get("caffe") is face:
        return face
    loaded = sys.modules.get("caffe._caffe") or sys.modules.get("caffe")
    if loaded is not None:
        raise RuntimeError(f"another caffe is loaded already: {getattr(loaded, '__file__', loaded)}")
    if os.environ.get(VARIABLE) == "caffe":
        raise RuntimeError(f"{VARIABLE}=caffe asks for a real Caffe, not for the runtime")
    sys.modules["caffe"] = face
    sys.meta_path.insert(0, _Alias())
    return face


class _Alias(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds caffe.X as the face's X: one module under two names, not two modules."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not fullname.startswith("caffe."):
            return None
        return importlib.machinery.ModuleSpec(fullname, self)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        parent, _, name = spec.name.rpartition(".")
        real = ELSEWHERE.get(spec.name, f"{sys.modules[parent].__name__}.{name}")
        try:
            return importlib.import_module(real)
        except ModuleNotFoundError as error:
            if error.name != real:
                raise
            raise ModuleNotFoundError(f"No module named {spec.name!r} in the runtime", name=spec.name) from None

    def exec_module(self, module: ModuleType) -> Any:
        """Nothing: it has run under its own name."""
