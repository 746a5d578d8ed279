"""caffe-pylayers train: signals."""

import errno
import json
import os
import shlex
import signal
import subprocess
import threading

import pytest

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def _handlers_are_restored():
    before = [signal.getsignal(number) for number in SIGNALS]
    yield
    assert [signal.getsignal(number) for number in SIGNALS] == before


def at(forward, do, phase="TRAIN"):
    """A param_str for train_layers.At."""
    return json.dumps({"forward": forward, "do": do, "phase": phase})


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_finishes_the_iteration_and_takes_a_snapshot(project, capsys, name):
    project.net_with(at(4, name))
    result = project.train(plot=True)
    assert result.iteration == 4
    assert result.stopped_by is getattr(signal, name)
    assert result.snapshot == project.out / "tiny_iter_4.solverstate"
    assert result.model is None
    assert project.files() == [
        "log.csv",
        "solver.prototxt",
        "tiny_iter_4.caffemodel",
        "tiny_iter_4.solverstate",
        "train.png",
    ]
    assert [row["iteration"] for row in project.rows()] == ["0", "1", "2", "3", "4"]
    assert capsys.readouterr().out.endswith(f"snapshot {result.snapshot}\nstopped at iteration 4\n")


def test_before_the_first_iteration(project):
    project.net_with(at(1, "SIGINT", "TEST"))
    result = project.train()
    assert (result.iteration, result.snapshot) == (0, None)
    assert project.rows() == []


def test_in_a_test_leaves_the_test_to_the_resumed_run(project):
    project.net_with(at(3, "SIGINT", "TEST"))  # the first of those at iteration 5
    result = project.train()
    assert (result.iteration, result.tests) == (5, {})
    assert project.rows()[-1]["test/accuracy"] == ""
    project.net_with(at(99, "SIGINT"))
    project.train(snapshot=result.snapshot)
    tested = [row["iteration"] for row in project.rows() if row["test/accuracy"]]
    assert tested == ["0", "5", "10", "12"]
    assert [row["iteration"] for row in project.rows()] == [str(i) for i in range(13)]


def test_in_the_last_iteration_still_gives_the_model(project):
    project.net_with(at(12, "SIGINT"))
    result = project.train()
    assert (result.iteration, result.stopped_by) == (12, None)
    assert result.model.exists()


def test_a_second_one_stops_at_once(project):
    project.net_with(at(4, "SIGINT SIGINT"))
    with pytest.raises(KeyboardInterrupt):
        project.train()
    assert project.files() == ["log.csv", "solver.prototxt"]


def test_hangup_takes_a_snapshot_and_goes_on(project):
    project.net_with(at(4, "SIGHUP"))
    assert project.train().iteration == 12
    assert {"tiny_iter_4.solverstate", "tiny_iter_12.solverstate"} < set(project.files())


def test_in_another_thread(project):
    results = []
    thread = threading.Thread(target=lambda: results.append(project.train()))
    thread.start()
    thread.join()
    assert results[0].iteration == 12


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 0), ("SIGTERM", 143)])
def test_exit_code_and_the_command_that_goes_on(project, name, code):
    project.net_with(at(4, name))
    given = ["--output-dir", "a folder", "--level", "1", "--seed", "3", "--sighup-effect", "none"]
    got, out, err = project.run(*given)
    assert (got, err) == (code, "")
    project.net_with(at(99, name))
    command = out.splitlines()[-1]
    assert shlex.split(command)[-8:] == given
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert "from iteration 4 on the CPU" in done.stdout
    assert (project.root / "a folder" / "final.caffemodel").exists()


def test_a_second_one_ends_the_process(project):
    project.net_with(at(4, "SIGINT SIGINT"))
    code, _, err = project.run()
    assert (code, err) == (130, "stopped at once\n")
    project.net_with(at(4, "SIGTERM SIGTERM"))
    assert project.run()[0] == -signal.SIGTERM


@pytest.mark.parametrize("both", ["SIGINT SIGTERM", "SIGTERM SIGINT", "together SIGINT SIGTERM"])
def test_two_kinds_are_one_wish(project, both):
    """A terminal and a job manager that end a training send both."""
    project.net_with(at(4, both))
    code, out, err = project.run()
    assert (code in (0, 143), err) == (True, "")
    assert f"snapshot {project.out / 'tiny_iter_4.solverstate'}\nstopped at iteration 4\n" in out


def test_from_outside(project):
    """A signal that comes while Caffe computes."""
    project.solver(max_iter=10**9, display=1)
    with project.start() as process:
        while not process.stdout.readline().startswith("iteration 10/"):
            pass
        os.kill(process.pid, signal.SIGINT)
        out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert "\nstopped at iteration " in out


@pytest.mark.parametrize(("name", "effect"), [("SIGINT", "snapshot"), ("SIGINT", "none"), ("SIGHUP", "none")])
def test_other_effects(project, name, effect):
    project.net_with(at(4, name))
    result = project.train(**{f"{name.lower()}_effect": effect})
    assert result.iteration == 12
    assert ("tiny_iter_4.solverstate" in project.files()) == (effect == "snapshot")


def test_hangup_can_stop(project):
    project.net_with(at(4, "SIGHUP"))
    assert project.train(sighup_effect="stop").stopped_by is signal.SIGHUP


def test_one_training_at_a_time_in_a_folder(project):
    from caffe_pylayers.cli._training.lock import NAME, locked

    project.out.mkdir()
    (project.out / NAME).write_text("1\n")  # of one that was killed
    with locked(project.out):
        message = project.error()
        assert message == (
            f"another training, process {os.getpid()}, writes to {project.out}; give this one another --output-dir"
        )
        assert project.files() == [NAME]
    assert project.train().iteration == 12
    assert NAME not in project.files()


def test_lock_that_is_a_link(project):
    from caffe_pylayers.cli._training.lock import NAME

    precious = project.root / "precious"
    precious.write_text("data")
    project.out.mkdir()
    (project.out / NAME).symlink_to(precious)
    assert project.error() == f"{project.out / NAME} is a symbolic link; remove it"
    assert precious.read_text() == "data"


def test_lock_that_is_removed_meanwhile(project):
    project.net_with(at(4, "rename out/.training.lock elsewhere"))
    assert project.train().model.exists()


def test_file_system_without_locks(project, monkeypatch):
    """As Lustre is often mounted."""
    import fcntl

    def unknown(file, how):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", unknown)
    assert project.train().iteration == 12
