"""Training by several processes, each a solver with its share of the data."""

import importlib
import os
import resource
import signal
import types

import numpy as np
import pytest

from caffe_pylayers import _engine, cli

pytestmark = pytest.mark.skipif(not _engine.on_runtime(), reason="processes train together on the runtime")


def same_training(project, here, there):
    rows, others = project.rows(here / "log.csv"), project.rows(there / "log.csv")
    for row, other in zip(rows, others, strict=True):
        assert row.keys() == other.keys()
        for name in row.keys() - {"seconds"}:
            assert float(row[name] or 0) == pytest.approx(float(other[name] or 0), abs=1e-5), name
    mine, theirs = (project.weights(out / "final.caffemodel") for out in (here, there))
    for layer, values in mine.items():
        np.testing.assert_allclose(theirs[layer], values, rtol=1e-5, atol=1e-6)


def test_two_are_one_with_twice_the_batch(project):
    code, out, err = project.run("--processes", 2, cwd=project.root)
    assert (code, err) == (0, "")
    assert out.count("on 2 CPU processes") == out.count("iteration 12/12") == out.count("model ") == 1
    two = project.out.rename(project.root / "two")
    net = project.root / "nets" / "net.prototxt"
    net.write_text(net.read_text().replace("batch_size: 4", "batch_size: 8", 1))
    project.train()
    same_training(project, two, project.out)


def refused(project, capsys, *options):
    """What the command line ends with."""
    assert cli.main(["--solver", str(project.path), *options], verb="train") == 1
    return capsys.readouterr().err.partition(": ")[2]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--processes", "0"], "--processes takes a number from 1; is 0\n"),
        (
            ["--processes", "3", "--gpu", "0,1"],
            "--processes 3 is another number than that of the GPUs, 2: leave it out\n",
        ),
        (
            ["--gpu", "7,999"],
            "--gpu 7,999: this PyTorch sees %s; --processes 2 --cpu trains on the CPU\n",
        ),
    ],
)
def test_options(project, capsys, options, told):
    from caffe_pylayers.runtime.memory import device

    sees = f"GPUs 0 to {device.count() - 1}" if device.count() else "no GPU"
    assert refused(project, capsys, *options) == told.replace("%s", sees)


def test_a_solver_for_gpus_that_are_not_there(project, capsys, monkeypatch):
    from caffe_pylayers.runtime.memory import device

    project.solver(solver_mode="GPU", max_iter=1)
    told = f"{project.path}: solver_mode: GPU, and --processes 2: this PyTorch %s; --cpu trains on the CPU\n"
    for there, sees in ((0, "sees no GPU"), (1, "sees GPUs 0 to 0")):
        monkeypatch.setattr(device, "count", lambda there=there: there)
        assert refused(project, capsys, "--processes", "2") == told % sees
    started = []
    monkeypatch.setattr("caffe_pylayers.runtime.parallel.launch.launch", lambda *given: started.append(given) or 0)
    for options in (["--cpu", "--processes", "2"], ["--processes", "2"]):
        assert cli.main(["--solver", str(project.path), *options], verb="train") == 0
        project.solver(solver_mode=None)
    assert len(started) == 2


def test_more_than_the_system_starts(project, capsys):
    importlib.import_module("caffe_pylayers.runtime.parallel.launch")  # its files are not those that are counted
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    last = max(map(int, os.listdir("/dev/fd")))
    resource.setrlimit(resource.RLIMIT_NOFILE, (last + 90, before[1]))
    try:
        told = refused(project, capsys, "--processes", "1000")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert told == "1000 processes cannot be started here: Too many open files\n"


def test_all_gpus_of_none(project, capsys):
    from caffe_pylayers.runtime.memory import device

    if device.count():
        pytest.skip("there is a GPU")
    told = refused(project, capsys, "--gpu", "all")
    assert told == "--gpu all: this PyTorch sees no GPU; --cpu trains on the CPU\n"


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({}, "--processes 4 is another number than the 2 that were started on this machine: leave it out\n"),
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE=two is not a number\n"),
        ({"RANK": "5"}, "RANK=5 is not below WORLD_SIZE=4\n"),
        ({"MASTER_PORT": "65536"}, "MASTER_PORT=65536 is not a port, from 1 to 65535\n"),
        (
            {"MASTER_ADDR": "", "MASTER_PORT": ""},
            "the environment has RANK and WORLD_SIZE, as of a launcher's process, but no MASTER_ADDR and no "
            "MASTER_PORT: set all of them, or none\n",
        ),
    ],
)
def test_options_beside_a_launcher(project, capsys, monkeypatch, variables, told):
    started = {"RANK": "0", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}
    for name, value in {**started, **variables}.items():
        monkeypatch.setenv(name, value)
    assert refused(project, capsys, "--processes", "4") == told


def test_a_signal_that_a_launcher_passes_on_is_one(monkeypatch):
    """What a job manager sends to it and to all of its processes comes twice."""
    from caffe_pylayers.cli._training import signals as training

    before = signal.signal(signal.SIGTERM, lambda *_: again.append(1))
    again = []
    try:
        with training.Signals({}, passed_on=True) as signals:
            for wish, ended in ((60.0, []), (0.0, [1])):
                monkeypatch.setattr(signals, "_again", wish)
                os.kill(os.getpid(), signal.SIGTERM)
                os.kill(os.getpid(), signal.SIGTERM)
                assert (signals.stop, again[:1]) == (signal.SIGTERM, ended)
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(("passed_on", "ended"), [(True, []), (False, [1])])
def test_a_launcher_that_ends_one_that_has_failed(passed_on, ended):
    """As it ends all others where one has; it may be this one that says why."""
    from caffe_pylayers.cli._training.signals import Signals

    before = signal.signal(signal.SIGTERM, lambda *_: came.append(1))
    came = []
    try:
        with pytest.raises(RuntimeError), Signals({}, passed_on):
            raise RuntimeError
        os.kill(os.getpid(), signal.SIGTERM)
        assert came == ended
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_signal_to_all_processes_takes_one_snapshot(monkeypatch):
    from caffe_pylayers.cli._training import team

    several = team.Several(types.SimpleNamespace(rank=0, count=2))
    for ranks, snapshot in ((1, True), (1, False), (2, False)):  # in one iteration after the other
        several._obey([ranks, 0, 0, 0])
        assert several.hung_up(None) == snapshot
    monkeypatch.setattr(several, "_heard", several._heard - team.ONE_WISH)
    several._obey([1, 0, 0, 0])
    assert several.hung_up(None)


@pytest.mark.parametrize(
    ("fields", "options", "told"),
    [
        ({}, {}, ""),
        ({"base_lr": 0.2}, {}, "base_lr 0.2"),
        ({"type": '"Adam"'}, {}, "type Adam"),
        ({}, {"max_iter": 5}, "max_iter 5"),
    ],
)
def test_one_that_was_given_another_solver(project, fields, options, told):
    from caffe_pylayers.cli._training import follower, plan, solver_file
    from caffe_pylayers.cli._training.options import Options
    from caffe_pylayers.cli._training.team import Alone

    leads = plan.solver_param(Options(project.path), Alone())
    led = solver_file.for_engine(leads, project.out / "tiny").SerializeToString().hex()
    project.solver(test_iter=None, snapshot=7, snapshot_prefix='"elsewhere/tiny"', **fields)
    here = Options(project.path, **options)
    mine = plan.solver_param(here, Alone())
    if not told:
        assert follower._for_this_process(led, mine, here).base_lr == leads.base_lr
        return
    with pytest.raises(cli.UserError, match=f"with the options here, has {told}, and the leader's {told.split()[0]} "):
        follower._for_this_process(led, mine, here)
