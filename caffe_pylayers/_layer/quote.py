"""Values, names and texts as messages quote them: printable, on one line, and short whatever they hold."""

from __future__ import annotations

import reprlib
from typing import Any


class _Short(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 3
        self.maxlist = self.maxtuple = self.maxset = self.maxdict = 6
        self.maxstring = self.maxother = 80

    def repr_int(self, x: int, level: int) -> str:
        # Python 3.11 and newer refuse to write out an integer of more than 4300 digits.
        return repr(x) if x.bit_length() < 200 else f"an integer of {x.bit_length()} bits"


def short(value: Any) -> str:
    """Return the value's repr, what is long in it cut out."""
    return _Short().repr(value)


def plain(text: str) -> str:
    """Return the text with each character that cannot be printed, line ends too, written as Python escapes it."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def quoted(name: str, most: int = 120) -> str:
    """Return the name of a layer, a blob or a field's value in double quotes, cut off after ``most`` characters."""
    return f'"{_cut(plain(name), most)}"'


def one_line(text: str, most: int = 160) -> str:
    """Return the text on one line of at most ``most`` characters."""
    return _cut(plain(" ".join(text.split())), most)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."
