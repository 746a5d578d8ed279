"""Every example trains by the commands that it names, for a few iterations, on the caffe that is there."""

import csv
import math

import pytest

from caffe_pylayers.cli import main
from caffe_pylayers.cli.example import EXAMPLES

pytest.importorskip("lmdb")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("examples")


@pytest.mark.parametrize("name", EXAMPLES)
def test_it_trains(name, folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert main([name], verb="example") == 0
    for path in (folder / "prototxt" / name).glob("solver*.prototxt"):  # tests are over one batch
        lines = path.read_text().splitlines()
        path.write_text("\n".join("test_iter: 1" if line.startswith("test_iter") else line for line in lines))
    for command in EXAMPLES[name][1]:
        _, verb, *arguments = command.split()
        if verb == "mnist" and (folder / arguments[1]).exists():
            continue
        assert main([*arguments, *(["--max-iter", "2"] if verb == "train" else [])], verb=verb) == 0
    for log in (folder / "output").rglob("log.csv"):
        rows = list(csv.DictReader(log.read_text().splitlines()))
        assert rows[-1]["iteration"] == "2"
        assert all(math.isfinite(float(value)) for row in rows for value in row.values() if value)
