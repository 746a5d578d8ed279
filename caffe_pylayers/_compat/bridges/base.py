"""A transformer of a file's tree, and the names under which a file finds our functions."""

from __future__ import annotations

import ast
from typing import Any, Callable, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])

FUNCTIONS: dict[str, Any] = {}  # by the names that are put into each translated module
COMPUTED = (ast.Name, ast.Attribute, ast.Subscript, ast.BinOp, ast.Call, ast.IfExp, ast.Starred)


def provided(function: Function) -> Function:
    """Decorate a function that transformed trees call: it is given to each module that is translated."""
    FUNCTIONS[_name(function)] = function
    return function


def call(function: Callable[..., Any], place: ast.AST, *arguments: ast.expr) -> ast.expr:
    """Return the call of a provided function, at the place of a node."""
    return ast.copy_location(ast.Call(ast.Name(_name(function), ast.Load()), list(arguments), []), place)


def _name(function: Callable[..., Any]) -> str:
    return f"_caffe_pylayers_{function.__name__}"


class Bridge(ast.NodeTransformer):
    """A transformer that leaves annotations alone.

    bridged: names of what it has found, for the user.
    """

    def __init__(self) -> None:
        self.bridged: set[str] = set()

    def visit_arg(self, node: ast.arg) -> ast.AST:
        """Leave an argument's declaration, and its annotation, as it is."""
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        """Visit ``name: annotation = value`` but for the annotation."""
        node.target = self.visit(node.target)
        node.value = node.value and self.visit(node.value)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Visit a function but for the annotation of what it returns."""
        returns, node.returns = node.returns, None
        self.generic_visit(node)
        node.returns = returns
        return node

    visit_AsyncFunctionDef = visit_FunctionDef  # type: ignore[assignment]


def is_computed(node: ast.AST) -> bool:
    """Return True for an expression whose value the text does not show."""
    return isinstance(node, COMPUTED)


def is_of_numpy(node: ast.expr) -> bool:
    """Return True for a name that everybody gives to NumPy or its random module: np, numpy.random, npr."""
    if isinstance(node, ast.Attribute) and node.attr == "random":
        node = node.value
    return isinstance(node, ast.Name) and node.id in ("np", "numpy", "npr")
