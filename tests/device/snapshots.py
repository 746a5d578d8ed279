"""Snapshots of solvers on a device: what they hold is what the CPU's hold, and either goes on from the other's."""

import itertools

import numpy as np
import pytest

from caffe_pylayers.runtime.files import solver_state
from caffe_pylayers.runtime.memory import device
from caffe_pylayers.runtime.solvers import get_solver
from tests.parity import solver_cases as cases
from tests.parity.test_solvers import check

PLACES = ("cpu", "device")


@pytest.fixture(scope="module")
def golden():
    with np.load(cases.GOLDEN) as file:
        return dict(file)


@pytest.fixture
def at():
    """Compute on the CPU, or on the device of the tests: at(place)."""
    tested = device.current()

    def go(place):
        if place == "device" and tested != device.HOST:
            device.set_mode_gpu()
        else:
            device.set_mode_cpu()

    return go


def solver_of(folder, name):
    folder.mkdir(exist_ok=True)
    solver = get_solver(cases.write(folder, name, *cases.RESUMED[name]))
    cases.feed(solver.net)
    return solver


@pytest.mark.parametrize("name", cases.RESUMED)
def test_snapshots_are_the_cpus(golden, at, tmp_path, name):
    suffix = ".h5" if name.endswith("HDF5") else ""
    end = golden["weights"][list(golden["names"]).index(f"{name.partition('-')[0]}-multistep-L2")]
    states, weights = {}, {}
    for place in PLACES:
        at(place)
        solver = solver_of(tmp_path / place, name)
        cases.start(solver.net, golden["start"])
        solver.step(cases.MIDDLE)
        solver.snapshot()
        path = tmp_path / place / f"{name}_iter_{cases.MIDDLE}.solverstate{suffix}"
        states[place], weights[place] = solver_state.load_state(path), cases.weights(solver.net)
    check(weights["device"], weights["cpu"])
    one, other = states["device"], states["cpu"]
    assert (one.iteration, one.current_step) == (other.iteration, other.current_step)
    for found, wanted in zip(one.history, other.history):
        check(found, wanted)
    for taken, restored in itertools.product(PLACES, PLACES):
        at(restored)
        solver = solver_of(tmp_path / f"{taken} to {restored}", name)
        solver.restore(tmp_path / taken / f"{name}_iter_{cases.MIDDLE}.solverstate{suffix}")
        np.testing.assert_array_equal(cases.weights(solver.net), weights[taken])
        solver.step(cases.STEPS - cases.MIDDLE)
        check(cases.weights(solver.net), end)
