"""A short run of the fuzzer, and that it sees what it looks for."""

import os
import signal

import pytest

from tests.fuzz import run as fuzz
from tests.fuzz.outcome import outcome


def test_every_hostile_input_is_computed_or_refused_in_one_line():
    outcomes, bad = fuzz.run(
        {"net": 250, "param_str": 250, "file": 100, "layer": 250, "python_layer": 300, "solver": 80}
    )
    assert bad == []
    assert all(counted["ok"] and counted["clean"] for counted in outcomes.values())


def test_a_message_of_ours_with_a_name_is_clean():
    from caffe_pylayers._layer.parameter import read_parameters

    assert outcome(lambda: read_parameters({}, '{"a": 1}'), ("param",))[0] == "clean"
    assert outcome(lambda: read_parameters({}, '{"a": 1}'), ("net.prototxt",))[0] == "obscure"
    assert outcome(lambda: None, ("layer",)) == ("ok", "")


def test_what_a_library_raises_in_our_code_is_obscure():
    from caffe_pylayers._layer.quote import quoted

    state, message = outcome(lambda: quoted("x", most="y"), ("instances",))
    assert (state, message.partition(":")[0]) == ("obscure", "TypeError")


@pytest.mark.parametrize("message", ["layer", "layer\nand more", "", "layer " * 300])
def test_other_errors_are_obscure(message):
    def fail():
        raise ValueError(message)  # raised outside of the package

    assert outcome(fail, ("layer",))[0] == "obscure"


@pytest.fixture
def worker(tmp_path):
    fuzz.write_whole(tmp_path)
    made = fuzz.Worker(tmp_path)
    yield made
    made.close()


def test_a_case_that_ends_the_process_or_takes_too_long_is_seen(worker, monkeypatch):
    first = worker.run("net", 0)
    os.kill(worker.process.pid, signal.SIGKILL)
    worker.process.wait()
    assert worker.run("net", 0) == ("crash", "exit code -9")
    assert worker.run("net", 0) == first
    monkeypatch.setitem(fuzz.SECONDS, "net", 0.0)
    assert worker.run("net", 0)[0] == "hang"
