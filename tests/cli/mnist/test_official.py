"""caffe-pylayers mnist: the official files in a folder, stood for by small ones, and mistakes."""

import gzip
import os
import sys
from pathlib import Path

import pytest

from caffe_pylayers.cli._mnist import source
from tests.cli.mnist.digits import CONTENT, assert_full, idx_bytes, mnist, needs_official, random_digits, sha256


@needs_official
def test_registry_knows_the_official_files():
    for path in Path(os.environ["MNIST_SOURCE"]).glob("*-ubyte.gz"):
        assert sha256(path.read_bytes()) == source.FILES[path.name[:-3]].gz


@pytest.mark.parametrize("spelling", ["{}-{}-idx{}-ubyte.gz", "{}-{}-idx{}-ubyte", "{}-{}.idx{}-ubyte"])
def test_full_from_a_folder(folder, tmp_path, spelling):
    for name, content in CONTENT.items():
        (folder / f"{name}.gz").unlink()
        part, what, rest = name.split("-")[:3]
        (folder / spelling.format(part, what, rest[-1])).write_bytes(content)
    assert mnist("--output", tmp_path / "out", "--full", "--source", folder) == 0
    assert_full(tmp_path / "out")


def test_wrong_and_missing_files_are_refused_in_one_line(folder, tmp_path, capsys):
    other = gzip.compress(idx_bytes(random_digits(4, seed=5).images))
    path = folder / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(other)
    expected = source.FILES["t10k-images-idx3-ubyte"].content
    for option in (["--test-source", folder], ["--full", "--source", folder]):
        assert mnist("--output", tmp_path / "out", *option) == 1
        (line,) = capsys.readouterr().err.splitlines()
        found = sha256(gzip.decompress(other))
        assert f"{path}: not the official file: SHA-256 of its content is {found}, expected {expected}" in line
    path.unlink()
    assert mnist("--output", tmp_path / "out", "--test-source", folder) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{path}: no such file, nor t10k-images-idx3-ubyte beside it" in line
    assert not (tmp_path / "out").exists()


def test_options_that_do_not_go_together(tmp_path, capsys):
    assert mnist("--output", tmp_path, "--source", tmp_path) == 1
    assert "--source goes with --full" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        mnist("--output", tmp_path, "--full", "--test-source", tmp_path)
    assert "not allowed with" in capsys.readouterr().err


def test_output_that_cannot_be_a_folder(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert mnist("--output", tmp_path / "file") == 1
    assert f"{tmp_path}/file: cannot be written: " in capsys.readouterr().err


@pytest.mark.parametrize(("module", "options"), [("lmdb", []), ("pooch", ["--full"])])
def test_missing_extra_says_what_to_install(tmp_path, capsys, monkeypatch, module, options):
    monkeypatch.setitem(sys.modules, module, None)
    assert mnist("--output", tmp_path, *options) == 1
    error = capsys.readouterr().err
    assert f" needs {module}: pip install 'caffe-pylayers[data]'" in error
    assert error.count("\n") == 1
