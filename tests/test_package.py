"""The wheel: layers, their bare names, the digits, and nothing else at the top."""

import re
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
    inside = [name for name in tracked if not name.startswith("caffe_pylayers/bare/")]
    assert "caffe_pylayers/py.typed" in inside
    assert sum(name.endswith(".gz") for name in inside) == 2  # the digits
    for name in inside:
        assert files[name] == (root / name).read_bytes(), name
    assert {Path(name).parts[0] for name in files if name.endswith(".py")} <= {
        "caffe_pylayers",
        "one_hot.py",
        "pyloss.py",
    }


def test_it_carries_the_examples_and_the_installer(files, root):
    carried = {name for name in files if name.startswith("caffe_pylayers/cli/_shipped/")}
    examples = {f"prototxt/{path.relative_to(root / 'prototxt')}" for path in root.glob("prototxt/*/*")}
    installer = {f"scripts/{name}" for name in ("install_caffe.sh", "caffe.lock", "caffe-requirements.txt")}
    assert carried == {f"caffe_pylayers/cli/_shipped/{name}" for name in examples | installer}
    for name in examples | installer:
        assert files[f"caffe_pylayers/cli/_shipped/{name}"] == (root / name).read_bytes(), name


def test_it_leaves_numpy_and_protobuf_of_debians_caffe_alone(files):
    metadata = next(text for name, text in files.items() if name.endswith("METADATA")).decode()
    needs = re.findall(r"^Requires-Dist: ([^;\n]+)$", metadata, re.MULTILINE)
    assert sorted(needs) == ["numpy>=1.19", "protobuf>=3.12", "pyyaml>=5.3"]


def test_it_names_its_licences_and_commands(files):
    metadata = next(text for name, text in files.items() if name.endswith("METADATA")).decode()
    assert "License-Expression: MIT AND BSD-3-Clause AND CC-BY-SA-3.0" in metadata
    assert "Requires-Python: >=3.8" in metadata
    commands = next(text for name, text in files.items() if name.endswith("entry_points.txt")).decode()
    assert "caffe-pylayers = caffe_pylayers.cli:main" in commands
    assert sum("/licenses/" in name for name in files) == 2
