"""Bridges of old meanings that depend on values: a file's syntax tree is made to call functions of ours.

Each bridge is a transformer of the tree and, beside it, the functions that the new tree calls. They do what the
expression does, and go back to what Python 2, NumPy or a fork of its time made of it only where today's refuse it or
give something else.
"""

from __future__ import annotations

import ast

from caffe_pylayers._compat.bridges.base import FUNCTIONS, Bridge
from caffe_pylayers._compat.bridges.comparisons import Comparisons
from caffe_pylayers._compat.bridges.items import Items
from caffe_pylayers._compat.bridges.language import Imports, Language
from caffe_pylayers._compat.bridges.phase import Phase
from caffe_pylayers._compat.bridges.scalars import Scalars

__all__ = ["FUNCTIONS", "bridge"]


def bridge(tree: ast.Module, path: str, package: str, old: bool) -> list[str]:
    """Transform a file's tree in place; returns the names of what is bridged.

    package: the package that the file is imported into, "" for none.
    old: True if it is Python 2.
    """
    bridges: list[Bridge] = [Phase()]
    if old:
        bridges += [Imports(path, package), Language()]
    if old or _imports_caffe(tree):
        bridges += [Scalars(), Comparisons(), Items()]
    bridged: list[str] = []
    for transformer in bridges:
        ast.fix_missing_locations(transformer.visit(tree))
        bridged += sorted(transformer.bridged)
    return bridged


def _imports_caffe(tree: ast.Module) -> bool:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        else:
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        if any(module.partition(".")[0] == "caffe" for module in modules):
            return True
    return False
