"""Python 2's ``/``, round, floor and ceil, and its imports of what stands beside a file of a package."""

from __future__ import annotations

import ast
import copy
import math
from typing import Any

import numpy as np

from caffe_pylayers._compat.age import futures, is_beside
from caffe_pylayers._compat.bridges.base import Bridge, call, is_of_numpy, provided
from caffe_pylayers._compat.bridges.scalars import scalar


class Imports(Bridge):
    """``import x`` in a package, which took the x beside the file first."""

    def __init__(self, path: str, package: str) -> None:
        super().__init__()
        self._path, self._package = path, package

    def visit_Module(self, node: ast.Module) -> ast.AST:
        """Visit the file; one that says that its imports are absolute stays as it is."""
        if self._package and "absolute_import" not in futures(node):
            self.generic_visit(node)
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        """From x import y."""
        if not node.level and node.module and is_beside(node.module, self._path):
            node.level = 1
            self.bridged.add("import")
        return node

    def visit_Import(self, node: ast.Import) -> Any:
        """import x, x.y, x.y as z."""
        new: list[ast.stmt] = []
        for alias in node.names:
            if not is_beside(alias.name, self._path):
                new.append(ast.copy_location(ast.Import([alias]), node))
                continue
            self.bridged.add("import")
            new += [ast.copy_location(found, node) for found in relative(alias)]
        return new


def relative(alias: ast.alias) -> list[ast.ImportFrom]:
    """``import x.y as z`` as statements that import from the file's package; of x.y without a name they bind x."""
    holder, _, last = alias.name.rpartition(".")
    if alias.asname or not holder:
        return [ast.ImportFrom(holder or None, [ast.alias(last, alias.asname)], 1)]
    first = alias.name.partition(".")[0]
    loaded = ast.ImportFrom(holder, [ast.alias(last, f"_{last}")], 1)
    return [loaded, ast.ImportFrom(None, [ast.alias(first, None)], 1)]


class Language(Bridge):
    """Division, where a / b rounds down if both are integers, and the functions that gave floats."""

    def __init__(self) -> None:
        super().__init__()
        self._divides = True
        self._floats = {("math", "floor"): floor, ("math", "ceil"): ceil}
        self._names: dict[str, Any] = {"round": round_half_away}

    def visit_Module(self, node: ast.Module) -> ast.AST:
        """Visit the file; its round and floor may be another module's, and its / today's."""
        self._divides = "division" not in futures(node)
        for found in ast.walk(node):
            if isinstance(found, ast.ImportFrom) and found.module != "builtins":
                for alias in found.names:
                    name = alias.asname or alias.name
                    self._names.pop(name, None)
                    if (found.module, alias.name) in self._floats:
                        self._names[name] = self._floats["math", alias.name]
        self.generic_visit(node)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """round(x), math.floor(x), np.divide(a, b)."""
        self.generic_visit(node)
        function = node.func
        ours = None
        if isinstance(function, ast.Name):
            ours = self._names.get(function.id)
        elif isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
            ours = self._floats.get((function.value.id, function.attr))
            plain = function.attr == "divide" and len(node.args) == 2 and not node.keywords
            if plain and self._divides and is_of_numpy(function.value):
                ours = divide_arrays
        if ours is not None:
            self.bridged.add("division" if ours is divide_arrays else "round")
            node.func = call(ours, function).func  # type: ignore[attr-defined]
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        """a / b."""
        self.generic_visit(node)
        if not (self._divides and is_division(node)):
            return node
        self.bridged.add("division")
        return call(divide, node, node.left, node.right)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        """a /= b."""
        self.generic_visit(node)
        if not (self._divides and is_division(node)):
            return node
        self.bridged.add("division")
        if isinstance(node.target, ast.Subscript):  # evaluated once
            node.target.value = call(quotients, node.target.value, node.target.value)
            return node
        source: Any = copy.deepcopy(node.target)
        source.ctx = ast.Load()
        new = call(divide_in_place, node, source, node.value)
        return ast.copy_location(ast.Assign([node.target], new), node)


def is_division(node: ast.AST) -> bool:
    """Return True for ``a / b`` and ``a /= b``."""
    return isinstance(node, (ast.BinOp, ast.AugAssign)) and isinstance(node.op, ast.Div)


@provided
def divide(a: Any, b: Any) -> Any:
    """a / b as Python 2 has it."""
    return a // b if _is_integer(a) and _is_integer(b) else a / b


@provided
def divide_arrays(a: Any, b: Any) -> Any:
    """np.divide(a, b) as it was in Python 2."""
    return divide(np.asarray(a), np.asarray(b))


@provided
def divide_in_place(a: Any, b: Any) -> Any:
    """a /= b as Python 2 has it; returns the new a."""
    if _is_integer(a) and _is_integer(b):
        a //= b
    else:
        a /= b
    return a


@provided
def quotients(container: Any) -> Any:
    """Return the stand-in for a container in ``container[i] /= b``."""
    return _Quotients(container)


class _Quotients:
    def __init__(self, container: Any) -> None:
        self._container = container

    def __getitem__(self, key: Any) -> _Dividend:
        return _Dividend(self._container[key])

    def __setitem__(self, key: Any, value: Any) -> None:
        self._container[key] = value


class _Dividend:
    def __init__(self, value: Any) -> None:
        self._value = value

    def __itruediv__(self, divisor: Any) -> Any:
        return divide_in_place(self._value, divisor)


def _is_integer(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) or (isinstance(value, np.ndarray) and value.dtype.kind in "iub")


@provided
def round_half_away(number: Any, digits: int = 0) -> Any:
    """round(number) as Python 2 has it: a float, and halves go away from zero."""
    number = scalar(number)
    if digits:
        return float(round(number, digits))
    return float(math.copysign(math.floor(abs(number) + 0.5), number)) if math.isfinite(number) else float(number)


@provided
def floor(number: Any) -> float:
    """math.floor(number) as Python 2 has it: a float."""
    number = float(scalar(number))
    return float(math.floor(number)) if math.isfinite(number) else number


@provided
def ceil(number: Any) -> float:
    """math.ceil(number) as Python 2 has it: a float."""
    number = float(scalar(number))
    return float(math.ceil(number)) if math.isfinite(number) else number
