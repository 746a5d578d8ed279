"""What a script sees of caffe: names, arguments, results and exceptions, beside real Caffe's."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.parity.families import caffe_python

PROGRAM = Path(__file__).with_name("face.py")
# What pycaffe's modules import and do not define, and what is the runtime's own.
NOT_CAFFES = {
    "coord_map": {"division"},
    "pycaffe": {"OrderedDict", "izip_longest"},
}
OWN = {"draw", "install"}


@pytest.fixture(scope="module")
def faces(root, run_program, tmp_path_factory):
    """What real Caffe shows, and what the runtime does."""
    python = caffe_python()
    if python is None:
        pytest.skip("no real Caffe; `make caffe` installs one")
    folder = tmp_path_factory.mktemp("face")
    subprocess.run([python, PROGRAM, folder / "theirs.json"], check=True, capture_output=True)
    said = run_program(sys.executable, PROGRAM, folder / "ours.json", "runtime")
    assert said.returncode == 0, said.stdout
    return [json.loads((folder / f"{name}.json").read_text()) for name in ("theirs", "ours")]


def test_expressions(faces):
    """The same results; and exceptions of the kinds of real Caffe's, or of kinds that derive from them."""
    theirs, ours = (face["outcomes"] for face in faces)
    assert len(theirs) > 200
    different = {}
    for expression, real in theirs.items():
        got = ours[expression]
        same = got == real if "value" in real else real["raises"][0] in got.get("raises", ())
        if not same:
            different[expression] = real, got
    assert not different


def test_exceptions_are_one_line(faces):
    messages = [got["says"] for got in faces[1]["outcomes"].values() if "raises" in got]
    assert [text for text in messages if not text or "\n" in text] == []


def test_no_name_is_missing(faces):
    theirs, ours = (face["names"] for face in faces)
    missing = {key: set(names) - set(ours[key]) - NOT_CAFFES.get(key, set()) for key, names in theirs.items()}
    assert {key: names for key, names in missing.items() if names} == {}
    assert set(ours["caffe"]) - set(theirs["caffe"]) <= OWN


def test_arguments(faces):
    theirs, ours = (face["signatures"] for face in faces)
    different = {
        f"{key}.{name}": (arguments, ours[key].get(name))
        for key, functions in theirs.items()
        for name, arguments in functions.items()
        if ours[key].get(name) != arguments
    }
    assert different == {}
