"""Rewrite Python layers of the Python 2 days for today's Python and libraries.

    caffe-pylayers modernize layers/ --write

Prints what would change, as a diff; --write changes the files. Folders are searched for *.py. Comments and layout
stay. Where a `/` of integers, a float as a size or str(self.phase) shows from the file alone what it was, it is
rewritten, and the line ends in `# modernize: ...`. Where `/` may divide integers, which Python 2 rounds down, the lines
are named: that is yours to decide. A file that cannot be read or translated is named and the others are done.
The exit code is 1 if there is such a file, and that of --check if anything would change.
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
from caffe_pylayers.cli._errors import line_of, optional
from caffe_pylayers.cli._parser import given_path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``modernize``."""
    parser.add_argument("paths", nargs="+", type=given_path, metavar="FILE")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--write", action="store_true", help="change the files")
    how.add_argument("--check", action="store_true", help="only name the files that would change")


def run(args: argparse.Namespace) -> int:
    """Rewrite; return the exit code."""
    with optional("modernize", "compat"):
        import fissix  # noqa: F401

    changed = failed = 0
    for path in _python_files(args.paths):
        try:
            changed += _modernize(path, args)
        except UserError as error:
            failed += 1
            print(f"{args.prog}: {error}", file=sys.stderr)
    return int(failed > 0 or (args.check and changed > 0))


def _python_files(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(path.rglob("*.py"))
        else:
            yield path


def _modernize(path: Path, args: argparse.Namespace) -> bool:
    """Return True if the file changes."""
    from caffe_pylayers._compat.translate import TranslationError, translate

    text, encoding = _read(path)
    try:
        new = translate(text, str(path), for_good=True)
        content = new.text.encode(encoding)
    except (TranslationError, UnicodeError) as error:
        raise UserError(str(error)) from error
    for line in new.divisions:
        print(f"{path}:{line}: rounds down in Python 2 where both sides are integers", file=sys.stderr)
    if new.text == text:
        return False
    if args.check:
        print(path)
    elif args.write:
        try:
            with files.whole(path) as temporary:
                temporary.write_bytes(content)
                shutil.copymode(path, temporary)
        except OSError as error:
            raise UserError(line_of(error)) from error
        print(f"{path}: {', '.join(new.bridged)}")
    else:
        before, after = text.splitlines(keepends=True), new.text.splitlines(keepends=True)
        sys.stdout.writelines(difflib.unified_diff(before, after, str(path), str(path)))
    return True


def _read(path: Path) -> tuple[str, str]:
    """Return a file's text, its line ends as they are, and its encoding."""
    try:
        with open(path, "rb") as binary:
            encoding, _ = tokenize.detect_encoding(binary.readline)
        with open(path, encoding=encoding, newline="") as file:
            return file.read(), encoding
    except OSError as error:
        raise UserError(line_of(error)) from error
    except (SyntaxError, LookupError, UnicodeError) as error:
        raise UserError(f"{path}: {error}") from error
