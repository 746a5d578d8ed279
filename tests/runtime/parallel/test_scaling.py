"""The arithmetic of docs/scaling.md, as benchmarks/scaling.py has it."""

import importlib.util
import math
import sys
from pathlib import Path

import pytest

PATH = Path(__file__).parents[3] / "benchmarks" / "scaling.py"


@pytest.fixture(scope="module")
def scaling():
    before = list(sys.path)
    spec = importlib.util.spec_from_file_location("scaling", PATH)
    module = importlib.util.module_from_spec(spec)
    sys.modules["scaling"] = module
    spec.loader.exec_module(module)
    yield module
    sys.path[:] = before
    del sys.modules["scaling"]


def test_a_sum_costs_steps_and_bytes(scaling):
    assert scaling.ring(100, 1, 1, 10) == scaling.tree(100, 1, 1, 10) == 0
    assert scaling.ring(100, 2, 1, 10) == 2 + 10
    assert scaling.ring(100, 4, 1, 10) == 6 + 15
    assert scaling.tree(100, 8, 1, 10) == 6 + 20


def test_machines_sum_inside_first_then_by_the_faster_way(scaling):
    alone = scaling.Network("", 1, 10)
    assert scaling.reduction(100, 2, alone) == scaling.ring(100, 2, 1, 10)
    assert scaling.reduction(100, 64, alone) == scaling.tree(100, 64, 1, 10)
    two_each = scaling.Network("", 1, 10, inside=2, inside_bandwidth=100)
    assert scaling.reduction(100, 2, two_each) == 1
    assert scaling.reduction(100, 4, two_each) == 1 + scaling.ring(100, 2, 1, 10)


def test_sums_hide_behind_what_is_left_of_the_backward_pass(scaling):
    assert scaling.exposed([(4, 1), (2, 6)], 10, lambda size: size) == 0
    assert scaling.exposed([(4, 1), (2, 9)], 10, lambda size: size) == 1
    assert scaling.exposed([(12, 1), (2, 9)], 10, lambda size: size) == 5, "the second waits for the first"


def test_the_slowest_of_several(scaling):
    assert scaling.straggler(1, 3) == 0
    assert scaling.straggler(2, 1) == pytest.approx(1 / math.sqrt(math.pi), abs=0.03)  # the exact expectation
    assert all(scaling.straggler(n, 1) < math.sqrt(2 * math.log(n)) for n in (2, 8, 64, 1024))


def test_a_net_costs_what_its_layers_do(scaling):
    net = scaling.costs("lenet_python")
    assert net.flops == 2 * (500 * 24 * 24 + 25_000 * 8 * 8 + 400_000 + 5_000)
    assert [size for size, *_ in net.buckets] == [4 * 431_080]
    assert net.compute(10, 1, 0) == pytest.approx(30 * net.flops / 1e12)
