"""A program that imports caffe and says what it is: ``_caffe_probe.py SYS_PATH_AS_JSON import|gpu``.

It is a program of its own since a caffe that does not fit its environment may end the process.
``import`` prints facts as JSON; ``gpu`` exits with 0 where GPU 0 can be used.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
from typing import Any


def engine() -> Any:
    """Import the caffe that training would use: the runtime where it is asked for, or where there is no other."""
    from caffe_pylayers import _engine

    if _engine.available() and (os.environ.get(_engine.VARIABLE) or not importlib.util.find_spec("caffe")):
        return _engine.caffe()
    return importlib.import_module("caffe")


def facts() -> dict[str, Any]:
    """Describe the module, or the error that importing it raised."""
    try:
        caffe = engine()
    except BaseException as error:
        return {"error": type(error).__name__, "text": str(error)}
    return {
        "name": caffe.__name__,
        "file": getattr(caffe, "__file__", None),
        "folders": list(getattr(caffe, "__path__", [])),
        "version": getattr(caffe, "__version__", "of unknown version"),
        "types": list(caffe.layer_type_list()) if hasattr(caffe, "layer_type_list") else None,
    }


def use_gpu() -> None:
    """Select GPU 0; where it does not work, Caffe ends the process with a message."""
    caffe = engine()
    caffe.set_mode_gpu()
    caffe.set_device(0)


if __name__ == "__main__":
    sys.path[:] = json.loads(sys.argv[1])
    if sys.argv[2] == "gpu":
        use_gpu()
    else:
        print(f"\n{json.dumps(facts())}")  # on a line of its own: pycaffe may print as well
