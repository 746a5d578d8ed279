"""``a == b`` of arrays as NumPy had it: one False where shapes do not fit, or where the other is None or a text."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np

from caffe_pylayers._compat.bridges.base import Bridge, call, provided


class Comparisons(Bridge):
    """a == b and a != b, but for those with a number, which are as they were."""

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        """Call ``equal`` or ``unequal`` in the place of a comparison."""
        self.generic_visit(node)
        functions = {ast.Eq: equal, ast.NotEq: unequal}
        function = functions.get(type(node.ops[0])) if len(node.ops) == 1 else None
        sides = [node.left, node.comparators[0]]
        if function is None or any(_is_plain(side) for side in sides):
            return node
        self.bridged.add("comparisons")
        return call(function, node, *sides)


def _is_plain(node: ast.expr) -> bool:
    """Return True for a number, and for __name__."""
    if isinstance(node, ast.UnaryOp):
        node = node.operand
    if isinstance(node, ast.Constant):
        return isinstance(node.value, (int, float, complex))
    return isinstance(node, ast.Name) and node.id.startswith("__")


@provided
def equal(a: Any, b: Any) -> Any:
    """a == b: False before NumPy 1.25 for shapes that do not fit, and before 1.13 for an array and None."""
    if not (isinstance(a, np.ndarray) or isinstance(b, np.ndarray)):
        return a == b
    if _is_alien(a, b) or _is_alien(b, a):
        return np.False_
    try:
        return a == b
    except (ValueError, DeprecationWarning):
        return False


@provided
def unequal(a: Any, b: Any) -> Any:
    """a != b: True where ``equal`` is False."""
    if not (isinstance(a, np.ndarray) or isinstance(b, np.ndarray)):
        return a != b
    if _is_alien(a, b) or _is_alien(b, a):
        return np.True_
    try:
        return a != b
    except (ValueError, DeprecationWarning):
        return True


def _is_alien(array: Any, other: Any) -> bool:
    """Return True for None or a text beside an array of numbers."""
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biufc":
        return False
    return other is None or isinstance(other, (str, bytes))
