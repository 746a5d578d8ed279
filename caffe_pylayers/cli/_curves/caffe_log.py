"""The log of the caffe program, as rows like those of log.csv."""

from __future__ import annotations

import re
from pathlib import Path

from caffe_pylayers.cli._curves.log import COLUMNS, Row, read_log

_NUMBER = r"([-+.\deE]+|[-+]?nan|[-+]?inf)"
_LOSS = re.compile(rf"Iteration (\d+)(?: \(.*?\))?, loss = {_NUMBER}")
_RATE = re.compile(rf"Iteration (\d+), lr = {_NUMBER}")
_TEST = re.compile(r"Iteration (\d+), Testing net \(#(\d+)\)")
_OUTPUT = re.compile(rf"Test net output #\d+: (\S+) = {_NUMBER}")


def read_any(path: Path) -> tuple[list[str], list[Row]]:
    """The columns and rows of a log.csv, or of a caffe log; ValueError for a file that is neither."""
    with open(path, encoding="utf-8", errors="replace") as file:
        first = file.readline()
    return read_log(path) if first.startswith("iteration,") else read_caffe_log(path)


def read_caffe_log(path: Path) -> tuple[list[str], list[Row]]:
    """The columns and rows of a caffe log: a row for each iteration that says something."""
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
        raise ValueError(f"{path}: neither a log.csv nor a log of caffe: no iteration in it")
    columns = [*COLUMNS, *tests]
    return columns, [{**dict.fromkeys(columns, ""), **rows[number]} for number in sorted(rows)]
