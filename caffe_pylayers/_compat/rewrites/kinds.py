"""The kind of value that an expression has, as far as a file shows it by construction."""

from __future__ import annotations

import ast
import enum
import functools
from typing import Iterator, NamedTuple, Tuple, Union

SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
BLOBS = {"bottom", "top"}
SIZES = {"num", "channels", "height", "width", "count"}  # of a blob
INTEGRAL = {"len", "int", "ord"}
FLOATING = {"float", "round"}  # round in Python 2
KEEPING = {"copy", "reshape", "squeeze", "flatten", "ravel", "transpose", "sum", "mean", "max", "min", "dot"}
OF_MATH = {"sqrt", "exp", "log", "log10", "log2", "pow", "sin", "cos"}
OF_NUMPY_FLOAT = {
    "round",
    "rint",
    "around",
    "floor",
    "ceil",
    "sqrt",
    "exp",
    "log",
    "log2",
    "mean",
    "float32",
    "float64",
}
OF_NUMPY_NUMBER = {"argmax", "argmin", "prod", "max", "min", "amax", "amin", "sum", "int32", "int64", "int_"}
OF_NUMPY_ARRAY = {"array", "asarray", "concatenate", "hstack", "append", "arange", "int0", "cumsum"}
ROUNDS = 20  # more than the kinds that a name can go through


class Kind(enum.Enum):
    """INTEGER: Python's. NUMBER: NumPy's, or an array. FLOAT: a float, or an array of them. BLOB: a blob's values.

    QUOTIENT: ``a / b`` of anything, in Python 2 a float or an integer. SHAPE: a tuple of integers. ARRAY: an array.
    """

    INTEGER = "integer"
    NUMBER = "number"
    FLOAT = "float"
    BLOB = "blob"
    QUOTIENT = "quotient"
    SHAPE = "shape"
    ARRAY = "array"
    UNKNOWN = "unknown"


FLOATS = {Kind.FLOAT, Kind.BLOB}
Place = Tuple[int, str]  # a function's, class's or file's node, by its id, and a name in it


class Element(NamedTuple):
    """An item of an expression, as a loop or a tuple of names takes it out."""

    of: ast.expr


class Changed(NamedTuple):
    """The value of a name after ``name += value``."""

    place: Place
    operator: ast.operator
    value: ast.expr


Bound = Union[ast.expr, Element, Changed, Kind]


class Kinds:
    """The kinds of a file's expressions: a name's by all that is bound to it, self.x's by its class."""

    def __init__(self, tree: ast.Module) -> None:
        self._outer: dict[int, ast.AST] = {}  # the scope around each scope
        self._scopes: dict[int, ast.AST] = {}  # the scope that each name is in
        self._classes: dict[int, ast.ClassDef] = {}  # the class that each self.x is in
        self._bound: dict[Place, list[Bound]] = {}
        self._kinds: dict[Place, Kind | None] = {}
        self._enter(tree, tree, None)
        for _ in range(ROUNDS):
            before = dict(self._kinds)
            for place, bound in self._bound.items():
                self._kinds[place] = functools.reduce(_joined, map(self._of_bound, bound), self._kinds.get(place))
            if self._kinds == before:
                return
        self._kinds = dict.fromkeys(self._kinds, Kind.UNKNOWN)

    def of(self, node: ast.AST) -> Kind:
        """Return the kind of an expression; UNKNOWN unless the file shows it."""
        return self._of(node) or Kind.UNKNOWN

    # --- what is bound where ---------------------------------------------------------------------

    def _enter(self, node: ast.AST, scope: ast.AST, holder: ast.ClassDef | None) -> None:
        if isinstance(node, ast.Name):
            self._scopes[id(node)] = scope
        if isinstance(node, ast.Attribute) and holder is not None:
            self._classes[id(node)] = holder
        self._bind_statement(node, scope, holder)
        if isinstance(node, SCOPES):
            self._outer[id(node)] = scope
            scope = node
        if isinstance(node, ast.ClassDef):
            holder = node
        for child in ast.iter_child_nodes(node):
            self._enter(child, scope, holder)

    def _bind_statement(self, node: ast.AST, scope: ast.AST, holder: ast.ClassDef | None) -> None:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                self._bind(target, node.value, scope, holder)
        elif isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
            self._bind_element(node.target, node.iter, scope, holder)
        elif isinstance(node, ast.AugAssign):
            for place in self._places(node.target, scope, holder):
                self._bound.setdefault(place, []).append(Changed(place, node.op, node.value))
        elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)):
            self._bind(node.target, node.value or Kind.UNKNOWN, scope, holder)
        elif isinstance(node, ast.withitem) and node.optional_vars is not None:
            self._bind(node.optional_vars, Kind.UNKNOWN, scope, holder)
        else:
            for name in _named(node):
                self._bound.setdefault((id(scope), name), []).append(Kind.UNKNOWN)
            if isinstance(node, (ast.Global, ast.Nonlocal)):  # bound here, read elsewhere
                everywhere = [place for place in self._outer.values() if not isinstance(place, ast.ClassDef)]
                for outer in [*everywhere, scope]:
                    for name in node.names:
                        self._bound.setdefault((id(outer), name), []).append(Kind.UNKNOWN)

    def _bind(self, target: ast.expr, value: Bound, scope: ast.AST, holder: ast.ClassDef | None) -> None:
        if isinstance(target, (ast.Tuple, ast.List)):
            pairs: list[tuple[ast.expr, Bound]]
            if isinstance(value, ast.Tuple) and len(value.elts) == len(target.elts):
                pairs = list(zip(target.elts, value.elts))
            else:
                taken = Element(value) if isinstance(value, ast.expr) else Kind.UNKNOWN
                pairs = [(inner, taken) for inner in target.elts]
            for inner, found in pairs:
                self._bind(inner, found, scope, holder)
        for place in self._places(target, scope, holder):
            self._bound.setdefault(place, []).append(value)

    def _bind_element(self, target: ast.expr, source: ast.expr, scope: ast.AST, holder: ast.ClassDef | None) -> None:
        if isinstance(target, ast.Tuple):
            counts = (
                isinstance(source, ast.Call) and isinstance(source.func, ast.Name) and source.func.id == "enumerate"
            )
            for number, inner in enumerate(target.elts):
                self._bind(inner, Kind.INTEGER if counts and not number else Kind.UNKNOWN, scope, holder)
        else:
            self._bind(target, Element(source), scope, holder)

    @staticmethod
    def _places(target: ast.AST, scope: ast.AST, holder: ast.ClassDef | None) -> list[Place]:
        if isinstance(target, ast.Starred):
            target = target.value
        if isinstance(target, ast.Name):
            return [(id(scope), target.id)]
        of_self = holder is not None and isinstance(target, ast.Attribute) and _is_of_self(target)
        return [(id(holder), target.attr)] if of_self else []  # type: ignore[attr-defined]

    def _of_bound(self, bound: Bound) -> Kind | None:
        if isinstance(bound, Kind):
            return bound
        if isinstance(bound, Changed):
            return _of_operation(self._kinds.get(bound.place), bound.operator, self._of(bound.value))
        return self._of_element(bound.of) if isinstance(bound, Element) else self._of(bound)

    def _of_element(self, source: ast.expr) -> Kind | None:
        if _called(source) in ("range", "xrange"):
            return Kind.INTEGER
        kind = self._of(source)
        return {Kind.SHAPE: Kind.INTEGER, Kind.BLOB: Kind.BLOB, None: None}.get(kind, Kind.UNKNOWN)

    # --- expressions -----------------------------------------------------------------------------

    def _of(self, node: ast.AST) -> Kind | None:
        """Return the kind of an expression, None while that of a name in it is not known yet."""
        function = {
            ast.Constant: self._of_constant,
            ast.BinOp: self._of_binop,
            ast.UnaryOp: self._of_unary,
            ast.IfExp: self._of_ifexp,
            ast.Tuple: self._of_tuple,
            ast.Name: self._of_name,
            ast.Attribute: self._of_attribute,
            ast.Subscript: self._of_subscript,
            ast.Call: self._of_call,
        }.get(type(node))
        return Kind.UNKNOWN if function is None else function(node)  # type: ignore[operator]

    def _of_constant(self, node: ast.Constant) -> Kind | None:
        return {int: Kind.INTEGER, float: Kind.FLOAT}.get(type(node.value), Kind.UNKNOWN)

    def _of_binop(self, node: ast.BinOp) -> Kind | None:
        return _of_operation(self._of(node.left), node.op, self._of(node.right))

    def _of_unary(self, node: ast.UnaryOp) -> Kind | None:
        return self._of(node.operand) if isinstance(node.op, (ast.USub, ast.UAdd)) else Kind.UNKNOWN

    def _of_ifexp(self, node: ast.IfExp) -> Kind | None:
        return _joined(self._of(node.body), self._of(node.orelse))

    def _of_tuple(self, node: ast.Tuple) -> Kind | None:
        return Kind.SHAPE if all(self._of(part) is Kind.INTEGER for part in node.elts) else Kind.UNKNOWN

    def _of_name(self, node: ast.Name) -> Kind | None:
        scope: ast.AST | None = self._scopes.get(id(node))
        while scope is not None:
            if (id(scope), node.id) in self._bound:
                return self._kinds.get((id(scope), node.id))
            scope = self._outer.get(id(scope))
        return Kind.UNKNOWN

    def _of_attribute(self, node: ast.Attribute) -> Kind | None:
        if _is_of_self(node):
            place = id(self._classes.get(id(node))), node.attr
            return self._kinds.get(place) if place in self._bound else Kind.UNKNOWN
        if node.attr == "shape":
            return Kind.SHAPE
        if is_blob(node.value):
            return Kind.BLOB if node.attr in ("data", "diff") else Kind.INTEGER if node.attr in SIZES else Kind.UNKNOWN
        return Kind.INTEGER if node.attr == "ndim" else Kind.UNKNOWN

    def _of_subscript(self, node: ast.Subscript) -> Kind | None:
        kind = self._of(node.value)
        if kind is Kind.SHAPE:
            return Kind.SHAPE if isinstance(node.slice, ast.Slice) else Kind.INTEGER
        return kind if kind in (Kind.BLOB, None) else Kind.UNKNOWN

    def _of_call(self, node: ast.Call) -> Kind | None:
        function = node.func
        if isinstance(function, ast.Name):
            return self._of_function(function.id, node)
        if not isinstance(function, ast.Attribute):
            return Kind.UNKNOWN
        module = function.value.id if isinstance(function.value, ast.Name) else ""
        if module == "math":
            return Kind.FLOAT if function.attr in OF_MATH else Kind.UNKNOWN
        if module in ("np", "numpy"):
            return self._of_numpy(function.attr, node)
        kind = self._of(function.value) if function.attr in KEEPING else Kind.UNKNOWN
        return kind if kind in (*FLOATS, None) else Kind.UNKNOWN

    def _of_function(self, name: str, node: ast.Call) -> Kind | None:
        if name in INTEGRAL:
            return Kind.INTEGER
        if (name in ("min", "max") and len(node.args) > 1) or (name == "abs" and node.args):
            return functools.reduce(_joined, map(self._of, node.args))
        return Kind.FLOAT if name in FLOATING else Kind.UNKNOWN

    def _of_numpy(self, name: str, node: ast.Call) -> Kind | None:
        if name in OF_NUMPY_FLOAT:
            return Kind.FLOAT
        if name in OF_NUMPY_NUMBER:
            floats = name in ("sum", "max", "min") and node.args and self.of(node.args[0]) in FLOATS
            return Kind.FLOAT if floats else Kind.NUMBER
        return Kind.ARRAY if name in OF_NUMPY_ARRAY else Kind.UNKNOWN


def is_blob(node: ast.AST) -> bool:
    """Return True for bottom[0], top[i] and self.blobs[0]."""
    if not isinstance(node, ast.Subscript):
        return False
    holder = node.value
    if isinstance(holder, ast.Name):
        return holder.id in BLOBS
    return isinstance(holder, ast.Attribute) and holder.attr == "blobs"


def _called(node: ast.AST) -> str:
    """Return the name of the function that a node calls, "" if it calls none by a name."""
    return node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""


def _is_of_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"


def _named(node: ast.AST) -> Iterator[str]:
    """Yield the names that a node binds to something that is no number."""
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        yield from ((alias.asname or alias.name).partition(".")[0] for alias in node.names)
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield node.name
    elif isinstance(node, ast.ExceptHandler):
        yield node.name or ""
    elif isinstance(node, ast.arg):
        yield node.arg


def _joined(a: Kind | None, b: Kind | None) -> Kind | None:
    """Return the kind of an expression that has one kind or the other."""
    if a is b or b is None:
        return a
    if a is None:
        return b
    kinds = {a, b}
    if kinds == FLOATS:
        return Kind.FLOAT
    if kinds == {Kind.INTEGER, Kind.NUMBER}:
        return Kind.NUMBER
    return Kind.QUOTIENT if kinds <= {Kind.INTEGER, Kind.FLOAT, Kind.QUOTIENT} else Kind.UNKNOWN


def _of_operation(left: Kind | None, operator: ast.operator, right: Kind | None) -> Kind | None:
    """Return the kind of ``left operator right``."""
    if left is None or right is None:
        return None
    kinds = {left, right}
    integers = {Kind.INTEGER, Kind.NUMBER, Kind.ARRAY}
    kind = Kind.UNKNOWN
    if kinds == {Kind.SHAPE} and isinstance(operator, ast.Add):
        kind = Kind.SHAPE
    elif Kind.SHAPE in kinds or (left is Kind.UNKNOWN and isinstance(operator, ast.Mod)):  # a text's
        kind = Kind.UNKNOWN
    elif kinds & FLOATS:
        kind = Kind.FLOAT
    elif kinds == {Kind.INTEGER} and not isinstance(operator, (ast.Pow, ast.MatMult)):
        kind = Kind.INTEGER
    elif isinstance(operator, ast.Div):
        kind = Kind.QUOTIENT
    elif kinds <= integers:
        kind = Kind.ARRAY if Kind.ARRAY in kinds else Kind.NUMBER
    elif kinds == {Kind.INTEGER, Kind.QUOTIENT} and isinstance(operator, (ast.Add, ast.Sub)):
        kind = Kind.QUOTIENT
    return kind
