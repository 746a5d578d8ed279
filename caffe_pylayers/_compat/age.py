"""Tell Python 2 from Python 3: today's Python cannot parse the file, or it uses what only Python 2 has.

A file that could be either is what the files beside it are: a layer of two lines and the script that prints.
"""

from __future__ import annotations

import ast
import functools
import importlib.machinery
import os
import re
import sys

# Attributes, wherever they are, and built-in names, where the file does not bind them.
ATTRIBUTES = {"iteritems", "itervalues", "iterkeys", "has_key", "izip", "imap", "ifilter", "maxint", "getcwdu"}
ATTRIBUTES |= {"func_name", "func_code", "im_self", "im_func", "__nonzero__", "__metaclass__"}
ATTRIBUTES |= {"param_str_"}  # of the forks that knew no other Python
BUILTINS = {
    "xrange",
    "unicode",
    "basestring",
    "raw_input",
    "long",
    "unichr",
    "file",
    "cmp",
    "reduce",
    "reload",
    "apply",
}
BUILTINS |= {"execfile", "intern", "buffer", "coerce", "StandardError", "izip", "imap", "ifilter", "__metaclass__"}
METHODS = {"__nonzero__", "__div__", "__getslice__"}
MODULES = {"cPickle", "ConfigParser", "Queue", "StringIO", "cStringIO", "urllib2", "urlparse", "__builtin__"}
MODULES |= {"commands", "httplib", "cookielib", "HTMLParser", "SocketServer", "Tkinter", "copy_reg", "exceptions"}
# Functions that have left a module.
GONE = {"string": {"join", "split", "replace", "lower", "upper", "strip", "atoi", "atof", "letters", "maketrans"}}
GONE["urllib"] = {"urlopen", "urlencode", "urlretrieve", "quote", "unquote"}
MARK = "# modernize: "  # before what `modernize` says of a line
NEW = (ast.JoinedStr, ast.AnnAssign, ast.AsyncFunctionDef, ast.Nonlocal, ast.MatMult, ast.YieldFrom)
BRIDGES = {"six", "future", "builtins", "past"}
LISTS = {"zip", "map", "filter"}  # functions that gave lists, and so did
VIEWS = {"keys", "values", "items"}  # these methods


def is_python_2(text: str, name: str) -> bool:
    """Return True if a file's text is Python 2; name: its path, as the files beside it may decide."""
    own = _age(text, name)
    if own is None and os.path.isfile(name):
        return _any_old(os.path.dirname(os.path.abspath(name)))
    return bool(own)


@functools.lru_cache(maxsize=None)
def _any_old(folder: str) -> bool:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.name.endswith(".py") and entry.is_file():
            with open(entry.path, encoding="latin1") as file:
                if _age(file.read(), entry.path):
                    return True
    return False


def _age(text: str, name: str) -> bool | None:
    """Return True for Python 2, False for what is meant for Python 3, alone or too, None for what could be either."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return True
    except (ValueError, RecursionError, MemoryError):  # a null byte, or nested too deeply
        return False
    if MARK in text:
        return False
    guarded = guarded_imports(tree)
    nodes = [node for node in ast.walk(tree) if id(node) not in guarded]
    modules = {module for node in nodes for module in _imported(node)}
    if not BRIDGES.isdisjoint(module.partition(".")[0] for module in modules):
        return False
    bound = _bound(nodes)
    old = re.match(r"#!.*\bpython2", text) is not None
    old = old or any(module in MODULES or _is_only_beside(module, name) for module in modules)
    if old or any(_is_old(node, bound, modules) for node in nodes):
        return True
    return False if any(map(_is_new, nodes)) else None


def _is_old(node: ast.AST, bound: set[str], modules: set[str]) -> bool:
    if isinstance(node, ast.Name):
        return node.id in BUILTINS and node.id not in bound
    if isinstance(node, ast.Attribute):
        module = node.value.id if isinstance(node.value, ast.Name) else ""
        return node.attr in ATTRIBUTES or (node.attr in GONE.get(module, ()) and module in modules)
    if isinstance(node, ast.FunctionDef):
        return node.name in METHODS
    if isinstance(node, ast.Subscript):
        return _is_list(node.value)
    if isinstance(node, ast.ImportFrom) and not node.level:
        gone = ATTRIBUTES.union(GONE.get(node.module or "", ()))
        return any(alias.name in gone for alias in node.names)
    return False


def _is_new(node: ast.AST) -> bool:
    """Return True for what Python 2 would not take, and for what is there so that Python 2 works as Python 3."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        printed = node.func.id == "print" and (bool(node.keywords) or len(node.args) != 1)  # a tuple, in Python 2
        return printed or (node.func.id == "super" and not node.args)
    if isinstance(node, ast.arguments):
        return bool(node.kwonlyargs or any(argument.annotation for argument in node.args))
    if isinstance(node, ast.ImportFrom):
        return node.module == "__future__"
    if isinstance(node, (ast.FunctionDef, ast.Raise)):
        return getattr(node, "returns", getattr(node, "cause", None)) is not None
    return isinstance(node, NEW)


def _bound(nodes: list[ast.AST]) -> set[str]:
    """Return the names that a file gives a meaning."""
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
    return found - {"__metaclass__"}


def _is_list(node: ast.AST) -> bool:
    """Return True for a call that gave a list, and has no indices now: zip(...)[0], d.keys()[0]."""
    if not isinstance(node, ast.Call):
        return False
    function = node.func
    if isinstance(function, ast.Attribute):
        return function.attr in VIEWS and not node.args and not node.keywords
    return isinstance(function, ast.Name) and function.id in LISTS


def _imported(node: ast.AST) -> list[str]:
    """Return the modules that a statement imports, not relatively."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []


def is_beside(module: str, path: str) -> bool:
    """Return True if a module's first name is a file, or a package, in the folder of a file; no file means itself."""
    folder, first = os.path.dirname(os.path.abspath(path)), module.partition(".")[0]
    if os.path.basename(path) == f"{first}.py":
        return False
    spec = importlib.machinery.PathFinder.find_spec(first, [folder])
    return spec is not None and spec.origin is not None


def futures(tree: ast.AST) -> set[str]:
    """Return the names that a file imports from __future__."""
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    return {alias.name for node in imports for alias in node.names}


def guarded_imports(tree: ast.AST) -> set[int]:
    """Return the ids of the imports that stand in for one from the package that has failed."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Try) and any(isinstance(child, ast.ImportFrom) and child.level for child in node.body):
            found |= {id(inner) for handler in node.handlers for inner in ast.walk(handler)}
    return found


def _is_only_beside(module: str, name: str) -> bool:
    """Return True if a module is found only beside a file of a package, where Python 3 does not look."""
    first = module.partition(".")[0]
    if not os.path.exists(os.path.join(os.path.dirname(name), "__init__.py")) or first in sys.modules:
        return False
    return is_beside(module, name) and importlib.machinery.PathFinder.find_spec(first) is None
