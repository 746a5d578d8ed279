"""Pages of text on layer classes, from their docstrings and declared parameters."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import sys
import textwrap
from typing import Sequence

import caffe_pylayers
from caffe_pylayers._layer.base import Layer
from caffe_pylayers._layer.parameter import REQUIRED, Parameter, declared
from caffe_pylayers.cli._layer_groups import grouped


def all_layers() -> dict[str, type[Layer]]:
    """Return the package's layer classes by ``module.Class``: those in ``__all__`` of its layer families."""
    found = {}
    for module in pkgutil.iter_modules(caffe_pylayers.__path__):
        if module.ispkg or module.name.startswith("_"):
            continue
        loaded = importlib.import_module(f"caffe_pylayers.{module.name}")
        for name in loaded.__all__:
            cls = getattr(loaded, name)
            if inspect.isclass(cls) and issubclass(cls, Layer):
                found[f"{module.name}.{name}"] = cls
    return found


def named_layers(layers: dict[str, type[Layer]], name: str) -> list[type[Layer]]:
    """Return those of the package's layers that a name means: ``Class``, ``module.Class`` or caffe_pylayers' whole."""
    return [cls for key, cls in layers.items() if name in (key, cls.__name__, f"caffe_pylayers.{key}")]


def layer_class(module: str, name: str) -> type:
    """Import a class that prototxts name by this module and name.

    ValueError where module or class is missing, or the class is no class; an engine is loaded if the module asks for
    caffe. An exception of the module itself passes through.
    """
    from caffe_pylayers import _engine
    from caffe_pylayers._nets.python_param import missing_class

    try:
        loaded = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name == "caffe":
            _engine.caffe()
            loaded = importlib.import_module(module)
        elif f"{module}.".startswith(f"{error.name}."):
            raise ValueError(f"no module named {module!r} in this folder or on PYTHONPATH") from None
        else:
            raise
    cls = getattr(loaded, name, None)
    if cls is None:
        raise ValueError(missing_class(loaded, name))
    if not inspect.isclass(cls):
        raise ValueError(f"{module}.{name} is no class but {cls!r}")
    return cls


def contents(layers: dict[str, type[Layer]]) -> str:
    """Return the table of contents: by group a line for each layer, its module and name, and what it does."""
    lines = []
    for title, classes in grouped(layers).items():
        names = [f"{cls.__module__.rpartition('.')[2]}.{cls.__name__}" for cls in classes]
        width = max(map(len, names))
        lines.append(f"{title}\n" + "\n".join(f"  {n:<{width}}  {summary(cls)}" for n, cls in zip(names, classes)))
    return "\n\n".join(lines)


def summary(cls: type) -> str:
    """Return the first sentence of a class's docstring, on one line."""
    return " ".join(_doc(cls).split("\n\n")[0].split())


def listing(cls: type) -> str:
    """Return a layer's entry in the list: its name, the first line of its docstring, its parameters and defaults."""
    lines = [f"{cls.__module__}.{cls.__name__}", f"  {summary(cls)}"]
    parameters = declared(cls).values()
    if parameters:
        lines.append(f"  param_str: {', '.join(f'{p.name}={_default(p)}' for p in parameters)}")
    return "\n".join(lines)


def page(cls: type) -> str:
    """Return a layer's page: its docstring, a table of its parameters, and a prototxt to paste."""
    parts = [f"{cls.__module__}.{cls.__name__}", _doc(cls)]
    rows = [(p.name, p.expected(), _default(p), p.doc) for p in declared(cls).values()]
    if rows:
        parts.append("Parameters in param_str:\n" + _table([("name", "accepts", "default", "meaning"), *rows]))
    parts.append("In a prototxt:\n" + textwrap.indent(snippet(cls), "    "))
    return "\n\n".join(parts)


def _doc(cls: type) -> str:
    return inspect.cleandoc(cls.__doc__ or "(no description)")


def _default(parameter: Parameter) -> str:
    if parameter.default is REQUIRED:
        return "required"
    return "not given" if parameter.default is None else str(parameter.default)


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)] + [0]
    return "\n".join("  " + "  ".join(f"{c:<{w}}" for c, w in zip(row, widths)).rstrip() for row in rows)


def snippet(cls: type) -> str:
    """Return the layer block of the module's docstring that names the class, or one made from its bottoms' names."""
    doc = inspect.getdoc(sys.modules[cls.__module__]) or ""
    for block in re.finditer(r"^( *)layer \{$.*?^\1\}$", doc, re.MULTILINE | re.DOTALL):
        if f'layer: "{cls.__name__}"' in block[0]:
            return textwrap.dedent(block[0])
    top = "loss" if cls.__name__.endswith("Loss") else cls.__name__.lower()
    blobs = "  ".join([*(f'bottom: "{name}"' for name in bottom_names(cls)[0]), f'top: "{top}"'])
    weight = "\n  loss_weight: 1" if top == "loss" else ""
    return (
        f'layer {{\n  name: "{top}"  type: "Python"\n  {blobs}\n'
        f'  python_param {{ module: "{cls.__module__}"  layer: "{cls.__name__}" }}{weight}\n}}'
    )


def bottom_names(cls: type) -> tuple[list[str], list[str]]:
    """Return the names of the bottoms that a layer needs and of those that it may have, as its plan tells them."""
    plan = getattr(cls, "plan", None)
    named = list(inspect.signature(plan).parameters.values())[1:] if plan else []
    named = [parameter for parameter in named if parameter.kind is parameter.POSITIONAL_OR_KEYWORD]
    needed = [parameter.name for parameter in named if parameter.default is parameter.empty]
    return needed, [parameter.name for parameter in named][len(needed) :]
