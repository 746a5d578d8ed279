"""Becoming ``caffe``: the runtime under the name that scripts and Python layers import."""

from __future__ import annotations

import importlib
import os
import sys
from types import ModuleType

from caffe_pylayers._engine import VARIABLE
from caffe_pylayers._engine.libraries import optional

FACE = "caffe_pylayers.pycaffe"
MODULES = ("_caffe", "classifier", "coord_map", "detector", "draw", "io", "net_spec", "proto", "pycaffe")


def install() -> ModuleType:
    """Make ``import caffe`` give the runtime, and return it.

    A real Caffe wins: RuntimeError if one is loaded, or if CAFFE_PYLAYERS_ENGINE=caffe asks for
    one. One that is only installed is passed over here: calling this is the choice.
    ImportError that says what to install where PyTorch is missing.
    """
    loaded = sys.modules.get("caffe._caffe") or sys.modules.get("caffe")
    if loaded is not None and loaded.__name__.startswith(FACE):
        return sys.modules[FACE]
    if loaded is not None:
        raise RuntimeError(f"another caffe is loaded already: {getattr(loaded, '__file__', loaded)}")
    if os.environ.get(VARIABLE) == "caffe":
        raise RuntimeError(f"{VARIABLE}=caffe asks for a real Caffe, not for the runtime")
    with optional("the runtime", "runtime"):
        face = importlib.import_module(FACE)
    # One module under two names: imported by its file it would be two modules.
    sys.modules["caffe"] = face
    sys.modules.update({f"caffe.{name}": getattr(face, name) for name in MODULES})
    sys.modules["caffe.proto.caffe_pb2"] = face.proto.caffe_pb2
    return face
