"""Old modules translated as they are imported, their files untouched."""

from __future__ import annotations

import ast
import copy
import difflib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import re
import sys
import sysconfig
from types import CodeType, ModuleType
from typing import Any, Sequence

import numpy as np

from caffe_pylayers._modern import scipy_misc
from caffe_pylayers._modern.phase import NamedPhase
from caffe_pylayers._modern.translate import is_division, is_python_2, translate

DIVIDE, DIVIDE_IN_PLACE, BOUND, INDEX = (
    f"_caffe_pylayers_{name}" for name in ("divide", "divide_in_place", "bound", "index")
)
SIZED = {"zeros", "ones", "empty", "full"}  # functions of NumPy whose first argument is a shape
COMPUTED = (ast.Name, ast.Attribute, ast.Subscript, ast.BinOp, ast.Call)


def install() -> None:
    """From here on translate what is imported from outside of Python's own and installed packages.

    Says on stderr, once for each file, what is bridged. The runtime, if it is loaded, tells Python layers their
    phase as older forks do.
    """
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    runtime: Any = sys.modules.get("caffe_pylayers.runtime.python_layer")
    if runtime is not None:
        runtime.phase_type = NamedPhase


def run_script(path: str) -> None:
    """Run a script as __main__, translated."""
    module = ModuleType("__main__")
    module.__file__ = path
    _provide(module)
    sys.modules["__main__"] = module
    exec(code_of(path), module.__dict__)  # noqa: S102 - what running a script is


def code_of(path: str) -> CodeType:
    """The translated code of a file. TranslationError for one that is no Python."""
    with open(path, "rb") as file:
        content = file.read()
    text = importlib.util.decode_source(content)
    translation = translate(text, path)
    bridged = list(translation.bridged)
    tree: Any = ast.parse(translation.text, path)
    if re.search(r"\bscipy\b.*\bmisc\b", text):
        scipy_misc.provide()
        bridged.append("scipy.misc")
    if is_python_2(text, path):
        old = _Arithmetic(divides=bool(translation.divisions))
        tree = ast.fix_missing_locations(old.visit(tree))
        bridged += sorted(old.bridged)
    if translation.text != text:
        _number_as(tree, text, translation.text)
    if bridged:
        print(f"compat: {path}: {', '.join(bridged)}", file=sys.stderr)
    code: CodeType = compile(tree, path, "exec", dont_inherit=True)
    return code


def _number_as(tree: ast.AST, old: str, new: str) -> None:
    """Number the lines of a translation's tree as in the file, for tracebacks show that; columns are not kept."""
    numbers = {}
    matcher = difflib.SequenceMatcher(None, old.split("\n"), new.split("\n"), autojunk=False)
    for _, first, end, new_first, new_end in matcher.get_opcodes():
        for line in range(new_first, new_end):
            numbers[line + 1] = max(first, min(first + line - new_first, end - 1)) + 1
    for node in ast.walk(tree):
        if isinstance(node, (ast.stmt, ast.expr, ast.excepthandler, ast.arg, ast.keyword, ast.alias)):
            node.lineno = node.end_lineno = numbers[node.lineno]
            node.col_offset = node.end_col_offset = -1  # unknown


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        if spec is None or not spec.origin or not spec.origin.endswith(".py") or _installed(spec.origin):
            return None
        spec.loader = _Loader(fullname, spec.origin)
        return spec


class _Loader(importlib.machinery.SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        return code_of(self.path)

    def exec_module(self, module: ModuleType) -> None:
        _provide(module)
        super().exec_module(module)


def _installed(path: str) -> bool:
    """Whether a file is Python's own, an installed package's or this one's."""
    ours = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    folders = [ours, *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))]
    real = os.path.realpath(path)
    return any(real.startswith(os.path.realpath(folder) + os.sep) for folder in folders)


class _Arithmetic(ast.NodeTransformer):
    """Python 2's division, where a / b rounds down if both are integers, and NumPy's bounds, indices and sizes.

    bridged: which of them there are.
    """

    def __init__(self, divides: bool) -> None:
        self._divides = divides
        self.bridged: set[str] = set()

    def visit_Slice(self, node: ast.Slice) -> ast.AST:
        self.generic_visit(node)
        for name in ("lower", "upper", "step"):
            bound = getattr(node, name)
            if isinstance(bound, COMPUTED):
                setattr(node, name, _call(BOUND, bound, bound))
                self.bridged.add("slices")
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        array, plain = copy.deepcopy(node.value), node.value  # read twice, so only what has no effects
        self.generic_visit(node)
        while isinstance(plain, ast.Attribute):
            plain = plain.value
        if isinstance(plain, ast.Name):
            parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            if any(isinstance(part, COMPUTED) for part in parts):
                self.bridged.add("indices")
            parts = [_call(INDEX, part, array, part) if isinstance(part, COMPUTED) else part for part in parts]
            if isinstance(node.slice, ast.Tuple):
                node.slice.elts = parts
            else:
                node.slice = parts[0]
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        function = node.func
        if not (isinstance(function, ast.Attribute) and _of_numpy(function.value)):
            return node
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
        self.generic_visit(node)
        if not (self._divides and is_division(node)):
            return node
        self.bridged.add("division")
        return _call(DIVIDE, node, node.left, node.right)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        self.generic_visit(node)
        if not (self._divides and is_division(node)):
            return node
        self.bridged.add("division")
        source: Any = copy.deepcopy(node.target)
        source.ctx = ast.Load()
        call = _call(DIVIDE_IN_PLACE, node, source, node.value)
        return ast.copy_location(ast.Assign([node.target], call), node)


def _is_float(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, float)


def _of_numpy(node: ast.expr) -> bool:
    """Whether a function is NumPy's by the names that everybody gives it: np, numpy.random, npr."""
    if isinstance(node, ast.Attribute) and node.attr == "random":
        node = node.value
    return isinstance(node, ast.Name) and node.id in ("np", "numpy", "npr")


def _call(name: str, node: ast.AST, *arguments: ast.expr) -> ast.expr:
    return ast.copy_location(ast.Call(ast.Name(name, ast.Load()), list(arguments), []), node)


def _provide(module: ModuleType) -> None:
    """Give a module the functions that its translation calls."""
    module.__dict__[DIVIDE] = divide
    module.__dict__[DIVIDE_IN_PLACE] = divide_in_place
    module.__dict__[BOUND] = bound
    module.__dict__[INDEX] = index


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
