"""The fixes of a file's text: fissix's, the kept fork of lib2to3, of the language, and ours in fixes/ of libraries."""

from __future__ import annotations

import functools
from typing import Any

LANGUAGE = [
    *("apply", "basestring", "dict", "except", "exec", "execfile", "filter", "funcattrs", "getcwdu", "has_key"),
    *("imports", "imports2", "input", "intern", "itertools", "itertools_imports", "long", "map"),
    *("metaclass", "methodattrs", "ne", "next", "nonzero", "numliterals", "operator", "paren", "raise"),
    *("raw_input", "reduce", "reload", "renames", "repr", "standarderror", "sys_exc", "throw", "tuple_params"),
    *("types", "unicode", "urllib", "xrange", "xreadlines", "zip"),
]
LANGUAGE_TOO = ["cmp", "codecs", "file", "print", "string"]  # what fissix leaves, or overdoes
FILES = ["pickle", "temporary_file"]  # what Python 2 has written
LIBRARIES = [
    "collections_abc",
    "genfromtxt",
    "image_names",
    "numpy_names",
    "numpy_star",
    "old_names",
    "param_str",
    "yaml_load",
]


def fixed(text: str, name: str, old: bool) -> tuple[str, set[str]]:
    """Return the text after all fixes, and the names of those that changed it; old: True for those of Python 2, too.

    Raises what fissix's tokenizer and parser raise, which have no common base.
    """
    try:
        return _tool(old, not old).fixed(text, name)  # type: ignore[no-any-return]
    except Exception as error:
        if not old:
            raise
        statement = error
    try:
        return _tool(old, True).fixed(text, name)  # type: ignore[no-any-return] # where print is a function already
    except Exception as error:  # whichever of the two parsers came further knows the mistake
        raise max(statement, error, key=lambda found: mistake(found)[0]) from None


def mistake(error: Exception) -> tuple[int, str]:
    """Return the line, 0 if it is unknown, and the reason of an exception of fissix's tokenizer or parser."""
    if hasattr(error, "context"):  # a ParseError: the blanks before a token, and its line and column
        _, (line, _) = error.context
        return line, f"unexpected {error.value!r}"  # type: ignore[attr-defined]
    if len(error.args) > 1:  # a TokenError
        reason, (line, _) = error.args
        return line, reason
    return 0, " ".join(str(error).split())


@functools.lru_cache(maxsize=None)
def _tool(language: bool, print_function: bool) -> Any:
    from fissix import refactor

    names = [f"caffe_pylayers._compat.fixes.fix_{name}" for name in LIBRARIES]
    if language:
        names += [f"fissix.fixes.fix_{name}" for name in LANGUAGE]
        names += [f"caffe_pylayers._compat.fixes.fix_{name}" for name in LANGUAGE_TOO + FILES]

    class Tool(refactor.RefactoringTool):  # type: ignore[misc, name-defined, unused-ignore]
        """fissix's tool, which notes the fixes that change something."""

        def fixed(self, text: str, name: str) -> tuple[str, set[str]]:
            self.bridged: set[str] = set()
            tree = self.refactor_string(text, name)
            return (text if tree is None else str(tree)), self.bridged

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
                # A fix may change the tree in place: the root is marked then.
                before, root.was_changed = getattr(root, "was_changed", False), False
                new = transform(node, results)
                if root.was_changed or new is not None:
                    self.bridged.add(name)
                root.was_changed = root.was_changed or before
                return new

            return noting

        def log_message(self, message: str, *arguments: Any) -> None:
            """Log nothing: ``bridged`` has all that matters."""

        def log_debug(self, message: str, *arguments: Any) -> None:
            """Log nothing."""

    return Tool(names, {"print_function": True} if print_function else {})
