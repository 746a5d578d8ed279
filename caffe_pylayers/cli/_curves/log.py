"""The CSV log of a training: one row an iteration."""

from __future__ import annotations

import csv
import difflib
import io
import os
import sys
import time
from itertools import count
from pathlib import Path
from typing import Any, Dict, Sequence

import numpy as np

from caffe_pylayers._disk import files
from caffe_pylayers._layer.quote import one_line, quoted
from caffe_pylayers.cli import UserError

Row = Dict[str, Any]  # by column; what is not there stays empty

COLUMNS = ("iteration", "seconds", "lr", "loss")
SHOWN = 10  # columns in an error


class Log:
    """Writes rows as they come, each whole, so that a killed run leaves a log that can be read.

    path: the file; one that is there goes on if ``resume``, else it is replaced.
    tests: the names of the columns after COLUMNS.
    iteration: where training starts.
    first: that iteration's row, to be completed and written.
    aside: the file with the rows that are beyond the iteration; None if there are none.

    UserError where the log of a training that goes on has other columns, or is no log.
    """

    def __init__(self, path: Path, tests: Sequence[str], iteration: int, resume: bool) -> None:
        self.path = path
        self._columns = [*COLUMNS, *tests]
        self.aside: Path | None = None
        rows = self._kept(iteration, resume) if path.exists() else []
        self._begin = time.monotonic() - (float(rows[-1]["seconds"] or 0) if rows else 0)
        last = rows.pop() if rows and int(rows[-1]["iteration"]) == iteration else {}
        self.first: Row = {**{name: value for name, value in last.items() if value}, "iteration": iteration}
        self._file = self._written(self._text(self._header, *rows).encode())

    @property
    def _header(self) -> Row:
        return dict(zip(self._columns, self._columns))

    def _kept(self, iteration: int, resume: bool) -> list[Row]:
        """Return the rows to go on from; the others are set aside, those of untrained weights alone dropped."""
        if not resume:
            if _trained(self.path):
                self.aside = _set_aside(self.path)
            return []
        try:
            columns, rows = read_log(self.path)
        except UserError as error:
            raise UserError(f"{error}; give another --log-csv") from None
        if columns != self._columns:
            raise UserError(f"log {self.path}: has other columns than this training; give another --log-csv")
        later = [row for row in rows if int(row["iteration"]) > iteration]
        if later:
            self.aside = free_name(self.path)
            files.write_text(self.aside, self._text(self._header, *later))
        return [row for row in rows if int(row["iteration"]) <= iteration]

    def write(self, row: Row, at: float | None = None) -> None:
        """Write a row, with the seconds of training up to ``at``, a moment of time.monotonic, or else so far.

        OSError, and nothing of it written, on a full disk.

        A log that was moved, removed or replaced meanwhile is written again, with all of its rows.
        """
        self._find()
        seconds = (time.monotonic() if at is None else at) - self._begin
        line = self._text(dict(row, seconds=f"{seconds:.3f}")).encode()
        end = self._file.tell()
        try:
            while line:  # a disk that gets full takes a part, and then refuses
                line = line[self._file.write(line) :]
        except OSError:
            self._file.truncate(end)
            raise

    def _find(self) -> None:
        try:
            found = os.path.samestat(os.stat(self.path), os.fstat(self._file.fileno()))
        except (FileNotFoundError, NotADirectoryError):
            found = False
        if found:
            return
        print(f"{self.path} was moved or removed; it is written again, with all of its rows", file=sys.stderr)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists():
            _set_aside(self.path)
        with self._file as before:
            before.seek(0)
            self._file = self._written(before.readall())

    def _written(self, content: bytes) -> io.FileIO:
        """Write the file whole, and open it for what comes behind."""
        with files.whole(self.path) as temporary:
            temporary.write_bytes(content)
        file = io.FileIO(self.path, "a+")
        file.seek(0, os.SEEK_END)
        return file

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _text(self, *rows: Row) -> str:
        text = io.StringIO()
        writer = csv.DictWriter(text, self._columns, lineterminator="\n")
        writer.writerows({name: _value(value) for name, value in row.items()} for row in rows)
        return text.getvalue()


def _value(value: Any) -> Any:
    return str(np.float32(value)) if isinstance(value, float) else value  # Caffe's numbers, no digit too many


def _trained(path: Path) -> bool:
    """Return True unless a file is a log whose training did not come as far as iteration 1."""
    try:
        _, rows = read_log(path)
    except UserError:
        return path.stat().st_size > 0
    return any(int(row["iteration"]) > 0 for row in rows)


def _set_aside(path: Path) -> Path:
    """Rename a file to the first name that is free; return that."""
    free = free_name(path)
    path.rename(free)
    return free


def free_name(path: Path) -> Path:
    """Return the first of NAME.1.SUFFIX, NAME.2.SUFFIX, ... that is free."""
    return next(free for n in count(1) if not os.path.lexists(free := path.with_name(f"{path.stem}.{n}{path.suffix}")))


def read_log(path: Path) -> tuple[list[str], list[Row]]:
    """Return a log's columns and its rows, as text; the last row is left out where it is only partly written.

    UserError, with the file's name and the line, for a file that is no such log.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
        reader = csv.DictReader(io.StringIO(text, newline=""))
        columns = list(reader.fieldnames or ())
        check_columns(path, columns, ("iteration", "loss"))
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise UserError(f"{path}: no log of a training: {error}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: no log of a training: not a text file in UTF-8") from None
    if rows and not text.endswith("\n") and _fault(rows[-1][1]):
        rows.pop()  # its training is writing it, or was killed while it did
    for line, row in rows:
        fault = _fault(row)
        if fault:
            raise UserError(f"{path}:{line}: {fault}")
    return columns, [row for _, row in rows]


def check_columns(path: Path | str, columns: Sequence[str], needed: Sequence[str]) -> None:
    """UserError for a column that is needed and not there."""
    for name in needed:
        if name not in columns:
            close = difflib.get_close_matches(name.lower(), [column.lower() for column in columns], n=1)
            meant = [f"; did you mean {quoted(column)}?" for column in columns if [column.lower()] == close]
            has = ", ".join(columns[:SHOWN]) + (", ..." if len(columns) > SHOWN else "")
            raise UserError(
                f"{path}: no column {quoted(name)}{meant[0] if meant else ''}; it has {one_line(has, 200) or 'none'}"
            )


def _fault(row: Row) -> str:
    """Say why a row is none of a log; "" where it is one."""
    if None in row or None in row.values():
        return f"{'more' if None in row else 'fewer'} values than columns"
    for name, text in row.items():
        try:
            value = int(text) if name == "iteration" else float(text or "nan")
        except ValueError:
            return f"{name[:40]} is {text[:40]!r}, no number"
        if name == "iteration" and not 0 <= value < 1 << 63:
            return f"no iteration is {text[:40]}"
    return ""
