"""``caffe-pylayers plot``."""

from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

from caffe_pylayers.cli import main
from caffe_pylayers.cli._curves.caffe_log import read_any
from caffe_pylayers.cli._curves.plot import curves_of

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


SIGNATURES = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF-", "SVG": b"<?xml"}


@pytest.mark.parametrize("kind", SIGNATURES)
@pytest.mark.parametrize("which", [[1], [0, 1]])
def test_the_suffix_is_the_format(logs, tmp_path, kind, which):
    pictures = [tmp_path / f"{name}.{kind}" for name in "ab"]
    for picture in pictures:
        assert main([*(logs[i] for i in which), str(picture)], verb="plot") == 0
    contents = [picture.read_bytes() for picture in pictures]
    assert contents[0].startswith(SIGNATURES[kind])
    assert contents[0] == contents[1]


def test_the_picture_has_a_name_of_its_own(logs, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(logs, verb="plot") == 0
    assert capsys.readouterr().out == "curves.png\n"
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def draw(folder, text, *options):
    (folder / "log.csv").write_text(text, encoding="utf-8")
    return main([str(folder / "log.csv"), str(folder / "x.svg"), *options], verb="plot")


@pytest.mark.parametrize(
    ("rows", "drawn"),
    [
        ("0,3,0.1\n1,2.5e", 1),  # the training goes on: its last row is only partly written
        ("0,3,0.1\n1,", 1),
        ("0,3,0.1\n1,2,-", 1),
        ("0,3,0.1\n1,2,0.2", 2),
        ("0,3,0.1\r\n\r\n1,2,0.2\r\n", 2),
        ("0,1e308,0.1\n1,-1e308,\n2,2,\n3,-3e38,\n4,3e38,\n5,5e-324,\n", 4),
        ("0,nan,0.1\n1,inf,\n2,1,\n", 1),
        ("0,1,0.1\n9223372036854775807,2,\n", 2),
    ],
)
def test_odd_rows(tmp_path, capsys, recwarn, rows, drawn):
    assert draw(tmp_path, f"iteration,loss,test/accuracy\n{rows}") == 0
    assert not recwarn.list
    loss, *_ = curves_of(*read_any(tmp_path / "log.csv"))
    assert loss.y.size == drawn


def test_what_is_left_out_is_said(tmp_path, capsys):
    header = "iteration,loss,test/loss,test/recall,test/correlation,test/auc\n"
    assert draw(tmp_path, f"{header}0,1,2,0.1,-0.5,nan\n1,0.5,1,0.9,0.5,nan\n") == 0
    assert capsys.readouterr().err == (
        f"{tmp_path / 'log.csv'}: neither a loss nor from 0 to 1, not drawn: test/correlation\n"
    )


def test_odd_names(tmp_path, recwarn):
    names = ["test/" + "x" * 300 + "_loss", "test/accuracy_" + "y" * 300, "test/a$b_loss", "test/精度acc", "_loss"]
    assert draw(tmp_path, f"iteration,loss,{','.join(names)}\n0,1,2,0.5,3,0.5,4\n", "--title", "t" * 500) == 0
    assert not recwarn.list


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", 'no column "iteration"; it has none'),
        ("epoch,train_loss\n1,2\n", 'no column "iteration"; it has epoch, train_loss'),
        ("Iteration,Loss\n1,2\n", 'no column "iteration"; did you mean "Iteration"?; it has Iteration, Loss'),
        ("iteration,loss\n", "not one finite value to draw"),
        ("iteration,loss\n0,nan\n1,\n2,1e39\n", "not one finite value to draw"),
        (f"iteration,loss\n0,{'7' * 200_000}\n", "no log of a training: field larger than field limit (131072)"),
        ("iteration,loss\n0\n1,2\n", "log.csv:2: fewer values than columns"),
        ("iteration,loss\n0,1,2\n1,2\n", "log.csv:2: more values than columns"),
        ("iteration,loss\n0,1\n1,two\n", "log.csv:3: loss is 'two', no number"),
        ("iteration,loss\n-1,1\n", "log.csv:2: no iteration is -1"),
    ],
)
def test_what_is_no_log(tmp_path, capsys, text, message):
    assert draw(tmp_path, text) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "x.svg").exists()


def test_a_folder_is_no_picture(logs, tmp_path, capsys):
    (tmp_path / "x.png").mkdir()
    assert main([logs[1], str(tmp_path / "x.png")], verb="plot") == 1
    assert "x.png: is a folder; give the name of a file" in capsys.readouterr().err


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


def test_a_legend_that_would_cover_the_title_goes_below(tmp_path):
    plot = pytest.importorskip("caffe_pylayers.cli._curves.plot").plot
    columns = ["loss", "test/dice_loss", "test/softmax_loss", "test/mean_iou"]
    rows = [{"iteration": str(i), **dict.fromkeys(columns, "0.5")} for i in range(3)]
    heights = []
    for title in ("a", "segmentation/solver.prototxt"):
        plot(columns, rows, tmp_path / "curves.png", title)
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
