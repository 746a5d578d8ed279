"""Indentation of tabs and spaces, in which Python 2 took a tab to the next multiple of eight columns."""

from __future__ import annotations

import re
from typing import Iterator


def without_tabs(text: str) -> str:
    """Return the text with spaces for the tabs that lines begin with, but for lines that begin within a string."""
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    inside = set(_inside_strings(lines))
    return "".join(line if number in inside else _expanded(line) for number, line in enumerate(lines, start=1))


def _expanded(line: str) -> str:
    rest = line.lstrip(" \t")
    return line[: len(line) - len(rest)].expandtabs(8) + rest


def _inside_strings(lines: list[str]) -> Iterator[int]:
    """Return the numbers of the lines that begin within a string."""
    from fissix.pgen2 import token, tokenize

    for kind, _, (first, _), (last, _), _ in tokenize.generate_tokens(iter(lines).__next__):
        if kind == token.STRING:
            yield from range(first + 1, last + 1)
