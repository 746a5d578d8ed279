"""Rewrite Python layers of the Python 2 days for today's Python and libraries.

    caffe-pylayers modernize layers/ --write

Prints what would change, as a diff; --write changes the files. Folders are searched for *.py. Comments and layout
stay. Where `/` may divide integers, which Python 2 rounds down, the lines are named: that is yours to decide.
The exit code of --check is 1 if anything would change.
"""

from __future__ import annotations

import argparse
import difflib
import shutil
import sys
import tokenize
from pathlib import Path
from typing import Iterator

from caffe_pylayers._disk import files
from caffe_pylayers.cli import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``modernize``."""
    parser.add_argument("paths", nargs="+", type=Path, metavar="FILE")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--write", action="store_true", help="change the files")
    how.add_argument("--check", action="store_true", help="only name the files that would change")


def run(args: argparse.Namespace) -> int:
    """Rewrite; the exit code."""
    try:
        import fissix  # noqa: F401
    except ModuleNotFoundError as error:
        raise UserError("this needs fissix: pip install 'caffe-pylayers[compat]'") from error
    from caffe_pylayers._compat.translate import TranslationError

    changed = 0
    try:
        for path in _python_files(args.paths):
            changed += _modernize(path, args)
    except (OSError, TranslationError) as error:
        raise UserError(str(error)) from error
    return int(args.check and changed > 0)


def _python_files(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(path.rglob("*.py"))
        else:
            yield path


def _modernize(path: Path, args: argparse.Namespace) -> bool:
    """Whether the file changes."""
    from caffe_pylayers._compat.translate import translate

    with open(path, "rb") as binary:
        try:
            encoding, _ = tokenize.detect_encoding(binary.readline)
        except SyntaxError as error:
            raise UserError(f"{path}: {error}") from error
    with open(path, encoding=encoding, newline="") as file:
        text = file.read()
    new = translate(text, str(path))
    for line in new.divisions:
        print(f"{path}:{line}: rounds down in Python 2 where both sides are integers", file=sys.stderr)
    if new.text == text:
        return False
    if args.check:
        print(path)
    elif args.write:
        with files.whole(path) as temporary:
            temporary.write_bytes(new.text.encode(encoding))
            shutil.copymode(path, temporary)
        print(f"{path}: {', '.join(new.bridged)}")
    else:
        before, after = text.splitlines(keepends=True), new.text.splitlines(keepends=True)
        sys.stdout.writelines(difflib.unified_diff(before, after, str(path), str(path)))
    return True
