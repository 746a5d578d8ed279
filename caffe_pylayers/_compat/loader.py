"""Old modules translated as they are imported, their files untouched."""

from __future__ import annotations

import ast
import difflib
import functools
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import re
import sys
import sysconfig
from pathlib import Path
from types import CodeType, ModuleType
from typing import Sequence

from caffe_pylayers import _engine
from caffe_pylayers._compat import bridges
from caffe_pylayers._compat.bridges import caffe_names, scipy_misc
from caffe_pylayers._compat.translate import TranslationError, translate


def install() -> None:
    """From here on translate what is imported from outside of Python's own and installed packages.

    Says on stderr, once for each file, what is bridged. google.protobuf has text_format without an import of it, and
    caffe what it had in the Python 2 days.
    """
    caffe_names.provide(_engine.caffe())
    importlib.import_module("google.protobuf.text_format")
    if not is_installed():
        sys.meta_path.insert(0, _Finder())


def is_installed() -> bool:
    """Return True once ``install`` was called."""
    return any(isinstance(finder, _Finder) for finder in sys.meta_path)


def run_script(path: str) -> None:
    """Run a script as __main__, translated."""
    module = ModuleType("__main__")
    module.__file__ = path
    provide(module)
    sys.modules["__main__"] = module
    exec(code_of(path), module.__dict__)  # noqa: S102 - what running a script is


def provide(module: ModuleType) -> None:
    """Give a module the functions that its translation calls."""
    module.__dict__.update(bridges.FUNCTIONS)


def code_of(path: str, package: str = "") -> CodeType:
    """Return the translated code of a file that is imported into a package, "" for none.

    Raises TranslationError for a file that is no Python, or no text.
    """
    with open(path, "rb") as file:
        content = file.read()
    try:
        text = importlib.util.decode_source(content)
    except (SyntaxError, LookupError, UnicodeError) as error:
        raise TranslationError(f"{path}: {error}") from error
    translation = translate(text, path)
    bridged = list(translation.bridged)
    try:
        tree = ast.parse(translation.text, path)
        if re.search(r"\bscipy\b.*\bmisc\b", text):
            scipy_misc.provide()
            bridged.append("scipy.misc")
        bridged += bridges.bridge(tree, path, package, translation.python_2)
        if translation.text != text:
            _number_as(tree, text, translation.text)
        code: CodeType = compile(tree, path, "exec", dont_inherit=True)
    except RecursionError as error:
        raise TranslationError(f"{path}: nested too deeply") from error
    if bridged:
        print(f"compat: {path}: {', '.join(bridged)}", file=sys.stderr)
    return code


def _number_as(tree: ast.AST, old: str, new: str) -> None:
    """Number the lines of a translation's tree as in the file, for tracebacks show that; columns are not kept."""
    numbers = {}
    matcher = difflib.SequenceMatcher(None, old.split("\n"), new.split("\n"), autojunk=False)
    for _, first, end, new_first, new_end in matcher.get_opcodes():
        for line in range(new_first, new_end):
            numbers[line + 1] = max(first, min(first + line - new_first, end - 1)) + 1
    for node in ast.walk(tree):
        if hasattr(node, "lineno"):
            node.lineno = node.end_lineno = numbers[node.lineno]  # type: ignore[attr-defined]
            node.col_offset = node.end_col_offset = -1  # type: ignore[attr-defined] # unknown


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        if spec is None or not spec.origin or not spec.origin.endswith(".py") or not is_foreign(spec.origin):
            return None
        spec.loader = _Loader(fullname, spec.origin)
        return spec


class _Loader(importlib.machinery.SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        package = fullname if self.is_package(fullname) else fullname.rpartition(".")[0]
        return code_of(self.path, package)

    def exec_module(self, module: ModuleType) -> None:
        provide(module)
        super().exec_module(module)


def is_foreign(path: str) -> bool:
    """Return True for a file that is neither Python's own, nor of an installed package, nor of this one."""
    ours = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    folders = [ours, *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib"))]
    real = os.path.realpath(path)
    if any(real.startswith(os.path.realpath(folder) + os.sep) for folder in folders):
        return False
    return not any(map(_holds_packages, Path(path).parents))


@functools.lru_cache(maxsize=None)
def _holds_packages(folder: Path) -> bool:
    """Return True for a folder where pip, or Debian, puts packages."""
    return folder.name in ("site-packages", "dist-packages") or any(folder.glob("*.dist-info"))
