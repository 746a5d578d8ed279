"""Checks of a ``python_param``: its module, its class, the class's methods, its param_str."""

from __future__ import annotations

import glob
import importlib
import inspect
import os
import pkgutil
import sys
import traceback
from pathlib import Path
from typing import Any, Iterator

from caffe_pylayers._compat.advice import advice
from caffe_pylayers._layer import parameter
from caffe_pylayers._layer.base import Layer
from caffe_pylayers._layer.close_names import close_names
from caffe_pylayers._layer.methods import layer_bases, missing_methods
from caffe_pylayers._layer.quote import quoted, short
from caffe_pylayers._nets.forks import python_layers


def python_param_problems(param: Any, path: str | os.PathLike[str], asked: str = "") -> list[str]:
    """Return messages on what is wrong with one python_param. Imports its module, so it runs that code.

    path: the prototxt, near which a module that is not found is searched for a hint.
    asked: why Caffe calls the layer's backward, where it does.
    """
    problem = name_problem(param)
    if problem:
        return [problem]
    try:
        module = importlib.import_module(param.module)
    except (Exception, SystemExit) as error:
        return [missing_module(param, error, path) or _import_problem(param.module, error)]
    if not hasattr(module, param.layer):
        return [missing_class(module, param.layer)]
    cls = getattr(module, param.layer)
    if not callable(cls):
        return [no_class(module, param.layer)]
    if not inspect.isclass(cls):  # a function that returns the layer: nothing more to see from here
        return []
    return _class_problems(cls, asked) + _param_str_problems(cls, param.param_str)


def reshapes_late(param: Any) -> bool:
    """Return True if the class calls reshape in forward, or in a method that forward may call."""
    cls = getattr(importlib.import_module(param.module), param.layer)
    if not inspect.isclass(cls):  # a function that returns the layer: nothing more to see from here
        return True
    inherited = {id(method) for base in layer_bases() for method in vars(base).values()}
    others = [
        method
        for name, method in inspect.getmembers(cls, inspect.isfunction)
        if name not in ("setup", "reshape", "plan") and id(method) not in inherited
    ]
    return any("reshape" in method.__code__.co_names for method in others)


# --- module --------------------------------------------------------------------------------------


def name_problem(param: Any) -> str:
    """Say what is wrong with the names in a python_param, before anything is imported; "" where nothing is."""
    if not param.module or not param.layer:
        return "python_param needs a module and a layer (the class in that module)"
    if not param.module.isprintable() or not all(param.module.split(".")):
        return f"python_param's module {quoted(param.module)} is no name of a module, such as package.module"
    return ""


def missing_module(param: Any, error: BaseException, path: str | os.PathLike[str]) -> str:
    """Say how to do without, or find, a python_param's module whose import has raised this; "" for another error."""
    name = param.module
    if isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}."):
        same = python_layers.advice(param)
        return f"no module named {name!r}; {f'{same}; else ' if same else ''}{_where_to_find(name, Path(path))}"
    return ""


def _import_problem(name: str, error: BaseException) -> str:
    old = advice(error)
    return f"importing {name} fails with {type(error).__name__}: {error}{_place(error)}{f'; {old}' if old else ''}"


def _where_to_find(name: str, path: Path) -> str:
    if "/" in name or name.endswith(".py"):
        file = Path(name)
        return f"module takes a module's name, not a file: write {file.stem!r} and put its folder on PYTHONPATH"
    *packages, last = name.split(".")
    for folder in _folders(path):
        for parts in ((f"{last}.py",), (last, "__init__.py")):
            there = os.path.join(folder, *packages, *parts)
            if os.path.isfile(there):
                return f"{there} is there, so put {folder} on PYTHONPATH"
    package = ".".join(packages)
    if package in sys.modules:
        modules = pkgutil.iter_modules(getattr(sys.modules[package], "__path__", ()))
        close = close_names(last, (module.name for module in modules if not module.name.startswith("_")))
        if close:
            return f"did you mean {f'{package}.{close[0]}'!r}?"
    return "put the folder of its file on PYTHONPATH"


def _folders(path: Path) -> Iterator[str]:
    """Yield folders that may hold a module: that of the bare names; here, the prototxt's, those above, and in them."""
    yield str(Path(__file__).parents[1] / "bare")
    for folder in map(str, (Path.cwd(), *list(path.resolve().parents)[:3])):
        yield folder
        yield from sorted(glob.glob(os.path.join(glob.escape(folder), "*")))


def _place(error: BaseException) -> str:
    """Return the line of the module and that which raised the error, in brackets; a SyntaxError names its own."""
    if isinstance(error, SyntaxError):
        return ""
    frames = traceback.extract_tb(error.__traceback__)[1:]  # without this file's
    lines = [f"{frame.filename}:{frame.lineno}" for frame in frames if "importlib" not in frame.filename]
    return f" ({' ... '.join(dict.fromkeys([*lines[:1], *lines[-1:]]))})" if lines else ""


# --- class ---------------------------------------------------------------------------------------


def missing_class(module: Any, name: str) -> str:
    """Say that a module lacks a class, which layers it has, and which of them may be meant."""
    public = getattr(module, "__all__", vars(module))
    classes = {n: c for n, c in vars(module).items() if n in public and inspect.isclass(c)}
    layers = [n for n, c in classes.items() if issubclass(c, layer_bases()) and c not in layer_bases()]
    where = f"{module.__name__} ({getattr(module, '__file__', None)})"
    if not layers:
        return f"{where} has no {name!r}, and no other class derived from caffe.Layer"
    close = close_names(name, layers)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    return f"{where} has no {name!r}{hint}; its layers: {', '.join(sorted(layers))}"


def no_class(module: Any, name: str) -> str:
    """Say what a module has under a class's name, which cannot be called."""
    return f"{module.__name__}.{name} is no class but {short(getattr(module, name))}"


def _class_problems(cls: type, asked: str) -> list[str]:
    if "caffe" in sys.modules and not issubclass(cls, layer_bases()):
        return [f"class {cls.__name__} does not derive from caffe.Layer"]
    found = []
    for name, hint in missing_methods(cls).items():
        message = f"class {cls.__name__} has no method {name}"
        if name == "backward":
            if not asked:
                continue
            message += f", and Caffe calls it ({asked})"
        found.append(f"{message}; {hint}" if hint else message)
    return found


def _param_str_problems(cls: type, text: str) -> list[str]:
    if not issubclass(cls, Layer):
        return []
    try:
        parameter.read_parameters(parameter.declared(cls), text)
    except (TypeError, ValueError) as error:
        return [str(error)]
    return []
