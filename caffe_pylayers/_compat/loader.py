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
from typing import Any, Sequence

from caffe_pylayers._compat import scipy_misc, semantics
from caffe_pylayers._compat.age import is_python_2
from caffe_pylayers._compat.translate import translate


def install() -> None:
    """From here on translate what is imported from outside of Python's own and installed packages.

    Says on stderr, once for each file, what is bridged. google.protobuf has text_format without an import of it.
    """
    importlib.import_module("google.protobuf.text_format")
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def run_script(path: str) -> None:
    """Run a script as __main__, translated."""
    module = ModuleType("__main__")
    module.__file__ = path
    provide(module)
    sys.modules["__main__"] = module
    exec(code_of(path), module.__dict__)  # noqa: S102 - what running a script is


def provide(module: ModuleType) -> None:
    """Give a module the functions that its translation calls."""
    module.__dict__.update(semantics.FUNCTIONS)


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
    old: list[Any] = [semantics.Phase()]
    if is_python_2(text, path):
        old.append(semantics.Arithmetic(divides=bool(translation.divisions)))
    for transformer in old:
        tree = ast.fix_missing_locations(transformer.visit(tree))
        bridged += sorted(transformer.bridged)
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
        if hasattr(node, "lineno"):
            node.lineno = node.end_lineno = numbers[node.lineno]  # type: ignore[attr-defined]
            node.col_offset = node.end_col_offset = -1  # type: ignore[attr-defined] # unknown


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
        provide(module)
        super().exec_module(module)


def _installed(path: str) -> bool:
    """Whether a file is Python's own, an installed package's or this one's."""
    ours = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    folders = [ours, *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib"))]
    real = os.path.realpath(path)
    if any(real.startswith(os.path.realpath(folder) + os.sep) for folder in folders):
        return True
    return any(map(_holds_packages, Path(path).parents))


@functools.lru_cache(maxsize=None)
def _holds_packages(folder: Path) -> bool:
    """Whether it is where pip, or Debian, puts packages."""
    return folder.name in ("site-packages", "dist-packages") or any(folder.glob("*.dist-info"))
