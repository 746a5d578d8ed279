"""Recognise an error as one of Python 2 code that runs untranslated."""

from __future__ import annotations

import importlib.util
import traceback
from typing import Iterator

from caffe_pylayers._compat.age import is_python_2
from caffe_pylayers._compat.loader import is_installed

KINDS = (SyntaxError, NameError, ImportError, AttributeError, TypeError)


def old_place(error: BaseException) -> str | None:
    """``FILE:LINE`` of the Python 2 code that an exception comes from, or one that it was raised for; else None."""
    for cause in _causes(error):
        if isinstance(cause, KINDS):
            file, line = _place(cause)
            if file and _is_old(file):
                return f"{file}:{line}"
    return None


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
    own = [(file, line) for file, line in frames if not file.startswith("<") and not is_installed(file)]
    return own[-1] if own else (None, None)


def _is_old(file: str) -> bool:
    try:
        with open(file, "rb") as content:
            text = importlib.util.decode_source(content.read())
    except (OSError, SyntaxError, LookupError, UnicodeError):
        return False
    return is_python_2(text, file)
