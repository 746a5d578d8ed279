"""caffe-pylayers train: the plot."""

import struct
import sys

import numpy as np
import pytest

from caffe_pylayers.cli._curves.log import read_log
from caffe_pylayers.cli._curves.plot import Curve, plot


def is_png(path, width=1170, height=650):
    head = path.read_bytes()[:24]
    return head[:8] == b"\x89PNG\r\n\x1a\n" and struct.unpack(">II", head[16:]) == (width, height)


def test_training_draws_it(project, monkeypatch):
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)
    result = project.train(plot=True)
    assert is_png(result.plot)
    assert "matplotlib.pyplot" not in sys.modules  # which sets the process's backend


def test_no_matplotlib_is_said_once(project, capsys, monkeypatch):
    monkeypatch.delitem(sys.modules, "caffe_pylayers.cli._curves.plot")
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    result = project.train(plot=True)
    assert result.plot is None
    assert capsys.readouterr().err == "no plot: pip install 'caffe-pylayers[viz]'\n"
    assert "train.png" not in project.files()


LOGS = {
    "nothing": "",
    "one row": "1,0.1,0.1,0.5,,\n",
    "tests alone": "0,0.1,,,0.1,2.3\n",
    "negative": "1,0.1,0.1,-0.5,,\n2,0.2,0.1,-1.5,0.9,0.1\n",
    "zero": "1,0.1,0.1,0,,\n",
    "nan": "1,0.1,0.1,0.5,0.5,0.5\n2,0.2,0.1,nan,nan,inf\n",
    "many decades": "".join(f"{i},0.1,0.1,{10.0 ** -(i / 9)},,\n" for i in range(90)),
}


@pytest.mark.parametrize("rows", LOGS.values(), ids=list(LOGS))
def test_draws_any_log(tmp_path, rows):
    log = tmp_path / "log.csv"
    log.write_text(f"iteration,seconds,lr,loss,test/accuracy,test/loss\n{rows}")
    plot(*read_log(log), tmp_path / "train.png", "title")
    assert is_png(tmp_path / "train.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.csv", "train.png"]


def test_what_goes_on_the_axis_from_0_to_1():
    def metric(name, *values):
        return Curve(name, np.arange(len(values)), np.array(values)).is_metric

    assert metric("test/accuracy", 0.0, 1.0)
    assert metric("test/Acc_top5[1]", 0.5)
    assert metric("test/loss3/top-1", 0.5)
    for name in ("recall", "mAP", "mean_iou", "f1"):
        assert metric(f"test/{name}", 0.25, 0.5)
    assert not metric("test/correlation", -0.5, 0.5)
    assert not metric("test/loss3/loss3", 0.5)
    assert not metric("test/accuracy", 0.0, 97.0)
    assert not metric("test/accuracy")
    assert not metric("test/loss", 0.5)


def test_smoothing_keeps_a_line_a_line():
    line = Curve("loss", np.arange(1000.0), 3 * np.arange(1000.0))
    smooth = line.smoothed()
    assert smooth.x.size == smooth.y.size == 981
    np.testing.assert_allclose(smooth.y, 3 * smooth.x + 1.5)
