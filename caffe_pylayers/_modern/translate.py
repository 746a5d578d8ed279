"""A file written for Python 2, or for libraries of its time, in today's Python.

fissix, the kept fork of lib2to3, has the fixes of the language; those of libraries are in fixes/. Comments and layout
stay. What ``/`` means for integers, only the loader can keep: here the lines are named that have one.
"""

from __future__ import annotations

import ast
import functools
import importlib.machinery
import os
import sys
from dataclasses import dataclass
from typing import Any

LANGUAGE = [
    *("basestring", "dict", "except", "exec", "execfile", "filter", "getcwdu", "has_key", "import", "imports"),
    *("imports2", "input", "intern", "itertools", "itertools_imports", "long", "map", "metaclass", "ne", "next"),
    *("nonzero", "numliterals", "paren", "print", "raise", "raw_input", "reduce", "reload", "renames", "repr"),
    *("standarderror", "sys_exc", "throw", "tuple_params", "types", "unicode", "urllib", "xrange", "xreadlines"),
    "zip",
]
FILES = ["pickle_load"]  # what Python 2 has written
LIBRARIES = ["collections_abc", "numpy_names", "param_str", "time_clock", "yaml_load"]

# Names by which a file that today's Python can parse is told to be of Python 2 all the same.
PYTHON_2_NAMES = {"xrange", "unicode", "basestring", "raw_input", "iteritems", "itervalues", "iterkeys", "has_key"}
PYTHON_2_NAMES |= {"izip", "imap", "ifilter", "maxint", "getcwdu"}
PYTHON_2_NAMES |= {"param_str_"}  # of the forks that knew no other Python
PYTHON_2_MODULES = {"cPickle", "ConfigParser", "Queue", "StringIO", "cStringIO", "urllib2", "__builtin__"}


class TranslationError(ValueError):
    """A file is neither Python 2 nor Python 3; the message names it and the line."""


@dataclass(frozen=True)
class Translation:
    """A file's text in today's Python.

    bridged: what has been changed, by fissix's names for it: print, yaml_load, ...
    divisions: the lines with a ``/`` that in Python 2 rounds down where both sides are integers.
    """

    text: str
    bridged: list[str]
    divisions: list[int]


def translate(text: str, name: str) -> Translation:
    """Translate a file's text; of Python 3 only its libraries are mended. TranslationError for what is no Python."""
    old = is_python_2(text, name)
    whole = text if text.endswith("\n") else text + "\n"  # which the parser wants
    tool = _tool(old)
    tool.bridged.clear()
    try:
        tree = tool.refactor_string(whole, name)
        new = str(tree) if tree is not None else whole
        parsed = ast.parse(new, name)
    except Exception as error:  # of fissix's tokenizer and parser, which have no common base, or a SyntaxError
        if not old:  # syntax younger than fissix: nothing there is old
            return Translation(text, [], [])
        raise TranslationError(f"{name}: neither Python 2 nor Python 3: {error}") from error
    lines = {getattr(node, "lineno", 0) for node in ast.walk(parsed) if is_division(node)}
    divisions = sorted(lines) if old and "division" not in _futures(parsed) else []
    if not text.endswith("\n"):
        new = new[:-1]
    return Translation(new, sorted(tool.bridged), divisions)


def is_python_2(text: str, name: str) -> bool:
    """Whether a file is Python 2: today's Python cannot parse it, or it uses names that only Python 2 has.

    Or it imports a file beside it, in a package, as if it were on the path.
    """
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return True
    for node in ast.walk(tree):
        if not PYTHON_2_NAMES.isdisjoint(_names(node)) or (isinstance(node, ast.Subscript) and _lists(node.value)):
            return True
        if any(module in PYTHON_2_MODULES or _beside(module, name) for module in _imported(node)):
            return True
    return False


def _names(node: ast.AST) -> list[str]:
    """The names that a name, an attribute or an import has."""
    if isinstance(node, ast.ImportFrom):
        return [alias.name for alias in node.names]
    return [getattr(node, field) for field in ("id", "attr") if isinstance(getattr(node, field, None), str)]


def _lists(node: ast.AST) -> bool:
    """Whether it is a call of zip, map or filter, which gave lists."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("zip", "map", "filter")


def _imported(node: ast.AST) -> list[str]:
    """The modules that a statement imports, not relatively."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []


def _beside(module: str, name: str) -> bool:
    """Whether a module is found only beside a file of a package, where Python 3 does not look."""
    folder, first = os.path.dirname(name), module.partition(".")[0]
    if os.path.basename(name) == f"{first}.py":  # no file means itself
        return False
    if not os.path.exists(os.path.join(folder, "__init__.py")) or first in sys.modules:
        return False
    beside = [os.path.join(folder, first + ".py"), os.path.join(folder, first, "__init__.py")]
    return any(map(os.path.exists, beside)) and importlib.machinery.PathFinder.find_spec(first) is None


def is_division(node: ast.AST) -> bool:
    """Whether it is an ``a / b`` or ``a /= b``."""
    return isinstance(node, (ast.BinOp, ast.AugAssign)) and isinstance(node.op, ast.Div)


def _futures(tree: ast.AST) -> set[str]:
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    return {alias.name for node in imports for alias in node.names}


@functools.lru_cache(maxsize=2)
def _tool(language: bool) -> Any:
    """A refactoring tool that notes in ``bridged`` the fixes that changed something."""
    from fissix import refactor

    names = [f"caffe_pylayers._modern.fixes.fix_{name}" for name in LIBRARIES]
    if language:
        names += [f"fissix.fixes.fix_{name}" for name in LANGUAGE]
        names += [f"caffe_pylayers._modern.fixes.fix_{name}" for name in FILES]

    class Tool(refactor.RefactoringTool):  # type: ignore[misc, name-defined, unused-ignore]
        def __init__(self, *arguments: Any) -> None:
            self.bridged: set[str] = set()
            super().__init__(*arguments)

        def get_fixers(self) -> Any:
            orders = super().get_fixers()
            for fixer in {id(fixer): fixer for order in orders for fixer in order}.values():
                fixer.transform = self._noting(fixer.transform, type(fixer).__module__.rpartition(".fix_")[2])
            return orders

        def _noting(self, transform: Any, name: str) -> Any:
            def noting(node: Any, results: Any) -> Any:
                root = node
                while root.parent is not None:
                    root = root.parent
                before, root.was_changed = root.was_changed, False
                new = transform(node, results)
                if root.was_changed or new is not None:
                    self.bridged.add(name)
                root.was_changed = root.was_changed or before
                return new

            return noting

        def log_message(self, message: str, *arguments: Any) -> None:
            """Nothing: what matters is in ``bridged``."""

        def log_debug(self, message: str, *arguments: Any) -> None:
            """Nothing."""

    return Tool(names, {} if language else {"print_function": True})
