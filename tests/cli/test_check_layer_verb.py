"""``caffe-pylayers check-layer``: check_layer from the shell."""

import sys

import pytest

from caffe_pylayers.cli import main

OWN = """
import numpy as np
from caffe_pylayers import Layer, Parameter

class Half(Layer):
    factor = Parameter(float, 0.5, doc="factor")

    def plan(self, x):
        return [x.shape]

    def forward(self, bottom, top):
        top[0].data[...] = self.factor * bottom[0].data

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            bottom[0].diff[...] = self.factor * top[0].diff

class Wrong(Half):
    def backward(self, top, propagate_down, bottom):
        bottom[0].diff[...] = -self.factor * top[0].diff

class Rounds(Half):
    def forward(self, bottom, top):
        top[0].data[...] = self.factor * bottom[0].data.astype(np.float32)
"""


@pytest.fixture
def check(tmp_path, monkeypatch, capsys):
    (tmp_path / "half_layers.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "half_layers", raising=False)

    def run(*args):
        code = main(list(args), verb="check-layer")
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.mark.parametrize(
    "args",
    [
        ["half_layers.Half", "--bottom", "4x3"],
        ["half_layers.Half", "-b", "4,3", "--param-str", "factor: 3", "--exhaustive", "--phase", "TEST", "--seed", "3"],
        ["half_layers.Half", "-b", "4:10", "--no-gradient", "--one-size"],
        ["half_layers.Half", "-b", "4x3", "--random"],
        ["DiceLoss", "-b", "4x3", "-b", "4:3", "--param-str", "activation: softmax"],
        ["pyloss.EuclideanLossLayer", "-b", "4x3", "-b", "4x3"],
        ["caffe_pylayers.one_hot.label2one_hot", "-b", "6x1x1x1:4", "-b", "6x4", "--tops", "2"],
    ],
)
def test_right_layers(check, args):
    assert check(*args) == (0, f"{args[0]}: nothing wrong found\n", "")


def test_a_wrong_layer(check):
    code, out, _ = check("half_layers.Wrong", "--bottom", "4x3")
    assert code == 1
    assert out.startswith("Wrong: 2 problems\n- gradient of bottom[0] of shape (4, 3)")
    assert "has the wrong sign (ratio -1)" in out
    assert "- backward writes bottom[0].diff though propagate_down is [False]\n" in out


def test_rounding_is_told(check):
    code, out, _ = check("half_layers.Rounds", "--bottom", "4x3")
    assert code == 0
    assert out.startswith("Rounds computes in float32, though its blobs hold float64")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["Half"], "'Half' is no layer of the package, nor a module and class, such as my_layers.Half\n"),
        (["DiceLos"], "such as my_layers.DiceLos; did you mean DiceLoss?\n"),
        (["half_layers.Halve"], "has no 'Halve' (did you mean 'Half'?)"),
        (["nowhere.Half"], "no module named 'nowhere' in this folder or on PYTHONPATH"),
        (["half_layers.Half", "--tops", "-1"], "tops must be the number of tops, got -1"),
    ],
)
def test_what_is_refused(check, args, message):
    code, out, err = check(*args)
    assert (code, out) == (1, "")
    assert message in err
    assert err.count("\n") == 1


def test_bottoms_are_needed(check):
    code, out, _ = check("half_layers.Half")
    assert code == 1
    assert out == "Half: reshape fails with ValueError: Half: needs 1 bottom (x), got 0\n"


@pytest.mark.parametrize("shape", ["x", "4x", "4:0", "4x-3", "4:1.5"])
def test_shapes(check, shape, capsys):
    with pytest.raises(SystemExit):
        check("half_layers.Half", "--bottom", shape)
    assert f"{shape!r} is no shape such as 4x3" in capsys.readouterr().err


def test_python_2_code_without_compat(check, tmp_path):
    """The file's own lines are shown: no traceback of whoever imports it."""
    (tmp_path / "printing_layer.py").write_text("import caffe\nprint 3\n")
    code, out, err = check("printing_layer.Any", "-b", "4x3")
    assert (code, out) == (1, "")
    shown, line = err.rstrip("\n").rsplit("\n", 1)
    assert shown.startswith(f'  File "{tmp_path / "printing_layer.py"}", line 2')
    assert "Traceback" not in err
    assert "SyntaxError: " in line
    assert "--compat translates it" in line
