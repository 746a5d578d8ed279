"""The CSV log of a training: one row an iteration."""

from __future__ import annotations

import csv
import io
import time
from pathlib import Path
from typing import Any, Dict, Sequence

import numpy as np

from caffe_pylayers._disk import files
from caffe_pylayers.cli import UserError

Row = Dict[str, Any]  # by column; what is not there stays empty

COLUMNS = ("iteration", "seconds", "lr", "loss")


class Log:
    """Writes rows as they come, each whole, so that a killed run leaves a log that can be read.

    path: a log that is there is replaced, or goes on when ``resume`` says so: its rows up to
        the iteration are kept.
    tests: the names of the columns after COLUMNS.
    iteration: where training starts.
    first: that iteration's row, to be completed and written.
    """

    def __init__(self, path: Path, tests: Sequence[str], iteration: int, resume: bool) -> None:
        self.path = path
        self._columns = [*COLUMNS, *tests]
        rows = self._kept(iteration) if resume and path.exists() else []
        self._begin = time.monotonic() - (float(rows[-1]["seconds"]) if rows else 0)
        last = rows.pop() if rows and int(rows[-1]["iteration"]) == iteration else {}
        self.first: Row = {**{name: value for name, value in last.items() if value}, "iteration": iteration}
        files.write_text(path, self._text(dict(zip(self._columns, self._columns)), *rows))
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115  (closed by close)

    def _kept(self, iteration: int) -> list[Row]:
        columns, rows = read_log(self.path)
        if columns != self._columns:
            raise UserError(f"log {self.path}: has other columns than this training; give another --log-csv")
        return [row for row in rows if int(row["iteration"]) <= iteration]

    def write(self, row: Row) -> None:
        """Write a row, with the seconds of training so far. OSError, and nothing of it written, on a full disk."""
        line = self._text(dict(row, seconds=f"{time.monotonic() - self._begin:.3f}")).encode()
        end = self._file.tell()
        try:
            while line:  # a disk that gets full takes a part, and then refuses
                line = line[self._file.write(line) :]
        except OSError:
            self._file.truncate(end)
            raise

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


def read_log(path: Path) -> tuple[list[str], list[Row]]:
    """A log's columns and its rows, as text; a row that was cut short is left out."""
    with open(path, encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        rows = [row for row in reader if None not in row.values()]
        return list(reader.fieldnames or ()), rows
