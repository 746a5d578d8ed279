"""What `make gpu` says of parts that end in other ways than they should."""

import argparse
import json
import subprocess

import pytest


@pytest.fixture
def run(gpu_script, tmp_path):
    args = argparse.Namespace(output=tmp_path / "a folder", seconds=60, device="cpu", batch=2, rounds=1)
    return gpu_script.Run(args, "a machine")


def table(run):
    lines = (run.folder / "gpu.md").read_text().splitlines()
    return [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")][2:]


def test_a_net_that_ends_in_between_leaves_its_rows(gpu_script, run, monkeypatch):
    said = "| net |\n| --- |\n| a |\nIt went wrong"
    program = run._program
    monkeypatch.setattr(run, "_program", lambda *_: program(["-c", f"import os; print({said!r}); os._exit(3)"], 1))
    run.speed("a")
    assert table(run)[0][:4] == ["speed of a", "1", "1", "0"]
    text = (run.folder / "gpu.md").read_text()
    assert "| a |" in text
    assert "It went wrong" not in text
    assert "ended with 3" in (run.folder / "failures.md").read_text()
    assert "It went wrong" in (run.folder / "log.txt").read_text()
    assert run.end() == 1


def test_a_part_that_lasts_too_long_is_ended(run):
    _, problem, said = run._program(["-c", "import time; print('begun'); time.sleep(60)"], 1.2 / 60)
    assert problem.startswith("ended after 1 seconds")
    assert said == "begun\n"


def test_nothing_begins_when_the_time_is_over(gpu_script, run):
    run.args.seconds = 0
    assert run._program(["-c", "1 / 0"], 1)[1].startswith("not run: the 0 seconds")


def test_ctrl_c_leaves_what_is_done(run, monkeypatch):
    interrupts, really = [KeyboardInterrupt], subprocess.Popen.wait

    def wait(program, *seconds):
        if interrupts:
            raise interrupts.pop()
        return really(program, *seconds)

    monkeypatch.setattr(subprocess.Popen, "wait", wait)
    run.speed("a")
    assert table(run)[0][-1] == "stopped by Ctrl-C"
    assert run.end() == 130


def counted(run, monkeypatch, lines, problem):
    def program(*_):
        with (run.folder / "tests.jsonl").open("a") as report:
            report.write("".join(f"{json.dumps(line)}\n" for line in lines))
        return 1.0, problem, ""

    monkeypatch.setattr(run, "_program", program)
    run.tests("solvers")
    return table(run)[-1]


PASSED = {"test": "a.py::test_a", "outcome": "passed", "figures": "12 ms"}
FAILED = {"test": "a.py::test_b", "outcome": "failed", "why": "for a reason"}


def test_tests_that_fail_are_counted_and_explained(run, monkeypatch):
    row = counted(run, monkeypatch, [PASSED, FAILED, {"over": 1}], "ended with 1\n")
    assert row[1:5] == ["1", "1", "0", "1"]
    assert (run.folder / "failures.md").read_text() == "## a.py::test_b\n\n```text\nfor a reason\n```\n\n"
    assert "- a: 12 ms" in (run.folder / "gpu.md").read_text()


@pytest.mark.parametrize(
    ("lines", "problem"),
    [([PASSED, FAILED], "ended with 1\nTimeout"), ([PASSED], "ended with -11\n"), ([{"over": 5}], "ended with 5\n")],
)
def test_tests_whose_process_dies_are_a_failure(run, monkeypatch, lines, problem):
    row = counted(run, monkeypatch, lines, problem)
    assert row[5] == problem.partition("\n")[0]
    assert "## solvers" in (run.folder / "failures.md").read_text()


def test_what_lacks_is_said(gpu_script, run, monkeypatch):
    monkeypatch.setattr(gpu_script, "has", lambda library: library != "pytest")
    run.tests("solvers")
    assert table(run) == [["solvers", "0", "0", "0", "0", "not run: needs pytest"]]
    pytest.importorskip("torch")
    assert "Without pytest:" in gpu_script.machine("cpu")


def test_a_failure_for_want_of_a_library_is_told_from_others(monkeypatch):
    pytest.importorskip("torch")
    from tests.device import plugin

    monkeypatch.setattr(plugin, "ABSENT", {"lmdb": "lmdb", "yaml": "pyyaml"})
    by_import = ImportError("LMDB needs lmdb")
    by_import.__cause__ = ModuleNotFoundError("No module", name="lmdb")
    assert plugin.lacking(by_import) == "lmdb"
    assert plugin.lacking(ValueError("(for YAML, pip install pyyaml)")) == "yaml"
    assert plugin.lacking(ModuleNotFoundError("No module", name="numpy")) is None
