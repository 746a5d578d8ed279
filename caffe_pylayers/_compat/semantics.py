"""What Python 2, NumPy and forks of its time did otherwise with the same words: for the loader, on the syntax tree.

Division, rounding, NumPy's comparisons, bounds, indices and sizes, and a layer's phase.
"""

from __future__ import annotations

import ast
import copy
import enum
import math
import sys
from typing import Any

import numpy as np

DIVIDE, DIVIDE_IN_PLACE, ROUND, EQUAL, BOUND, INDEX, PHASE = (
    f"_caffe_pylayers_{name}" for name in ("divide", "divide_in_place", "round", "equal", "bound", "index", "phase")
)
SIZED = {"zeros", "ones", "empty", "full"}  # functions of NumPy whose first argument is a shape
COMPUTED = (ast.Name, ast.Attribute, ast.Subscript, ast.BinOp, ast.Call)


def is_division(node: ast.AST) -> bool:
    """Whether it is an ``a / b`` or ``a /= b``."""
    return isinstance(node, (ast.BinOp, ast.AugAssign)) and isinstance(node.op, ast.Div)


class Phase(ast.NodeTransformer):
    """A layer's self.phase as older forks give it.

    bridged: {"phase"} if there is one.
    """

    def __init__(self) -> None:
        self.bridged: set[str] = set()

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """self.phase where it is read."""
        self.generic_visit(node)
        is_self = isinstance(node.value, ast.Name) and node.value.id == "self"
        if not (is_self and node.attr == "phase" and isinstance(node.ctx, ast.Load)):
            return node
        self.bridged.add("phase")
        return _call(PHASE, node, node)


class Arithmetic(ast.NodeTransformer):
    """Python 2's division, where a / b rounds down if both are integers, its round, and NumPy's bounds and sizes.

    bridged: which of them there are.
    """

    def __init__(self, divides: bool) -> None:
        self._divides = divides
        self._rounds = True
        self.bridged: set[str] = set()

    def visit_Module(self, node: ast.Module) -> ast.AST:
        """The whole file, whose round may be another module's."""
        imports = [
            found for found in ast.walk(node) if isinstance(found, ast.ImportFrom) and found.module != "builtins"
        ]
        self._rounds = not any(alias.name == "round" for found in imports for alias in found.names)
        self.generic_visit(node)
        return node

    def visit_Slice(self, node: ast.Slice) -> ast.AST:
        """x[a:b]."""
        self.generic_visit(node)
        for name in ("lower", "upper", "step"):
            bound = getattr(node, name)
            if isinstance(bound, COMPUTED):
                setattr(node, name, _call(BOUND, bound, bound))
                self.bridged.add("slices")
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        """x[i], of an x that is read twice, so only of one that has no effects."""
        array, plain = copy.deepcopy(node.value), node.value
        self.generic_visit(node)
        while isinstance(plain, ast.Attribute):
            plain = plain.value
        if isinstance(plain, ast.Name):
            holder, field = _place_of_index(node)
            inner = getattr(holder, field)
            if isinstance(inner, ast.Tuple):
                inner.elts = [self._index(array, part) for part in inner.elts]
            else:
                setattr(holder, field, self._index(array, inner))
        return node

    def _index(self, array: ast.expr, part: ast.expr) -> ast.expr:
        if not isinstance(part, COMPUTED):
            return part
        self.bridged.add("indices")
        return _call(INDEX, part, array, part)

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        """x == [] of an x that may be an array."""
        self.generic_visit(node)
        other = node.comparators[0]
        if not (isinstance(node.ops[0], ast.Eq) and isinstance(other, ast.List) and not other.elts):
            return node
        self.bridged.add("comparisons")
        return _call(EQUAL, node, node.left, other)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """round(x), np.zeros(shape), npr.choice(x, size=n)."""
        self.generic_visit(node)
        function = node.func
        if self._rounds and isinstance(function, ast.Name) and function.id == "round":
            self.bridged.add("round")
            function.id = ROUND
        if isinstance(function, ast.Attribute) and _of_numpy(function.value):
            for keyword in node.keywords:
                if keyword.arg in ("size", "shape"):
                    keyword.value = self._size(keyword.value)
            if function.attr in SIZED and node.args:
                node.args[0] = self._size(node.args[0])
        return node

    def _size(self, node: ast.expr) -> ast.expr:
        parts = node.elts if isinstance(node, (ast.Tuple, ast.List)) else [node]
        if not any(isinstance(part, COMPUTED) or _is_float(part) for part in parts):
            return node
        self.bridged.add("sizes")
        return _call(BOUND, node, node)

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        """a / b."""
        self.generic_visit(node)
        if not (self._divides and is_division(node)):
            return node
        self.bridged.add("division")
        return _call(DIVIDE, node, node.left, node.right)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        """a /= b."""
        self.generic_visit(node)
        if not (self._divides and is_division(node)):
            return node
        self.bridged.add("division")
        source: Any = copy.deepcopy(node.target)
        source.ctx = ast.Load()
        call = _call(DIVIDE_IN_PLACE, node, source, node.value)
        return ast.copy_location(ast.Assign([node.target], call), node)


def _place_of_index(node: ast.Subscript) -> tuple[Any, str]:
    """The node and the field that hold what is between the brackets: until Python 3.8 within an ast.Index."""
    inner = node.slice
    if sys.version_info < (3, 9) and isinstance(inner, ast.Index):
        return inner, "value"
    return node, "slice"


def _is_float(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, float)


def _of_numpy(node: ast.expr) -> bool:
    """Whether a function is NumPy's by the names that everybody gives it: np, numpy.random, npr."""
    if isinstance(node, ast.Attribute) and node.attr == "random":
        node = node.value
    return isinstance(node, ast.Name) and node.id in ("np", "numpy", "npr")


def _call(name: str, node: ast.AST, *arguments: ast.expr) -> ast.expr:
    return ast.copy_location(ast.Call(ast.Name(name, ast.Load()), list(arguments), []), node)


def divide(a: Any, b: Any) -> Any:
    """a / b as Python 2 has it."""
    return a // b if _integer(a) and _integer(b) else a / b


def divide_in_place(a: Any, b: Any) -> Any:
    """a /= b as Python 2 has it; gives the new a."""
    if _integer(a) and _integer(b):
        a //= b
    else:
        a /= b
    return a


def round_half_away(number: Any, digits: int = 0) -> Any:
    """round(number) as Python 2 has it: a float, and halves go away from zero."""
    if digits:
        return float(round(number, digits))
    return float(math.copysign(math.floor(abs(number) + 0.5), number)) if math.isfinite(number) else float(number)


def equal(a: Any, b: Any) -> Any:
    """a == b, which for arrays of shapes that do not fit was False before NumPy 1.25."""
    try:
        return a == b
    except (ValueError, DeprecationWarning):
        return False


def bound(value: Any) -> Any:
    """What x[:value] or zeros(value) takes: a float, also in a shape, is cut off, as NumPy had it before 1.12."""
    if isinstance(value, (tuple, list)):
        return type(value)(map(bound, value)) if type(value) in (tuple, list) else value
    return int(value) if isinstance(value, (float, np.floating)) else value


def index(container: Any, value: Any) -> Any:
    """What container[value] takes: an array's index that is a float is cut off, a dictionary's key is not."""
    return bound(value) if isinstance(container, np.ndarray) and not isinstance(value, (tuple, list)) else value


def _integer(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) or (isinstance(value, np.ndarray) and value.dtype.kind in "iub")


class NamedPhase(enum.IntEnum):
    """Equal to caffe.TRAIN or caffe.TEST, and says its name, for code such as cfg[str(self.phase)]."""

    TRAIN = 0
    TEST = 1

    def __str__(self) -> str:
        return self.name


def phase(value: Any) -> Any:
    """A layer's phase, with a name."""
    return NamedPhase(value) if type(value) is int and value in (0, 1) else value


FUNCTIONS = {
    DIVIDE: divide,
    DIVIDE_IN_PLACE: divide_in_place,
    ROUND: round_half_away,
    EQUAL: equal,
    BOUND: bound,
    INDEX: index,
    PHASE: phase,
}
