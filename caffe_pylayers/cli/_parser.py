"""argparse, whose errors say what a misspelt option may be meant for, and the types of arguments that name files."""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from pathlib import Path
from typing import Any, Iterable, NoReturn

_OPTION = re.compile(r"(?<![\w-])--?[A-Za-z][\w-]*")


def meant(word: str, known: Iterable[str]) -> str:
    """``"; did you mean train?"`` where a known word is like this one, else nothing."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def given(text: str) -> str:
    """Return an argument as it is; argparse's error for an empty one, as an unset variable of the shell gives."""
    if not text:
        raise argparse.ArgumentTypeError("must not be empty")
    return text


def given_path(text: str) -> Path:
    """Return the path that an argument names, which must not be empty."""
    return Path(given(text))


def given_paths(text: str) -> list[Path]:
    """Return the paths between the commas of an argument, none of them empty."""
    return list(map(given_path, text.split(",")))


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that takes positional arguments and options in any order, and suggests names of options.

    Help is printed as the description is written.
    """

    def __init__(self, prog: str | None, **options: Any) -> None:
        self._given: list[str] = []
        self._takes_the_rest = False
        super().__init__(prog, formatter_class=argparse.RawDescriptionHelpFormatter, **options)

    def add_argument(self, *args: Any, **options: Any) -> argparse.Action:
        """Declare an argument, as argparse does."""
        action = super().add_argument(*args, **options)
        self._takes_the_rest |= action.nargs == argparse.REMAINDER
        return action

    def parse(self, given: list[str]) -> argparse.Namespace:
        """Parse the arguments; ends the process with code 2 where they are wrong."""
        self._given = given
        # Positional arguments of which one is optional go wrong with options between them, unless intermixed; that
        # does not know of what a "--" ends.
        return self.parse_args(given) if self._takes_the_rest or "--" in given else self.parse_intermixed_args(given)

    def error(self, message: str) -> NoReturn:
        """Print the usage and the error, and end the process with code 2."""
        known = _OPTION.findall(self.format_usage())
        for word in self._given:
            name = word.partition("=")[0]
            hint = meant(name, known) if _OPTION.fullmatch(name) and name not in known else ""
            if hint:
                message = f"{message}: no option {name}{hint}"
                break
        self.print_usage(sys.stderr)
        self.exit(2, f"{self.prog}: error: {message}\n")
