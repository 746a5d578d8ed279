"""Values as messages quote them: on one line, and short whatever they hold."""

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
    """The value's repr, what is long in it cut out."""
    return _Short().repr(value)


def one_line(text: str, most: int = 160) -> str:
    """The text on one line of at most ``most`` characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 3] + "..."
