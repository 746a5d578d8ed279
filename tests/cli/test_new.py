"""``caffe-pylayers new``: what it writes works as it is."""

import importlib.util
import sys
from pathlib import Path

import pytest

from caffe_pylayers.cli import main
from caffe_pylayers.cli.new import _names

NET = """
from caffe_pylayers import _engine
caffe = _engine.caffe()
net = caffe.Net({path!r}, caffe.TRAIN)
net.blobs[list(net.blobs)[0]].data[...] = 0.5
top = list(net.forward().values())[0]
net.backward()
print("top", float(top.reshape(-1)[0]) > 0.1)
"""


@pytest.mark.parametrize("loss", [[], ["--loss"]], ids=["layer", "loss"])
def test_what_it_writes_works(loss, tmp_path, run_program, root):
    def verb(*args):
        done = run_program(sys.executable, "-m", "caffe_pylayers", *args, cwd=tmp_path, pythonpath=[root])
        assert done.returncode == 0, done.stdout
        return done.stdout

    out = verb("new", "SmoothStep", *loss)
    names = ["smooth_step.prototxt", "smooth_step.py", "test_smooth_step.py"]
    assert out.splitlines()[:3] == names
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    for name in names:
        assert "ew_layer" not in tmp_path.joinpath(name).read_text().lower()
    command = next(line for line in out.splitlines() if "check-layer" in line)
    assert "smooth_step.SmoothStep: nothing wrong found" in verb(*command.split()[1:])
    assert "0 problems" in verb("check", "smooth_step.prototxt")
    assert "SmoothStep" in verb("layers", "smooth_step.SmoothStep")
    for arguments in (
        ["-m", "pytest", "-q", "-p", "no:cacheprovider"],
        ["-c", NET.format(path="smooth_step.prototxt")],
    ):
        done = run_program(sys.executable, *arguments, cwd=tmp_path, pythonpath=[root, tmp_path])
        assert done.returncode == 0, done.stdout
    assert "top True" in done.stdout


def test_nothing_is_overwritten(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("test_smooth_step.py").write_text("mine")
    assert main(["smooth_step"], verb="new") == 1
    assert "test_smooth_step.py is there already; nothing was written" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["test_smooth_step.py"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("3d", "'3d' is no name for a class or a module"),
        ("a-b", "is no name"),
        ("class", "is no name"),
        ("_", "is no name"),
        ("../x", "is no name"),
        ("random", "a module random exists already: "),
        ("Numpy", "a module numpy exists already: "),
        ("Class", "a module class exists already; choose another name"),
    ],
)
def test_refused_names(name, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([name], verb="new") == 1
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("ScaledTanh", ("scaled_tanh", "ScaledTanh")),
        ("scaled_tanh", ("scaled_tanh", "ScaledTanh")),
        ("L2Loss2D", ("l2_loss2_d", "L2Loss2D")),
        ("RPNTarget", ("rpn_target", "RPNTarget")),
    ],
)
def test_names(name, names):
    assert _names(name) == names
    assert importlib.util.find_spec(names[0]) is None
