"""The wheel: layers, their bare names, the digits, and nothing else at the top."""

import subprocess
import zipfile
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def files(wheel):
    """What the wheel holds, by name."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_bare_names_are_at_the_top(files, root):
    bare = {path.name for path in (root / "caffe_pylayers" / "bare").glob("*.py")}
    assert {name for name in files if "/" not in name} == bare
    for name in bare:
        assert files[name] == (root / "caffe_pylayers" / "bare" / name).read_bytes()


def test_it_holds_the_package_and_its_data(files, root):
    tracked = subprocess.check_output(["git", "ls-files", "caffe_pylayers"], cwd=root, text=True).split()
    missing = {name for name in tracked if name not in files and not name.startswith("caffe_pylayers/bare/")}
    assert not missing
    assert {Path(name).parts[0] for name in files if name.endswith(".py")} <= {
        "caffe_pylayers",
        "one_hot.py",
        "pyloss.py",
    }


def test_it_names_its_licences_and_commands(files):
    metadata = next(text for name, text in files.items() if name.endswith("METADATA")).decode()
    assert "License-Expression: MIT AND BSD-3-Clause AND CC-BY-SA-3.0" in metadata
    assert "Requires-Python: >=3.8" in metadata
    commands = next(text for name, text in files.items() if name.endswith("entry_points.txt")).decode()
    assert "caffe-pylayers = caffe_pylayers.cli:main" in commands
    assert sum("/licenses/" in name for name in files) == 2
