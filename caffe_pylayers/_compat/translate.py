"""A file written for Python 2, or for libraries of its time, in today's Python.

Comments and layout stay. What ``/`` means for integers, only the loader can keep: here the lines are named that have
one.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from caffe_pylayers._compat import tool
from caffe_pylayers._compat.age import futures, is_python_2
from caffe_pylayers._compat.bridges.language import is_division
from caffe_pylayers._compat.layout import without_tabs
from caffe_pylayers._compat.rewrites import rewrite
from caffe_pylayers._compat.rewrites.quotients import may_round


class TranslationError(ValueError):
    """A file is neither Python 2 nor Python 3; the message names it and the line."""


@dataclass(frozen=True)
class Translation:
    """A file's text in today's Python.

    bridged: what has been changed, by fissix's names for it: print, yaml_load, ...
    divisions: the lines with a ``/`` that in Python 2 rounds down where both sides are integers.
    python_2: True if the file was Python 2.
    """

    text: str
    bridged: list[str]
    divisions: list[int]
    python_2: bool


def translate(text: str, name: str, for_good: bool = False) -> Translation:
    """Translate a file's text; of Python 3 only its libraries are mended.

    for_good: rewrite, too, what the loader bridges by its value and the text shows; divisions are the others'.
    Raises TranslationError for what is no Python, or too deep for it.
    """
    if "\0" in text:
        raise TranslationError(f"{name}: a null byte, so this is no Python")
    old = is_python_2(text, name)
    whole = text if text.endswith("\n") else text + "\n"  # which the parser wants
    try:
        new, bridged = tool.fixed(whole, name, old)
        new = _one_indentation(new, bridged)
        new = re.sub(r"\A(#!.*\bpython)2[\d.]*", r"\g<1>3", new)
        parsed = ast.parse(new, name)
        divides = old and "division" not in futures(parsed)
        if for_good:
            new, rewritten = rewrite(new, name, old, divides)
            bridged.update(rewritten)
            parsed = ast.parse(new, name)
    except (RecursionError, MemoryError) as error:
        raise TranslationError(f"{name}: nested too deeply") from error
    except Exception as error:  # of fissix's tokenizer and parser, which have no common base, or a SyntaxError
        if not old:  # syntax younger than fissix: nothing there is old
            return Translation(text, [], [], False)
        line, reason = _mistake(error)
        raise TranslationError(f"{name}{line}: neither Python 2 nor Python 3: {reason}") from error
    divisions = _divisions(parsed, for_good) if divides else []
    if not text.endswith("\n"):
        new = new[:-1]
    return Translation(new, sorted(bridged), divisions, old)


def _mistake(error: Exception) -> tuple[str, str]:
    """Return ``:LINE``, or "" where it is unknown, and the reason of an exception of fissix's or Python's parser."""
    if isinstance(error, SyntaxError):
        return f":{error.lineno}", error.msg
    line, reason = tool.mistake(error)
    return f":{line}" if line else "", reason


def _one_indentation(text: str, bridged: set[str]) -> str:
    try:
        ast.parse(text)
    except TabError:
        bridged.add("tabs")
        return without_tabs(text)
    except SyntaxError:
        pass  # which the caller meets again, and tells
    return text


def _divisions(tree: ast.Module, for_good: bool) -> list[int]:
    if for_good:
        return may_round(tree)
    return sorted({getattr(node, "lineno", 0) for node in ast.walk(tree) if is_division(node)})
