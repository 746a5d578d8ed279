"""The caffe this process runs on: a real one where it can be imported, else the runtime.

CAFFE_PYLAYERS_ENGINE=caffe or =runtime decides otherwise.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import sys
from typing import Any, Iterator

from caffe_pylayers._engine import interrupts
from caffe_pylayers._engine.libraries import MissingLibrary

VARIABLE = "CAFFE_PYLAYERS_ENGINE"
ENGINES = ("caffe", "runtime")


class EngineError(RuntimeError):
    """No usable caffe; the message says what to do."""


def caffe() -> Any:
    """Return the engine, which is ``import caffe`` from here on; EngineError where there is none with Python layers."""
    wanted = _wanted()
    with interrupts.held():
        return _load(wanted)


def on_runtime() -> bool:
    """Return True if the engine, which is loaded for it, is the runtime."""
    return bool(caffe().__name__ == "caffe_pylayers.pycaffe")


def _wanted() -> str:
    wanted = os.environ.get(VARIABLE, "")
    if wanted not in ("", *ENGINES):
        raise EngineError(f"{VARIABLE} must be one of {', '.join(ENGINES)}, got {wanted!r}")
    return wanted


@contextlib.contextmanager
def chosen(name: str | None) -> Iterator[None]:
    """Have the engine of this name for the length of the block, also in processes it starts; None changes nothing."""
    before = os.environ.get(VARIABLE)
    if name is not None:
        os.environ[VARIABLE] = name
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(VARIABLE, None)
        else:
            os.environ[VARIABLE] = before


def available() -> bool:
    """Return True if there is an engine, as far as can be told without loading it."""
    found = {name: importlib.util.find_spec(name) is not None for name in ("caffe", "torch")}
    runtime = found["torch"] and sys.version_info >= (3, 10)
    return {"caffe": found["caffe"], "runtime": runtime}.get(os.environ.get(VARIABLE, ""), found["caffe"] or runtime)


def _load(wanted: str) -> Any:
    if wanted == "runtime":
        if sys.version_info < (3, 10):
            raise EngineError(f"the runtime needs Python 3.10 or newer; this is {sys.version.split()[0]}")
        return _runtime()
    try:
        import caffe
    except ModuleNotFoundError as error:
        if error.name != "caffe":
            raise
        if wanted == "caffe":
            raise EngineError(f"a real Caffe is asked for ({VARIABLE} or --engine), and none can be imported") from None
        return _runtime()
    if not hasattr(caffe, "layer_type_list"):
        raise EngineError(f"{caffe.__file__} is not pycaffe 1.0 or newer: it has no layer_type_list")
    return caffe


def _runtime() -> Any:
    if sys.version_info < (3, 10):
        raise EngineError(
            "no caffe can be imported, and the runtime needs Python 3.10; `caffe-pylayers install-caffe` puts a real "
            "Caffe into a folder, or set PYTHONPATH to the python folder of yours"
        )
    try:
        return importlib.import_module("caffe_pylayers._engine.install").install()
    except MissingLibrary as error:
        raise EngineError(
            f"no caffe can be imported, and {error}; or `caffe-pylayers install-caffe` puts a real Caffe into a folder"
        ) from None
    except RuntimeError as error:
        raise EngineError(str(error)) from None


def messages() -> Any:
    """Return the module of Caffe's protobuf messages: a real Caffe's own where it is the engine, else the package's.

    The package's needs no engine, only protobuf; EngineError where that is too old.
    """
    wanted = _wanted()
    if "caffe" in sys.modules or wanted == "caffe" or (not wanted and importlib.util.find_spec("caffe")):
        caffe()
        return importlib.import_module("caffe.proto.caffe_pb2")
    try:
        return importlib.import_module("caffe_pylayers.runtime.proto.caffe_pb2")
    except ImportError as error:
        if not (error.name or "").startswith("google.protobuf"):
            raise
        found = getattr(sys.modules.get("google.protobuf"), "__version__", "not installed")
        raise EngineError(
            f"Caffe's messages need protobuf 3.20 or newer, which is {found} here: pip install -U protobuf"
        ) from None
