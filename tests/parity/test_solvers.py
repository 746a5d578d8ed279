"""Solvers beside real Caffe's: rates to the last bit, weights after 50 steps, snapshots moved both ways."""

import logging
import os
import re
import subprocess

import numpy as np
import pytest

from caffe_pylayers.runtime.solvers import get_solver
from tests.parity import solver_cases as cases
from tests.parity.families import ROOT

RTOL = 1e-4


@pytest.fixture(scope="session")
def real(real_python):
    """Run tests/parity/record_solvers.py under real Caffe; gives its log."""

    def run(what, folder, loglevel="2"):
        script = ROOT / "tests" / "parity" / "record_solvers.py"
        command = [str(real_python), str(script), what, str(folder)]
        env = dict(os.environ, GLOG_minloglevel=loglevel)
        done = subprocess.run(command, env=env, stderr=subprocess.PIPE, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stderr

    return run


@pytest.fixture(scope="session")
def recorded(real, tmp_path_factory):
    """A folder with what real Caffe came to, and its snapshots."""
    folder = tmp_path_factory.mktemp("solvers")
    real("train", folder)
    return folder


@pytest.fixture(scope="session")
def arrays(recorded):
    with np.load(recorded / "solvers.npz") as file:
        return dict(file)


@pytest.fixture(scope="session")
def golden():
    """The start, rates and weights of the repository, one row for each case."""
    with np.load(cases.GOLDEN) as file:
        return dict(file)


def solver_of(folder, name, case, start=None):
    solver = get_solver(cases.write(folder, name, *case))
    cases.feed(solver.net)
    if start:
        solver.net.copy_from(start)
    return solver


def check(found, expected):
    np.testing.assert_allclose(found, expected, RTOL, RTOL * np.abs(expected).max())


def test_the_recordings_are_of_the_real_caffe_that_is_here(arrays, golden):
    check(golden["start"], arrays["start"])
    assert list(golden["names"]) == list(cases.CASES), "run scripts/record_golden.py"
    for name, rates, weights in zip(cases.CASES, golden["rates"], golden["weights"]):
        np.testing.assert_array_equal(rates, arrays[f"{name}/rates"])
        check(weights, arrays[f"{name}/weights"])


@pytest.mark.parametrize("name", cases.CASES)
def test_fifty_steps(golden, tmp_path, name):
    case = list(golden["names"]).index(name)
    solver = solver_of(tmp_path, name, cases.CASES[name])
    cases.start(solver.net, golden["start"])
    rates = []
    for _ in range(cases.STEPS):
        rates.append(solver.lr)
        solver.step(1)
    np.testing.assert_array_equal(np.float32(rates), golden["rates"][case])
    check(cases.weights(solver.net), golden["weights"][case])


@pytest.mark.parametrize("name", cases.RESUMED)
def test_goes_on_from_real_caffes_snapshot(recorded, arrays, tmp_path, name):
    solver = solver_of(tmp_path, name, cases.RESUMED[name])
    suffix = ".h5" if name.endswith("HDF5") else ""
    solver.restore(recorded / f"{name}_iter_{cases.MIDDLE}.solverstate{suffix}")
    assert solver.iter == cases.MIDDLE
    solver.step(cases.STEPS - cases.MIDDLE)
    check(cases.weights(solver.net), arrays[f"{name}/weights"])


@pytest.fixture(scope="session")
def snapshots(recorded, tmp_path_factory):
    """A folder with snapshots of the runtime."""
    folder = tmp_path_factory.mktemp("snapshots")
    for name, case in cases.RESUMED.items():
        solver = solver_of(folder, name, case, recorded / "start.caffemodel")
        solver.step(cases.MIDDLE)
        solver.snapshot()
    return folder


def test_files_are_named_as_real_caffe_names_them(snapshots, recorded):
    assert {path.name for path in snapshots.glob("*_iter_*")} == {path.name for path in recorded.glob("*_iter_*")}


@pytest.fixture(scope="session")
def resumed(real, snapshots):
    """Return the values that real Caffe comes to from them."""
    real("resume", snapshots)
    with np.load(snapshots / "resumed.npz") as file:
        return dict(file)


@pytest.mark.parametrize("name", cases.RESUMED)
def test_real_caffe_goes_on_from_our_snapshot(resumed, arrays, name):
    check(resumed[name], arrays[f"{name}/weights"])


def test_log(real, recorded, caplog):
    """The same lines; their numbers up to rounding, times aside."""
    lines = real("log", recorded, loglevel="0").splitlines()
    wanted = re.compile(r"solver\.cpp:\d+\] (.*)|net\.cpp:\d+\] (.*\[(?:For|Back)ward\] .*)")
    theirs = [found[1] or found[2] for found in map(wanted.search, lines) if found]
    solver = solver_of(recorded, "logged", cases.LOGGED, recorded / "start.caffemodel")
    for net in solver.test_nets:
        cases.feed(net)
    caplog.set_level(logging.INFO, "caffe_pylayers.runtime")
    solver.solve()
    ours = [record.getMessage() for record in caplog.records]
    theirs = theirs[theirs.index(ours[0]) :]
    assert [words(line) for line in ours] == [words(line) for line in theirs]
    for mine, other in zip(map(numbers, ours), map(numbers, theirs)):
        assert mine == pytest.approx(other, rel=1e-4)


NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[-+]?\d+)?")


def words(line):
    return NUMBER.sub("N", line)


def numbers(line):
    return [float(number) for number in NUMBER.findall(re.sub(r"\(.* iter/s.*?\)", "", line))]
