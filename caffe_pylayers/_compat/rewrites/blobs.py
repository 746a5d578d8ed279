"""Blobs: NumPy's numbers as sizes, which real Caffe refuses, and arrays of one element as numbers, which NumPy does."""

from __future__ import annotations

import ast
import re
from typing import Iterator

from caffe_pylayers._compat.rewrites.edits import Edits, walk
from caffe_pylayers._compat.rewrites.kinds import Kind, Kinds, is_blob

CONVERSION = re.compile(r"%(?:\(.*?\))?[#0\- +]*(?:\*|\d+)?(?:\.(?:\*|\d+))?[hlL]?[A-Za-z%]")  # of the operator %
AXES = 4  # that a blob has at most in old layers: so many indices leave a number


def rewrite(tree: ast.Module, kinds: Kinds, edits: Edits) -> None:
    """Rewrite the sizes of blobs, caffe.Blob, a blob's values as numbers, and the assignment to a top of one value."""
    for node in walk(tree):
        if isinstance(node, ast.Call):
            if not _rewrite_new_blob(node, edits):
                _rewrite_sizes(node, kinds, edits)
                _rewrite_conversion(node, kinds, edits)
        elif isinstance(node, ast.BinOp):
            _rewrite_format(node, kinds, edits)
        elif isinstance(node, ast.ClassDef):
            _rewrite_losses(node, edits)


def _rewrite_new_blob(node: ast.Call, edits: Edits) -> bool:
    """self.blobs.append(caffe.Blob(shape)), which forks had."""
    function = node.func
    if not (isinstance(function, ast.Attribute) and function.attr == "append" and len(node.args) == 1):
        return False
    made = node.args[0]
    if not (_is_attribute(function.value, "blobs") and isinstance(made, ast.Call) and _is_attribute(made.func, "Blob")):
        return False
    if len(made.args) != 1 or made.keywords or isinstance(made.args[0], ast.Starred):
        return False
    edits.cut(function.value, made.args[0], ".add_blob(*")
    edits.cut_end(made.args[0], node, ")")
    edits.mark(node, "add_blob for caffe.Blob")
    edits.names.add("blob")
    return True


def _rewrite_sizes(node: ast.Call, kinds: Kinds, edits: Edits) -> None:
    """top[0].reshape(np.prod(x), *array), whose numbers Boost does not take."""
    function = node.func
    if not isinstance(function, ast.Attribute):
        return
    of_blob = function.attr == "reshape" and is_blob(function.value)
    if not of_blob and not (function.attr == "add_blob" and _is_attribute(function.value, "blobs")):
        return
    for argument in node.args:
        if isinstance(argument, ast.Starred):
            if _holds_numbers(argument.value, kinds):
                edits.wrap(argument.value, "[int(n) for n in ", "]")
                edits.mark(argument, "int(...)")
                edits.names.add("sizes")
        elif kinds.of(argument) is Kind.NUMBER:
            edits.wrap(argument, "int(", ")")
            edits.mark(argument, "int(...)")
            edits.names.add("sizes")


def _holds_numbers(node: ast.AST, kinds: Kinds) -> bool:
    """Return True for an array, and for a tuple or list, or a sum of such, that has one of NumPy's numbers in it."""
    if isinstance(node, (ast.Tuple, ast.List)):
        return any(kinds.of(element) is Kind.NUMBER for element in node.elts)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _holds_numbers(node.left, kinds) or _holds_numbers(node.right, kinds)
    return kinds.of(node) in (Kind.ARRAY, Kind.NUMBER)


def _rewrite_conversion(node: ast.Call, kinds: Kinds, edits: Edits) -> None:
    """int(bottom[1].data[i]), an array of one element where labels have four axes; round() and math's functions too."""
    function = node.func
    named = function.id if isinstance(function, ast.Name) else ""
    of_math = (
        isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == "math"
    )
    if node.args and not node.keywords and (of_math or named in ("int", "float", "round")):
        _take_item(node.args[0], kinds, edits)


def _rewrite_format(node: ast.BinOp, kinds: Kinds, edits: Edits) -> None:
    """'%d %f' % (i, bottom[1].data[i]), where only a number will do."""
    text = node.left.value if isinstance(node.left, ast.Constant) else None
    if not (isinstance(node.op, ast.Mod) and isinstance(text, str)):
        return
    fields = [field for field in CONVERSION.findall(text) if field[-1] != "%"]
    values = node.right.elts if isinstance(node.right, ast.Tuple) else [node.right]
    if len(fields) == len(values) and not any("*" in field or "(" in field for field in fields):
        for field, value in zip(fields, values):
            if field[-1] in "diouxXeEfFgG":
                _take_item(value, kinds, edits)


def _take_item(given: ast.AST, kinds: Kinds, edits: Edits) -> None:
    """Write ``.item()`` behind a part of a blob's values, where only an array of one element can stand."""
    if isinstance(given, ast.Subscript) and kinds.of(given) is Kind.BLOB and not _is_full(given):
        edits.wrap(given, "", ".item()")
        edits.mark(given, ".item()")
        edits.names.add("numbers")


def _is_full(node: ast.Subscript) -> bool:
    inner = getattr(node.slice, "value", node.slice) if type(node.slice).__name__ == "Index" else node.slice
    return isinstance(inner, ast.Tuple) and len(inner.elts) >= AXES


def _rewrite_losses(holder: ast.ClassDef, edits: Edits) -> None:
    """top[0].data[0] = x of a top that has one value: [...] takes an array of one element, too."""
    single = _single_tops(holder)
    for node in walk(holder):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and not isinstance(node.value, ast.Constant):
            target = node.targets[0]
            if isinstance(target, ast.Subscript) and _integer(target) == 0 and _is_attribute(target.value, "data"):
                blob = target.value.value  # type: ignore[attr-defined]
                if _is_top(blob) and _integer(blob) in single:
                    edits.replace(target.slice, "...")
                    edits.mark(node, "[...] for [0]")
                    edits.names.add("numbers")


def _single_tops(holder: ast.ClassDef) -> set[int | None]:
    """Return the numbers of the tops that a class reshapes to (1) and to nothing else."""
    single: set[int | None] = set()
    others: set[int | None] = set()
    for node in _reshapes(holder):
        is_one = len(node.args) == 1 and isinstance(node.args[0], ast.Constant) and node.args[0].value == 1
        (single if is_one else others).add(_integer(node.func.value))  # type: ignore[attr-defined]
    return set() if None in others else single - others - {None}


def _reshapes(holder: ast.ClassDef) -> Iterator[ast.Call]:
    for node in ast.walk(holder):
        if isinstance(node, ast.Call) and _is_attribute(node.func, "reshape") and _is_top(node.func.value):  # type: ignore[attr-defined]
            yield node


def _is_top(node: ast.AST) -> bool:
    return isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "top"


def _integer(node: ast.Subscript) -> int | None:
    """Return a subscript's index if it is a plain integer."""
    inner = getattr(node.slice, "value", node.slice) if type(node.slice).__name__ == "Index" else node.slice
    value = inner.value if isinstance(inner, ast.Constant) else None
    return value if type(value) is int else None


def _is_attribute(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == name
