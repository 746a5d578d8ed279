"""caffe-pylayers train, in processes of their own: a full disk, and signals at any moment; on either engine."""

import os
import random
import signal
import time

import pytest

from caffe_pylayers._disk.room import check_room
from caffe_pylayers.cli._curves.log import Log
from caffe_pylayers.cli._training.lock import NAME, locked
from tests.full_disk import limited

WIDE = """
layer {
  name: "wide" type: "InnerProduct" bottom: "data" top: "wide"
  inner_product_param { num_output: 12000 weight_filler { type: "xavier" } }
}
"""
LIMIT = 150_000  # bytes; the weights take more


@pytest.mark.parametrize("fmt", ["BINARYPROTO", "HDF5"])
def test_snapshots_that_do_not_fit(project, fmt):
    """Where real Caffe would end the process, and the HDF5 library crash."""
    project.net(WIDE, bottom="wide")
    project.solver(snapshot=5, snapshot_format=fmt)
    with limited(LIMIT):
        code, _, err = project.run()
    told = f"train.py: {project.out}: iteration 5 cannot be kept: File too large; there is no snapshot yet"
    assert (code, err.splitlines()[-1]) == (1, told)
    assert not [name for name in project.files() if name.startswith(".") or "_iter_" in name]
    assert [row["iteration"] for row in project.rows()] == [str(i) for i in range(6)]


def test_rows_that_do_not_fit(tmp_path):
    path = tmp_path / "log.csv"
    log = Log(path, [], 0, resume=False)
    log.write({"iteration": 1, "loss": 0.5})
    whole = path.read_bytes()
    with limited(len(whole) + 3), pytest.raises(OSError, match="File too large"):
        log.write({"iteration": 2, "loss": 0.25})
    log.close()
    assert path.read_bytes() == whole


def test_a_log_that_cannot_be_written_loses_no_weights(project, monkeypatch):
    write = Log.write

    def failing(log, row, at=None):
        if row["iteration"] == 4:
            raise OSError(28, "No space left on device")
        write(log, row, at)

    monkeypatch.setattr(Log, "write", failing)
    assert project.error() == f"{project.out}: No space left on device"
    assert {"tiny_iter_4.caffemodel", "tiny_iter_4.solverstate"} < set(project.files())
    monkeypatch.setattr(Log, "write", write)
    assert project.train(resume=True).iteration == 12


def test_a_picture_that_cannot_be_written_is_no_failure(project, monkeypatch, capsys):
    from caffe_pylayers.cli._curves import plot

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(plot, "plot", full)
    assert project.train(plot=True).model.exists()
    assert capsys.readouterr().err == f"no plot: {project.out / 'train.png'}: No space left on device\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_at_any_moment(project, number):
    project.solver(snapshot=3, display=10**6)
    moments = random.Random(0)
    for _ in range(2):
        with project.start("--max-iter", 10**6, "--resume") as process:
            while "training" not in process.stdout.readline():
                pass
            time.sleep(moments.uniform(0, 0.3))
            process.send_signal(number)
            _, err = process.communicate()
        assert "Traceback" not in err
        if number == signal.SIGINT:
            assert (process.returncode, err) == (0, "")
            assert not {NAME, ".snapshot.part"} & set(project.files())
    last = max((int(row["iteration"]) for row in project.rows()), default=0)  # a kill may come before the first row
    result = project.train(resume=True, max_iter=last + 2)
    assert result.model.exists()
    assert [row["iteration"] for row in project.rows()] == [str(i) for i in range(last + 3)]
    assert not [name for name in project.files() if name.startswith(".")]


def test_lock_that_is_let_go_meanwhile(tmp_path, monkeypatch):
    """The one before removes its file after it was opened here, before it is locked."""
    import fcntl

    flock, calls = fcntl.flock, []

    def slow(file, how):
        if not calls:
            (tmp_path / NAME).unlink()
        calls.append(how)
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", slow)
    with locked(tmp_path):
        assert len(calls) == 2
        assert (tmp_path / NAME).read_text() == f"{os.getpid()}\n"
    assert not list(tmp_path.iterdir())


def test_room(tmp_path, monkeypatch):
    check_room(tmp_path, 0, 1000)
    with pytest.raises(OSError, match=r"space|large"):
        check_room(tmp_path, 1 << 60)
    monkeypatch.delattr(os, "posix_fallocate")  # as on macOS
    check_room(tmp_path, 0, 1000)
    with pytest.raises(OSError, match="space"):
        check_room(tmp_path, 1 << 60)
    assert not list(tmp_path.iterdir())


def test_a_reader_that_has_seen_enough(project):
    """Such as head: nothing is wrong with the output folder."""
    project.solver(max_iter=10**6, display=1)
    with project.start() as process:
        process.stdout.readline()
        process.stdout.close()
        assert (process.stderr.read(), process.wait()) == ("", 141)
