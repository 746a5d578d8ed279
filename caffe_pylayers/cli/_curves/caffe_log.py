"""The log of the caffe program, as rows like those of log.csv."""

from __future__ import annotations

import re
from pathlib import Path

from caffe_pylayers.cli import UserError
from caffe_pylayers.cli._curves.log import COLUMNS, Row, read_log

_NUMBER = r"([-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|nan|inf))"
_LOSS = re.compile(rf"Iteration (\d{{1,18}})(?: \(.*?\))?, loss = {_NUMBER}")
_RATE = re.compile(rf"Iteration (\d{{1,18}}), lr = {_NUMBER}")
_TEST = re.compile(r"Iteration (\d{1,18}), Testing net \(#(\d{1,9})\)")
_OUTPUT = re.compile(rf"Test net output #\d+: (\S+) = {_NUMBER}")


def read_any(path: Path) -> tuple[list[str], list[Row]]:
    """Return the columns and rows of a log.csv, or of a caffe log. UserError for a file that is neither."""
    with open(path, encoding="utf-8", errors="replace") as file:
        first = file.readline(1000)
    is_csv = path.suffix.lower() == ".csv" or first.startswith("iteration,")
    return read_log(path) if is_csv else read_caffe_log(path)


def read_caffe_log(path: Path) -> tuple[list[str], list[Row]]:
    """Return the columns and rows of a caffe log: a row for each iteration that has a number."""
    rows: dict[int, Row] = {}
    tests: dict[str, None] = {}  # in order
    iteration, prefix = 0, ""
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            for pattern, column in ((_LOSS, "loss"), (_RATE, "lr")):
                found = pattern.search(line)
                if found:
                    rows.setdefault(int(found[1]), {"iteration": found[1]})[column] = found[2]
            test, output = _TEST.search(line), _OUTPUT.search(line)
            if test:
                iteration, prefix = int(test[1]), "test" if test[2] == "0" else f"test{test[2]}"
            elif output:
                column = f"{prefix}/{output[1]}"
                tests[column] = None
                rows.setdefault(iteration, {"iteration": str(iteration)})[column] = output[2]
    if not rows:
        raise UserError(f"{path}: neither a log.csv nor a log of caffe: no iteration in it")
    columns = [*COLUMNS, *tests]
    return columns, [{**dict.fromkeys(columns, ""), **rows[number]} for number in sorted(rows)]
