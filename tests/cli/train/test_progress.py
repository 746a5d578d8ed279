"""caffe-pylayers train: what is said while it runs."""

import io
import re
import sys

import pytest

from caffe_pylayers.cli._training.progress import Bar, Progress, make_progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_lines(capsys):
    progress = Progress(total=300, display=100, average=2)
    for iteration in range(1, 301):
        progress.update(iteration, iteration / 100, 0.00978123, 1 / 41.2)
    progress.tested(300, {"test/accuracy": 0.95123, "test/loss": 0.0612345})
    assert capsys.readouterr().out.splitlines() == [
        "iteration 100/300  loss 0.995  lr 0.009781  41.2 it/s  ETA 0:00:05",
        "iteration 200/300  loss 1.995  lr 0.009781  41.2 it/s  ETA 0:00:02",
        "iteration 300/300  loss 2.995  lr 0.009781  41.2 it/s  ETA 0:00:00",
        "iteration 300  test accuracy 0.9512  loss 0.06123",
    ]


def test_the_last_iteration_and_an_engine_without_lr(capsys):
    progress = Progress(total=130, display=0, average=1)
    for iteration in range(1, 131):
        progress.update(iteration, 0.5, None, 2.0)
    assert capsys.readouterr().out.splitlines() == [
        "iteration 100/130  loss 0.5  0.50 it/s  ETA 0:01:00",
        "iteration 130/130  loss 0.5  0.50 it/s  ETA 0:00:00",
    ]


def test_several_test_nets(capsys):
    Progress(1, 1, 1).tested(5, {"test0/a": 1.0, "test0/b": 2.0, "test1/a/b": 3.0})
    assert capsys.readouterr().out == "iteration 5  test net #0: a 1  b 2\niteration 5  test net #1: a/b 3\n"


def test_bar_on_a_terminal(monkeypatch):
    pytest.importorskip("tqdm")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    progress = make_progress(start=5, total=10, display=100, average=1)
    assert isinstance(progress, Bar)
    for iteration in range(6, 9):
        progress.update(iteration, 0.25, 0.01, 0.1)
    progress.tested(8, {"test/accuracy": 0.5})
    progress.close()
    text = terminal.getvalue()
    assert "\riteration 8  test accuracy 0.5\n" in text
    assert re.search(r"80% \|.*\| 8/10  .*it.*  ETA .*  loss 0.25  lr 0.01", text)


def test_lines_where_there_is_no_terminal_or_no_tqdm(monkeypatch):
    assert type(make_progress(0, 10, 1, 1)) is Progress
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert type(make_progress(0, 10, 1, 1)) is Progress


def test_lines_are_flushed(monkeypatch):
    class Pipe(io.StringIO):
        arrived = ""

        def flush(self):
            self.arrived = self.getvalue()

    monkeypatch.setattr(sys, "stdout", Pipe())
    Progress(1, 1, 1).update(1, 0.5, 0.1, 1.0)
    assert sys.stdout.arrived == "iteration 1/1  loss 0.5  lr 0.1  1.00 it/s  ETA 0:00:00\n"


def test_lines_of_a_training(project, capsys):
    project.solver(display=6)
    project.train()
    start, first_test, *_ = lines = capsys.readouterr().out.splitlines()
    assert start == f"training {project.path} from iteration 0 on the CPU, into {project.out}"
    assert first_test.startswith("iteration 0  test accuracy ")
    assert re.fullmatch(r"iteration 6/12  loss \S+  lr 0\.1  \S+ it/s  ETA 0:00:00", lines[3])
    assert [line.split("  ")[0] for line in lines[2:-2]] == [
        "iteration 5",
        "iteration 6/12",
        "iteration 10",
        "iteration 12/12",
        "iteration 12",
    ]
    assert lines[-2:] == [
        f"snapshot {project.out / 'tiny_iter_12.solverstate'}",
        f"model {project.out / 'final.caffemodel'}",
    ]


def test_average_loss(project, capsys):
    project.solver(average_loss=3, display=3)
    project.train()
    losses = [float(row["loss"]) for row in project.rows()[1:]]
    shown = re.findall(r"iteration \d+/12  loss (\S+)", capsys.readouterr().out)
    assert shown == [f"{sum(losses[i : i + 3]) / 3:.4g}" for i in range(0, 12, 3)]


def test_only_what_is_wrong_is_said_on_stderr(project, monkeypatch):
    monkeypatch.delenv("GLOG_minloglevel")
    assert project.run()[2] == ""


@pytest.mark.caffe
def test_the_log_of_real_caffe(project, monkeypatch):
    monkeypatch.setenv("GLOG_minloglevel", "0")
    assert "Creating training net" in project.run()[2]
