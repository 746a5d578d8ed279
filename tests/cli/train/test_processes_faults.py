"""Training by several processes, one of which ends, is told to stop, or is not there at all."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from caffe_pylayers import _engine
from caffe_pylayers.cli._training.snapshot_file import read_snapshot

pytestmark = pytest.mark.skipif(not _engine.on_runtime(), reason="processes train together on the runtime")

SPEAKER = "train.py: "
ENDS_AT_ONCE = """
import os, signal, sys
from caffe_pylayers import cli

if __name__ == "__main__":
    sys.exit(cli.main(verb="train"))
os.kill(os.getpid(), signal.SIGKILL)
"""
LONG = 60  # seconds, for processes on a busy machine


def torchrun(project, *options):
    """The driver's processes, started by torchrun."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *options]
    command += ["-m", "caffe_pylayers", "train", "--solver", str(project.path), "--resume"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=project.root)


def trained(process, iteration):
    """Wait until an iteration is told of."""
    for line in process.stdout:
        if line.startswith(f"iteration {iteration}/"):
            return
    raise AssertionError(process.stderr.read())


def workers(process):
    """The processes that a launcher has started, in the order of their ranks."""
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as stat, open(f"/proc/{name}/environ") as environ:
                parent = int(stat.read().rpartition(")")[2].split()[1])
                variables = dict(each.partition("=")[::2] for each in environ.read().split("\0"))
        except OSError:
            continue
        if parent == process.pid and "RANK" in variables:
            found[int(variables["RANK"])] = int(name)
    return [found[rank] for rank in sorted(found)]


def ended(pids):
    """Wait until processes are there no more."""
    last = time.monotonic() + LONG
    while any(os.path.exists(f"/proc/{pid}") for pid in pids):
        assert time.monotonic() < last
        time.sleep(0.05)


def test_a_layer_that_fails_in_one(project):
    """The leader says it, and how to go on."""
    project.net_with(json.dumps({"forward": 4, "do": "raise", "rank": 1}), layer="AtRank")
    code, _, err = project.run("--processes", 2, cwd=project.root)
    said = "iteration 4: LookupError: nothing under that key"
    told = [line[len(SPEAKER) :] for line in err.splitlines() if line.startswith(SPEAKER)]
    assert (code, err.count("Traceback"), len(told)) == (1, 1, 1), err
    assert re.fullmatch(rf"solver 1 of 2 \(process \d+ on machine .*\): {said}", told[0]), told
    assert f"go on with\n  {sys.executable}" in err
    assert read_snapshot(project.out / "tiny_iter_3.solverstate").iteration == 3
    assert [row["iteration"] for row in project.rows()] == ["0", "1", "2", "3"]


def test_a_leader_that_is_killed(project):
    """The last one says so, and goes on from what the leader has written."""
    project.solver(snapshot=5)
    project.net_with(json.dumps({"forward": 8, "do": "SIGKILL", "rank": 0}), layer="AtRank")
    code, _, err = project.run("--processes", 2, cwd=project.root)
    told, how, command = err.splitlines()
    assert (code, how) == (1, "once that is mended, go on with")
    assert re.fullmatch(rf"{SPEAKER}solver 0 of 2 \(process \d+ on machine .*\) has ended", told)
    assert f"--snapshot {project.out / 'tiny_iter_5.solverstate'}" in command


def test_what_the_leader_refuses_is_said_once(project):
    project.solver(net='"none.prototxt"')
    code, _, err = project.run("--processes", 2, cwd=project.root)
    told = f'net "none.prototxt" is neither in {project.root} nor, from there up, in {project.path.parent}'
    assert (code, err) == (1, f"{SPEAKER}{project.path}: {told}\n")


def test_ctrl_c(project):
    """As of a terminal, whose processes get it all."""
    project.solver(max_iter=10**6, display=1)
    with project.start("--processes", 2, cwd=project.root, start_new_session=True) as process:
        trained(process, 10)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=LONG)
    assert (process.returncode, err) == (0, "")
    assert out.count("stopped at iteration ") == 1
    assert "--processes 2" in out.splitlines()[-1]


def test_a_reader_that_has_seen_enough(project):
    """As of one process: a quiet end, whose exit code is the leader's."""
    project.solver(max_iter=10**6, display=1)
    with project.start("--processes", 2, cwd=project.root) as process:
        trained(process, 1)
        process.stdout.close()
        assert (process.stderr.read(), process.wait(LONG)) == ("", 141)


def test_ctrl_c_in_a_test(project):
    """As of one process: no iteration follows, and the test is left to the resumed run."""
    project.net_with(json.dumps({"forward": 3, "phase": "TEST", "do": "SIGINT", "rank": 0}), layer="AtRank")
    code, out, err = project.run("--processes", 2, cwd=project.root)
    assert (code, err) == (0, "")
    assert f"snapshot {project.out / 'tiny_iter_5.solverstate'}\nstopped at iteration 5\n" in out
    assert [row["iteration"] for row in project.rows()] == ["0", "1", "2", "3", "4", "5"]
    assert project.rows()[-1]["test/accuracy"] == ""


def test_one_that_ends_before_they_meet(project):
    """As by a library that crashes: the launcher alone can say so."""
    script = project.root / "train.py"
    script.write_text(ENDS_AT_ONCE)
    command = [sys.executable, str(script), "--solver", str(project.path), "--processes", "2"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=project.root)
    assert done.returncode == 1
    assert re.fullmatch(
        r"train.py: solver [01] of 2 \(process \d+ on machine .+\) was ended by SIGKILL\n", done.stderr
    ), done.stderr


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="finds processes in /proc")
def test_one_that_is_killed_is_started_again(project):
    project.solver(snapshot=5, display=1, max_iter=1000)
    with torchrun(project, "--max-restarts", "1") as process:
        trained(process, 20)
        pids = workers(process)
        os.kill(pids[1], signal.SIGKILL)
        _, err = process.communicate(timeout=2 * LONG)
    assert process.returncode == 0, err
    assert f"solver 1 of 2 (process {pids[1]} on machine " in err
    assert [row["iteration"] for row in project.rows()] == [str(i) for i in range(1001)]
    ended(pids)
