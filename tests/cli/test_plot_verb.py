"""``caffe-pylayers plot``."""

from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

from caffe_pylayers.cli import main
from caffe_pylayers.cli._curves.caffe_log import read_any

CAFFE_LOG = """
I1126 10:15:54.8 1 solver.cpp:347] Iteration 0, Testing net (#0)
I1126 10:15:54.9 1 solver.cpp:414]     Test net output #0: accuracy = 0.1
I1126 10:15:54.9 1 solver.cpp:414]     Test net output #1: loss = 2.5 (* 1 = 2.5 loss)
I1126 10:15:55.0 1 solver.cpp:239] Iteration 0 (-nan iter/s, 0.1s/100 iters), loss = 2.4
I1126 10:15:55.0 1 solver.cpp:258]     Train net output #0: loss = 2.4 (* 1 = 2.4 loss)
I1126 10:15:55.0 1 sgd_solver.cpp:112] Iteration 0, lr = 0.01
I1126 10:15:55.0 1 solver.cpp:239] Iteration 100 (9.1 iter/s, 11s/100 iters), loss = 1e-01
I1126 10:15:55.0 1 sgd_solver.cpp:112] Iteration 100, lr = 0.005
I1126 10:15:54.8 1 solver.cpp:347] Iteration 200, Testing net (#0)
I1126 10:15:54.9 1 solver.cpp:414]     Test net output #0: accuracy = 0.9
I1126 10:15:54.8 1 solver.cpp:347] Iteration 200, Testing net (#1)
I1126 10:15:54.9 1 solver.cpp:414]     Test net output #0: accuracy = 0.8
"""


@pytest.fixture
def logs(tmp_path):
    (tmp_path / "caffe.log").write_text(CAFFE_LOG)
    (tmp_path / "log.csv").write_text(
        "iteration,seconds,lr,loss,test/accuracy\n0,0.1,0.01,2.3,0.2\n1,0.2,0.01,1.5,\n2,0.3,0.01,0.4,0.8\n"
    )
    return [str(tmp_path / "caffe.log"), str(tmp_path / "log.csv")]


def test_what_a_caffe_log_says(logs):
    columns, rows = read_any(Path(logs[0]))
    assert columns == ["iteration", "seconds", "lr", "loss", "test/accuracy", "test/loss", "test1/accuracy"]
    shown = [{name: value for name, value in row.items() if value} for row in rows]
    assert shown == [
        {"iteration": "0", "lr": "0.01", "loss": "2.4", "test/accuracy": "0.1", "test/loss": "2.5"},
        {"iteration": "100", "lr": "0.005", "loss": "1e-01"},
        {"iteration": "200", "test/accuracy": "0.9", "test1/accuracy": "0.8"},
    ]


@pytest.mark.parametrize("which", [[0], [1], [0, 1]])
def test_pictures(logs, tmp_path, capsys, which):
    picture = tmp_path / "curves.png"
    assert main([*(logs[i] for i in which), str(picture)], verb="plot") == 0
    assert capsys.readouterr().out == f"{picture}\n"
    assert picture.read_bytes().startswith(b"\x89PNG")


def height(picture):
    return int.from_bytes(picture.read_bytes()[20:24], "big")


@pytest.mark.parametrize("copies", [1, 2])
def test_a_long_legend_has_room_of_its_own(tmp_path, copies):
    outputs = [f"test/loss{i}/top-{k}" for i in (1, 2, 3) for k in (1, 5)]
    heights = []
    for names in (outputs[:1], outputs):
        rows = (f"{i},0.1,0.01,{3 - i}{',0.5' * len(names)}\n" for i in range(3))
        (tmp_path / "log.csv").write_text(f"iteration,seconds,lr,loss,{','.join(names)}\n{''.join(rows)}")
        (tmp_path / "other.csv").write_bytes((tmp_path / "log.csv").read_bytes())
        given = [str(tmp_path / name) for name in ("log.csv", "other.csv")[:copies]]
        assert main([*given, str(tmp_path / "curves.png")], verb="plot") == 0
        heights.append(height(tmp_path / "curves.png"))
    assert heights[1] > heights[0]


def test_mistakes(logs, tmp_path, capsys):
    (tmp_path / "text").write_text("nothing\n")
    for arguments, message in (
        (["x.png", logs[0]], "x.png: the picture comes last, and there is one"),
        ([logs[0], "x.jpg"], "x.jpg: no such log; and a picture is one of .png, .svg, .pdf"),
        (["x.png"], "x.png: a picture of what? Give the log before it"),
        ([str(tmp_path / "text"), "x.png"], "text: neither a log.csv nor a log of caffe: no iteration in it"),
        ([str(tmp_path / "none"), "x.png"], "No such file or directory"),
    ):
        assert main(arguments, verb="plot") == 1
        assert message in capsys.readouterr().err
