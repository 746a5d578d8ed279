"""``/`` of integers, and floats as sizes, bounds and arguments of range."""

from __future__ import annotations

import ast
from typing import Iterator

from caffe_pylayers._compat.bridges.base import is_of_numpy
from caffe_pylayers._compat.bridges.language import is_division
from caffe_pylayers._compat.bridges.scalars import SECOND, SIZED, SIZED_METHODS
from caffe_pylayers._compat.rewrites.edits import Edits, walk
from caffe_pylayers._compat.rewrites.kinds import FLOATS, Kind, Kinds


def rewrite(tree: ast.Module, kinds: Kinds, edits: Edits) -> None:
    """Write ``//`` where both sides are integers by construction, and int() where an integer is wanted.

    int(a // b) is what Python 2 and the NumPy of its time made of a size a / b, of integers and of floats.
    """
    floored: set[int] = set()
    for node in walk(tree):
        if _is_of_integers(node, kinds):
            _floor(node, floored, edits)
    for node in walk(tree):
        for wanted in _wanted_integers(node, kinds):
            kind = kinds.of(wanted)
            divisions = list(_outer_divisions(wanted, kinds))
            if kind is Kind.FLOAT or (kind is Kind.QUOTIENT and (divisions or not _divides(wanted))):
                for division in divisions:
                    _floor(division, floored, edits)
                edits.wrap(wanted, "int(", ")")
                edits.mark(wanted, "int(...)")
                edits.names.add("sizes")


def may_round(tree: ast.Module) -> list[int]:
    """Return the lines with a ``/`` of which neither side is a float by construction."""
    kinds = Kinds(tree)
    return sorted({node.lineno for node in ast.walk(tree) if is_division(node) and not _is_of_floats(node, kinds)})  # type: ignore[attr-defined]


def _sides(node: ast.AST) -> tuple[ast.expr, ast.expr]:
    return (node.left, node.right) if isinstance(node, ast.BinOp) else (node.target, node.value)  # type: ignore[attr-defined]


def _is_of_integers(node: ast.AST, kinds: Kinds) -> bool:
    return is_division(node) and all(kinds.of(side) is Kind.INTEGER for side in _sides(node))


def _is_of_floats(node: ast.AST, kinds: Kinds) -> bool:
    return any(kinds.of(side) in FLOATS for side in _sides(node))


def _floor(node: ast.AST, floored: set[int], edits: Edits) -> None:
    if id(node) not in floored:
        floored.add(id(node))
        operator = "/" if isinstance(node, ast.BinOp) else "/="
        edits.operator(*_sides(node), operator, f"/{operator}")
        edits.mark(node, f"/{operator} for {operator}")
        edits.names.add("division")


def _wanted_integers(node: ast.AST, kinds: Kinds) -> Iterator[ast.expr]:
    """Yield the expressions within a node that must be integers: sizes, bounds, indices of arrays."""
    if isinstance(node, ast.Slice):
        yield from (bound for bound in (node.lower, node.upper, node.step) if bound is not None)
    elif isinstance(node, ast.Subscript):
        if kinds.of(node.value) in (Kind.BLOB, Kind.SHAPE, Kind.ARRAY):
            inner = getattr(node.slice, "value", node.slice) if type(node.slice).__name__ == "Index" else node.slice
            yield from _parts(inner)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if node.func.id == "range":
            yield from node.args
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        function = node.func
        if is_of_numpy(function.value):
            sizes = [keyword.value for keyword in node.keywords if keyword.arg in ("size", "shape")]
            place = int(function.attr in SECOND)
            sizes += node.args[place : place + 1] if function.attr in SIZED else []
        else:
            sizes = node.args if function.attr in SIZED_METHODS else []
        for size in sizes:
            yield from _parts(size)


def _parts(node: ast.expr) -> list[ast.expr]:
    return node.elts if isinstance(node, (ast.Tuple, ast.List)) else [node]


def _divides(node: ast.AST) -> bool:
    return any(map(is_division, ast.walk(node)))


def _outer_divisions(node: ast.AST, kinds: Kinds) -> Iterator[ast.AST]:
    """Return the divisions that a sum is made of; none if there are others, or what they divide may be a float."""
    if is_division(node):
        if not any(map(_divides, _sides(node))) and not _is_of_floats(node, kinds):
            yield node
    elif isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)):
        sides = [(side, list(_outer_divisions(side, kinds))) for side in (node.left, node.right)]
        if all(found or not _divides(side) for side, found in sides):
            yield from (division for _, found in sides for division in found)
