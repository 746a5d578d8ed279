"""The four methods of a Caffe Python layer: which of them a class lacks, and what it may have meant."""

from __future__ import annotations

import difflib
import sys

from caffe_pylayers._layer.base import Layer

METHODS = ("setup", "reshape", "forward", "backward")


def layer_bases() -> tuple[type, ...]:
    """Return the classes that layers derive from: this package's, and the loaded caffe's."""
    engine = getattr(sys.modules.get("caffe"), "Layer", None)
    return (Layer,) if engine is None else (Layer, engine)


def missing_methods(cls: type) -> dict[str, str]:
    """Return the methods that a layer class lacks, each with a hint at a misspelt one, or "".

    What caffe.Layer has under these names calls itself without end, so it does not count. Of a
    subclass of Layer, ``plan`` stands for ``reshape``, and ``setup`` is missing only where one
    seems to be misspelt.
    """
    ours = issubclass(cls, Layer)
    missing = {}
    for name in METHODS:
        if _defines(cls, name) or (ours and name == "reshape" and _defines(cls, "plan")):
            continue
        hint = _hint(cls, name) or (_hint(cls, "plan") if ours and name == "reshape" else "")
        if hint or not (ours and name == "setup"):
            missing[name] = hint
    return missing


def _defines(cls: type, method: str) -> bool:
    bases = layer_bases()
    return any(method in vars(base) for base in cls.__mro__ if base not in bases)


def _hint(cls: type, method: str) -> str:
    own = [name for base in cls.__mro__ if base not in layer_bases() for name, x in vars(base).items() if callable(x)]
    names = {name.lower().strip("_"): name for name in own if name not in METHODS and not name.startswith("__")}
    close = difflib.get_close_matches(method, names, n=1, cutoff=0.75)
    return f"`{names[close[0]]}` is never called: did you mean `{method}`?" if close else ""
