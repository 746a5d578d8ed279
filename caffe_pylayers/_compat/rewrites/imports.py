"""``import x`` of an x that stands beside a file of a package: from the package, or else from the path as it was."""

from __future__ import annotations

import ast
import os

from caffe_pylayers._compat.age import futures, guarded_imports, is_beside
from caffe_pylayers._compat.bridges.language import relative
from caffe_pylayers._compat.rewrites.edits import Edits, walk


def rewrite(tree: ast.Module, path: str, edits: Edits) -> None:
    """Rewrite the imports of files beside this one, as the text does not show whether their folder is on the path.

    An import that shares its line with other statements stays as it is.
    """
    in_package = os.path.exists(os.path.join(os.path.dirname(path), "__init__.py"))
    if not in_package or "absolute_import" in futures(tree):
        return
    guarded = guarded_imports(tree)
    for node in walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)) and id(node) not in guarded:
            indentation = edits.indentation(node)
            lines = _lines(node, path)
            if lines and indentation is not None:
                edits.replace(node, (edits.newline + indentation).join(lines))
                edits.names.add("import")


def _lines(node: ast.Import | ast.ImportFrom, path: str) -> list[str]:
    """Return the new lines; none if nothing that is imported is beside the file."""
    if isinstance(node, ast.ImportFrom):
        if node.level or not is_beside(node.module or "", path):
            return []
        outer: list[ast.alias] = []
        inner: list[ast.Import | ast.ImportFrom] = [node]
        new = [ast.ImportFrom(node.module, node.names, 1)]
    else:
        beside = [alias for alias in node.names if is_beside(alias.name, path)]
        outer = [alias for alias in node.names if alias not in beside]
        inner = [ast.Import([alias]) for alias in beside]
        new = [statement for alias in beside for statement in relative(alias)]
    if not new:
        return []
    lines = [_text(ast.Import(outer))] if outer else []
    lines += ["try:", *(f"    {_text(statement)}" for statement in new)]
    return [*lines, "except ImportError:", *(f"    {_text(statement)}" for statement in inner)]


def _text(node: ast.Import | ast.ImportFrom) -> str:
    names = ", ".join(f"{alias.name} as {alias.asname}" if alias.asname else alias.name for alias in node.names)
    if isinstance(node, ast.Import):
        return f"import {names}"
    return f"from {'.' * (node.level or 0)}{node.module or ''} import {names}"
