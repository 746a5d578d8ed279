"""Arrays of one element as numbers, and sizes that are floats or NumPy's integers.

int(x), float(x), math.sqrt(x), "%d" % x and range(x) took any array of one element until NumPy 2.4; Boost, in real
Caffe, takes no number of NumPy's for a size, but did when their integers were Python's.
"""

from __future__ import annotations

import ast
import functools
import math
import re
from typing import Any, Callable

import numpy as np

from caffe_pylayers._compat.bridges.base import Bridge, call, is_computed, is_of_numpy, provided

CONVERSIONS = {"int", "float", "complex"}
SEVERAL = {"fsum", "prod", "dist", "sumprod"}  # functions of math that take sequences
SIZED = {"zeros", "ones", "empty", "full", "eye", "identity", "tile", "reshape"}  # functions of NumPy
SIZED_METHODS = {"reshape", "add_blob"}
SECOND = {"tile", "reshape"}  # whose size is the second argument
MADE = {"array", "asarray"}
FIELDS = re.compile(r"%(?:\((?P<key>[^)]*)\))?[-+ #0]*(?P<width>\*|\d+)?(?:\.(?P<digits>\*|\d+))?[hlL]?(?P<kind>.)")
NUMERIC = frozenset("diouxXeEfFgGc")


class Scalars(Bridge):
    """Calls and formats that take numbers."""

    def __init__(self) -> None:
        super().__init__()
        self._of_math: set[str] = set()

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        """From math import sqrt."""
        if node.module == "math" and not node.level:
            self._of_math |= {alias.asname or alias.name for alias in node.names if alias.name not in SEVERAL}
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        """text % x."""
        self.generic_visit(node)
        text = node.left.value if isinstance(node.left, ast.Constant) else ""
        if not isinstance(node.op, ast.Mod) or not isinstance(text, str) or isinstance(node.right, ast.Constant):
            return node
        if text:  # what is no text, too, may turn out to be one
            self.bridged.add("numbers")
        return call(formatted, node, node.left, node.right)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """int(x), math.sqrt(x), range(x), np.zeros(shape), top.reshape(*shape)."""
        self.generic_visit(node)
        function, arguments = node.func, node.args
        if isinstance(function, ast.Name):
            self._name(function, node)
        elif (
            isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == "math"
        ):
            if function.attr not in SEVERAL:
                node.args = self._each(scalar, arguments)
        elif isinstance(function, ast.Attribute) and is_of_numpy(function.value):
            self._of_numpy(function, node)
        elif isinstance(function, ast.Attribute) and function.attr in SIZED_METHODS:
            node.args = [self._size(argument) for argument in arguments]
        return node

    def _name(self, function: ast.Name, node: ast.Call) -> None:
        arguments = node.args
        if function.id in CONVERSIONS and len(arguments) == 1 and not node.keywords and is_computed(arguments[0]):
            if not isinstance(arguments[0], ast.Starred):
                self._instead(number, node)
        elif function.id == "map" and arguments and isinstance(arguments[0], ast.Name):
            if arguments[0].id in CONVERSIONS:
                arguments[0] = call(numbers_as, node, arguments[0])
                self.bridged.add("numbers")
        elif function.id == "range":
            node.args = self._each(counted, arguments)
        elif function.id in self._of_math:
            node.args = self._each(scalar, arguments)

    def _of_numpy(self, function: ast.Attribute, node: ast.Call) -> None:
        for keyword in node.keywords:
            if keyword.arg in ("size", "shape", "newshape", "reps"):
                keyword.value = self._size(keyword.value)
        place = int(function.attr in SECOND)
        if function.attr in SIZED and len(node.args) > place:
            node.args[place] = self._size(node.args[place])
        elif function.attr in MADE and node.args and not isinstance(node.args[0], (ast.Constant, ast.Starred)):
            self._instead(made, node)

    def _instead(self, ours: Callable[..., Any], node: ast.Call) -> None:
        """Call ours with the function and its arguments."""
        self.bridged.add("arrays" if ours is made else "numbers")
        node.args = [node.func, *node.args]
        node.func = call(ours, node).func  # type: ignore[attr-defined]

    def _each(self, ours: Callable[..., Any], arguments: list[ast.expr]) -> list[ast.expr]:
        computed = [is_computed(argument) and not isinstance(argument, ast.Starred) for argument in arguments]
        if any(computed):
            self.bridged.add("numbers")
        return [call(ours, arg, arg) if is_call else arg for arg, is_call in zip(arguments, computed)]

    def _size(self, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.Starred):
            self.bridged.add("sizes")
            node.value = call(sizes, node, node.value)
            return node
        parts = node.elts if isinstance(node, (ast.Tuple, ast.List)) else [node]
        if not any(is_computed(part) or _is_float(part) for part in parts):
            return node
        self.bridged.add("sizes")
        return call(size, node, node)


def _is_float(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, float)


def is_one_element(value: Any) -> bool:
    """Return True for an array of one element with axes, which NumPy took for a number until 2.4."""
    return isinstance(value, np.ndarray) and value.ndim > 0 and value.size == 1


@provided
def scalar(value: Any) -> Any:
    """Return the element of an array of one; anything else as it is."""
    return value.item() if is_one_element(value) else value


@provided
def number(kind: Callable[[Any], Any], value: Any) -> Any:
    """kind(value), where kind is int, float or complex."""
    try:
        return kind(value)
    except (TypeError, DeprecationWarning):
        if not is_one_element(value):
            raise
    return kind(value.item())


@provided
def numbers_as(kind: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return ``number`` with its kind given."""
    return functools.partial(number, kind)


@provided
def counted(value: Any) -> Any:
    """Return an argument of range: the integer of an array of one element, or of a float without a fraction."""
    value = scalar(value)
    whole = isinstance(value, (float, np.floating)) and math.isfinite(value) and value == int(value)
    return int(value) if whole else value


@provided
def bound(value: Any) -> Any:
    """Return a bound: of a float, or an array of one element, the integer part, as NumPy had it before 1.12."""
    value = scalar(value)
    return int(value) if isinstance(value, (float, np.floating)) else value


@provided
def size(value: Any) -> Any:
    """Return a size, or a shape, in integers of Python."""
    if type(value) in (tuple, list):
        return type(value)(map(size, value))
    value = bound(value)
    if isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind in "iuf":
        return tuple(map(int, value))
    return int(value) if isinstance(value, np.integer) else value


@provided
def sizes(values: Any) -> list[Any]:
    """Return the sizes for ``blob.reshape(*values)``."""
    return [size(value) for value in values]


@provided
def made(function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    """np.array(...) as it was before NumPy 2.

    Lists of several lengths were objects, arrays of one element in a list numbers, integers too great for their type
    taken modulo its size, and copy=False allowed a copy.
    """
    if keywords.get("copy", True) is False and np.lib.NumpyVersion(np.__version__) >= "2.0.0":
        keywords["copy"] = None
    try:
        return function(*arguments, **keywords)
    except (ValueError, TypeError, OverflowError, Warning):
        if not isinstance(arguments[0], (list, tuple)):
            raise
        kind = arguments[1] if len(arguments) > 1 else keywords.get("dtype")
        old = _old_array(arguments[0], kind)
        if old is None:
            raise
    return old


def _old_array(values: Any, kind: Any) -> Any:
    """Return the array that NumPy once made of values that it refuses now; None for those that it always refused."""
    plain = numbers_of(values)
    if kind is None:
        objects = np.empty(len(values), object)
        objects[:] = values
        return objects
    if plain is not values:
        return np.array(plain, kind)
    integers = np.array(values)
    return integers.astype(kind) if integers.dtype.kind in "iu" else None


def numbers_of(values: Any) -> Any:
    """Return a list whose arrays of one element are numbers; the list itself if they are all arrays, or none is."""
    arrays = [is_one_element(value) for value in values]
    if not any(arrays) or all(arrays):
        return values
    return [value.item() if is_array else value for value, is_array in zip(values, arrays)]


@provided
def formatted(text: Any, values: Any) -> Any:
    """text % values, where an array of one element is a number for %d, %f and their kin."""
    if not isinstance(text, str):
        return text % values
    try:
        return text % values
    except (TypeError, DeprecationWarning):
        old = _old_values(text, values)
        if old is values:
            raise
    return text % old


def _old_values(text: str, values: Any) -> Any:
    """Return the values with numbers for arrays of one element where the text asks for numbers."""
    fields = [field for field in FIELDS.finditer(text) if field["kind"] != "%"]
    if isinstance(values, dict):
        names = {field["key"] for field in fields if field["kind"] in NUMERIC}
        old = {key: scalar(value) if key in names else value for key, value in values.items()}
        return old if any(old[key] is not value for key, value in values.items()) else values
    given = values if isinstance(values, tuple) else (values,)
    kinds = "".join("d" * [field["width"], field["digits"]].count("*") + field["kind"] for field in fields)
    new = tuple(scalar(value) if kind in NUMERIC else value for kind, value in zip(kinds, given)) + given[len(kinds) :]
    return new if any(a is not b for a, b in zip(new, given)) else values
