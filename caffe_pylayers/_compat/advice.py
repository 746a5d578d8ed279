"""Recognise an error as one of Python 2 code that runs untranslated."""

from __future__ import annotations

import importlib.util
import re
import traceback
from typing import Iterator

from caffe_pylayers._compat.age import is_python_2
from caffe_pylayers._compat.loader import is_foreign, is_installed

WHAT_HELPS = "this is Python 2; --compat translates it, `caffe-pylayers modernize` rewrites it"

# What only Python 2 reads: statements, exceptions after a comma, backticks, <>, 0777, 1L, ur"".
OLD_SYNTAX = re.compile(
    r"""\b(?:print|exec)\b\s*[^\s(=.,:)\]}]|\b(?:except|raise)\b[^:(]*,|`|<>|\b0\d|\b\d+L\b|\bur['"]|\bdef\b.*\(.*\("""
)

KINDS = (SyntaxError, NameError, ImportError, AttributeError, TypeError)


def advice(error: BaseException) -> str:
    """Return ``FILE:LINE: what to do`` for an exception of Python 2 code, or one that it was raised for; "" for others.

    "" also where old code is translated, for then that it is old is no reason.
    """
    for cause in () if is_installed() else _causes(error):
        if isinstance(cause, KINDS):
            file, line = _place(cause)
            if file and is_old(file) and not (isinstance(cause, SyntaxError) and _is_mistake(cause)):
                return f"{file}:{line}: {WHAT_HELPS}"
    return ""


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _place(error: BaseException) -> tuple[str | None, int | None]:
    if isinstance(error, SyntaxError):
        return error.filename, error.lineno
    frames = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    own = [(file, line) for file, line in frames if not file.startswith("<") and is_foreign(file)]
    return own[-1] if own else (None, None)


def _is_mistake(error: SyntaxError) -> bool:
    """Return True for a line that Python 2 would not read either."""
    return not (isinstance(error, TabError) or OLD_SYNTAX.search(error.text or ""))


def is_old(file: str) -> bool:
    """Return True for a file of Python 2 code."""
    try:
        with open(file, "rb") as content:
            text = importlib.util.decode_source(content.read())
    except (OSError, SyntaxError, LookupError, UnicodeError):
        return False
    return is_python_2(text, file)
