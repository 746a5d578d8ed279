"""``x[i]`` and ``x[i] = y`` as NumPy had them, whatever x is.

An index or bound may be a float, which is cut off, or an array of one element; a mask may be of another size than the
array; a list that holds slices or lists is a tuple; an array of one element is a number where one is stored; and an
integer too great for the array's type is stored modulo its size.
"""

from __future__ import annotations

import ast
from typing import Any

import numpy as np

from caffe_pylayers._compat.bridges.base import Bridge, call, is_computed, provided
from caffe_pylayers._compat.bridges.scalars import bound, is_one_element, numbers_of

REFUSED = (TypeError, ValueError, IndexError, OverflowError, DeprecationWarning)


class Items(Bridge):
    """x[i] of a computed index, and everything that is stored but constants."""

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        """Put item(x, i) for x[i] that is read, items(x) for an x that has slices, or is stored to."""
        self.generic_visit(node)
        if isinstance(node.ctx, ast.Del) or _is_key(node.slice):
            return node
        if isinstance(node.ctx, ast.Load) and not _may_be_old(node.slice):
            return node
        self.bridged.add("indices")
        if isinstance(node.ctx, ast.Load) and not any(isinstance(part, ast.Slice) for part in ast.walk(node.slice)):
            return call(item, node, node.value, _inner(node.slice))
        node.value = call(items, node.value, node.value)
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        """x[0] = 1 stays."""
        targets = node.targets
        plain = isinstance(node.value, ast.Constant) and all(
            isinstance(target, ast.Subscript) and not _may_be_old(target.slice) for target in targets
        )
        if not plain:
            self.generic_visit(node)
            return node
        for target in targets:
            target.value = self.visit(target.value)  # type: ignore[attr-defined]
        return node


def _may_be_old(index: ast.AST) -> bool:
    """Return True for an index that is not integers and slices of integers alone."""
    return any(
        is_computed(node)
        or isinstance(node, (ast.List, ast.Compare))
        or (isinstance(node, ast.Constant) and isinstance(node.value, float))
        for node in ast.walk(index)
    )


def _is_key(index: ast.AST) -> bool:
    """Return True for a text: a dictionary's key, or a field's name."""
    index = _inner(index)
    return isinstance(index, ast.Constant) and isinstance(index.value, str)


def _inner(index: Any) -> Any:
    """Return the expression between the brackets, which until Python 3.8 an ast.Index held."""
    return index.value if type(index).__name__ == "Index" else index


@provided
def item(container: Any, key: Any) -> Any:
    """container[key]."""
    if type(key) is list:
        key = _as_tuple(container, key)
    try:
        return container[key]
    except REFUSED:
        old = key if isinstance(container, dict) else _old_key(container, key)
        if old is key:
            raise
    return container[old]


@provided
def items(container: Any) -> Any:
    """Return the stand-in for a container: a dictionary itself, a Container of anything else."""
    return container if isinstance(container, dict) else Container(container)


class Container:
    """The items of an array, a list or anything else that is no dictionary."""

    __slots__ = ("_inner",)

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getitem__(self, key: Any) -> Any:
        return item(self._inner, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        inner = self._inner
        if type(key) is list:
            key = _as_tuple(inner, key)
        try:
            inner[key] = value
            return
        except REFUSED:
            old, number = _old_key(inner, key), _old_value(inner, value)
            if old is key and number is value:
                raise
        inner[old] = number


def _as_tuple(container: Any, key: Any) -> Any:
    """Return a list of indices for an array, which until NumPy 1.23 was a tuple if it held slices or sequences."""
    parts = (list, tuple, slice, np.ndarray, type(None), type(...))
    if isinstance(container, np.ndarray) and len(key) <= 32 and any(isinstance(part, parts) for part in key):
        return tuple(key)
    return key


def _old_key(container: Any, key: Any) -> Any:
    """Return the key that a refused one stood for; the same object if for none."""
    if isinstance(key, slice):
        bounds = key.start, key.stop, key.step
        old = tuple(map(bound, bounds))
        return key if all(a is b for a, b in zip(bounds, old)) else slice(*old)
    if isinstance(container, np.ndarray):
        return _old_key_of_array(container, key)
    if isinstance(key, np.integer):  # of Boost's vectors
        return int(key)
    return int(key.item()) if is_one_element(key) and key.dtype.kind in "iu" else key


def _old_key_of_array(array: Any, key: Any) -> Any:
    if isinstance(key, tuple):
        parts = [_old_key(array, part) for part in key]
        if all(a is b for a, b in zip(key, parts)):
            return key
        return tuple(part for whole in parts for part in (whole if isinstance(whole, tuple) else (whole,)))
    if isinstance(key, np.ndarray) and key.ndim:
        if key.dtype.kind == "b":
            return key.nonzero()
        return key.astype(np.intp) if key.dtype.kind == "f" else key
    return bound(key)


def _old_value(container: Any, value: Any) -> Any:
    """Return the value that was stored for a refused one; the same object if none was."""
    if not isinstance(container, np.ndarray) or container.dtype.kind not in "biufc":
        return value
    if is_one_element(value):
        return value.reshape(())
    if isinstance(value, (list, tuple)):
        value = numbers_of(value)
    integers = isinstance(value, (int, list, tuple)) and container.dtype.kind in "iu"
    return np.asarray(value).astype(container.dtype) if integers else value
