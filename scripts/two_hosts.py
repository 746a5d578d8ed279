#!/usr/bin/env python3
"""Train by several processes on two hosts, and see what happens where one of them or the network fails.

    .venv/bin/python scripts/two_hosts.py
    .venv/bin/python scripts/two_hosts.py --workers 2 equal killed

The hosts are two network namespaces of this machine, joined by a cable, each with a host name, an /etc/hosts and a
folder of its own. As on many machines, a host's name means 127.0.1.1 there, and nothing to the other one. LeNet is
trained with the two Python layers.

Needs Linux, root and iproute2, the tests but `slow` nothing else. All that it makes, it removes.
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Callable, Sequence

from _hosts import Host, HostsError, environment, run, two_hosts, until, wait, what_is_missing

SOLVER = "prototxt/lenet/solver.prototxt"
TRAIN = ("train", "--solver", SOLVER, "--seed", "1")
OUTPUT = "output/lenet"
ITERATIONS = 100
# Sums in another order: 1e-7 at first, and more with each ReLU and maximum that decides otherwise for it.
ROUNDING = 1e-3
LASTING = 1_000_000  # iterations of a training that is to fail before
PORT = 29400

# A solver of a script without torchrun: SCRIPT RANK COUNT UID OUT. The first prints the uid that the others are given.
SCRIPT = f"""
import sys
from caffe_pylayers import pycaffe as caffe

rank, count, uid, out = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
if not uid:
    uid = caffe.NCCL.new_uid()
    print("uid", uid, flush=True)
caffe.set_random_seed(1)
caffe.set_solver_count(count)
caffe.set_solver_rank(rank)
solver = caffe.SGDSolver({SOLVER!r})
nccl = caffe.NCCL(solver, uid)
nccl.bcast()
solver.add_callback(nccl)
solver.step({ITERATIONS})
solver.net.save(out)
"""


# --- trainings -----------------------------------------------------------------------------------------


def project(folder: Path) -> None:
    """Write the example and its digits."""
    folder.mkdir()
    _caffe_pylayers(folder, "example", "lenet")
    _caffe_pylayers(folder, "mnist", "--output", "data/mnist")


class Team:
    """Trainings by ``workers`` processes on each host; others: folders of the same training on one host."""

    def __init__(self, hosts: Sequence[Host], workers: int, others: dict[str, Path]) -> None:
        self.hosts, self.workers, self.others = hosts, workers, others
        self.count = workers * len(hosts)

    def torchrun(
        self, *options: str, fixed: bool = False, iterations: int = ITERATIONS, train: Sequence[str] = ()
    ) -> None:
        """Start torchrun on each host; the first host's processes are the first in rank.

        options: more of torchrun's; train: of the driver's. fixed: ranks are given, not agreed upon.
        """
        first = self.hosts[0].address
        for rank, host in enumerate(self.hosts):
            meeting = ["--node-rank", f"{rank}", "--master-addr", first, "--master-port", f"{PORT}"]
            if not fixed:
                meeting = ["--rdzv-backend", "c10d", "--rdzv-endpoint", f"{first}:{PORT}", "--rdzv-id", "two"]
                # torchrun looks for both in what the host's name means, which here is no address for others.
                meeting += ["--rdzv-conf", f"is_host={int(rank == 0)}", "--local-addr", host.address]
            host.start(
                *(sys.executable, "-m", "torch.distributed.run", "--nnodes", str(len(self.hosts))),
                *("--nproc-per-node", str(self.workers), *meeting, *options, "-m", "caffe_pylayers", *TRAIN),
                *("--max-iter", str(iterations), *train),
            )

    def train(self, fixed: bool = False, train: Sequence[str] = ()) -> float:
        """Train to the end; return the seconds."""
        began = time.monotonic()
        self.torchrun(fixed=fixed, train=train)
        wait(self.hosts)
        return time.monotonic() - began

    def under_way(self, iteration: int = 20) -> None:
        """Wait until a training has come so far."""
        until(lambda: len(_rows(self.hosts[0].folder)) >= iteration, f"no iteration {iteration}", self.hosts)

    def equal(self) -> str:
        """Return a line about the losses beside those on one host, once they are equal to what rounding allows."""
        beside = {name: _difference(self.hosts[0].folder, folder) for name, folder in self.others.items()}
        said = ", ".join(f"{difference:.1g} from {name}" for name, difference in beside.items())
        if not max(beside.values()) < ROUNDING:
            raise HostsError(f"losses differ by {said}")
        left = [str(path) for path in self.hosts[1].folder.glob("output/**/*") if path.is_file()]
        if left:
            raise HostsError(f"the second host has written {left}")
        return f"losses of {ITERATIONS} iterations differ by at most {said}"

    def ends(self, what: str, limit: float) -> str:
        """Wait until no process trains any more; return how long that took on each host, and what they said."""
        began, taken = time.monotonic(), dict.fromkeys(self.hosts, 0.0)
        while any(host.workers() for host in self.hosts):
            if time.monotonic() - began > limit:
                going_on = [host.name for host in self.hosts if host.workers()]
                raise HostsError(f"{limit:.0f} s after {what}, processes go on on {', '.join(going_on)}")
            for host in self.hosts:
                if host.workers():
                    taken[host] = time.monotonic() - began
            time.sleep(0.1)
        lines = [f"after {what}:"]
        for host in self.hosts:
            lines.append(f"  {host.name} ended in {taken[host]:.1f} s: {_lines_of(host) or 'without a line'}")
        return "\n".join(lines)


def on_one_host(folder: Path, count: int) -> dict[str, Path]:
    """Train by so many processes, and by one with the batch of all; return the folders."""
    folders = {f"{count} processes of one host": folder / "processes", "one process's": folder / "alone"}
    for made in folders.values():
        shutil.copytree(folder / "project", made)
    net = folder / "alone" / "prototxt" / "lenet" / "train_test.prototxt"
    net.write_text(net.read_text().replace("batch_size: 64", f"batch_size: {64 * count}", 1))
    for made, processes in zip(folders.values(), (count, 1)):
        _caffe_pylayers(made, *TRAIN, "--max-iter", str(ITERATIONS), "--processes", str(processes))
    return folders


# --- tests ---------------------------------------------------------------------------------------------


def equal(team: Team) -> str:
    """torchrun with a rendezvous, on both hosts."""
    taken = team.train()
    return f"{team.equal()}; {taken:.0f} s with all starts"


def static(team: Team) -> str:
    """torchrun with fixed ranks, on both hosts."""
    team.train(fixed=True)
    return team.equal()


def script(team: Team) -> str:
    """A script with caffe.NCCL, whose uid is handed to the other host."""
    one, two = team.hosts
    for host in team.hosts:
        (host.folder / "script.py").write_text(SCRIPT)
    for rank in range(team.count):
        host = team.hosts[rank // team.workers]
        uid = "" if rank == 0 else re.findall("uid (.*)", one.said("rank0.txt"))[0]
        host.start(sys.executable, "script.py", str(rank), str(team.count), uid, f"{rank}.model", say=f"rank{rank}.txt")
        if rank == 0:
            until(lambda: "uid " in one.said("rank0.txt"), "no uid", team.hosts)
    wait(team.hosts)
    if (one.folder / "0.model").read_bytes() != (two.folder / f"{team.count - 1}.model").read_bytes():
        raise HostsError("the first and the last have other weights")
    return f"met at {uid}; first and last have the same weights after {ITERATIONS} iterations"


def resume(team: Team) -> str:
    """--resume from the first host's snapshot; the second host has none."""
    team.torchrun(iterations=ITERATIONS // 2)
    wait(team.hosts)
    team.train(train=["--resume"])
    return team.equal()


def killed(team: Team) -> str:
    """A process of the second host is killed."""
    team.torchrun(iterations=LASTING)
    team.under_way()
    os.kill(team.hosts[1].workers()[-1], signal.SIGKILL)
    return team.ends("a SIGKILL on the second host", 30)


def restart(team: Team) -> str:
    """The same with --max-restarts: training goes on from the newest snapshot to the same end."""
    for host in team.hosts:
        solver = host.folder / SOLVER
        solver.write_text(re.sub("snapshot: .*", "snapshot: 10", solver.read_text()))
    team.torchrun("--max-restarts", "1", train=["--resume"])
    team.under_way(25)
    os.kill(team.hosts[1].workers()[-1], signal.SIGKILL)
    wait(team.hosts)
    return team.equal()


def unplugged(team: Team) -> str:
    """The cable is pulled: no connection is closed."""
    team.torchrun(iterations=LASTING)
    team.under_way()
    team.hosts[0].plug(False)
    try:
        return team.ends("the cable was pulled", 60)
    finally:
        team.hosts[0].plug()


def slow(team: Team) -> str:
    """The cable carries 20 Mbit/s."""
    try:
        for host in team.hosts:
            host.limit("20mbit")
    except (FileNotFoundError, HostsError) as error:
        return f"left out: {error}"
    taken = team.train()
    return f"{team.equal()}; {taken:.0f} s with all starts"


TESTS: dict[str, Callable[[Team], str]] = {
    test.__name__: test for test in (equal, static, script, resume, killed, restart, unplugged, slow)
}


# --- the rest ------------------------------------------------------------------------------------------


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="tests:\n" + "\n".join(f"  {name:10} {test.__doc__}" for name, test in TESTS.items()),
    )
    parser.add_argument("tests", nargs="*", metavar="TEST", help="default: all")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes on each host (default: 1)")
    args = parser.parse_args()
    for name in args.tests:
        if name not in TESTS:
            parser.error(f"no test {name}; there are {', '.join(TESTS)}")
    missing = what_is_missing()
    if missing:
        print(f"two_hosts: needs {missing}", file=sys.stderr)
        return 1
    for number in (signal.SIGTERM, signal.SIGHUP):  # as Ctrl-C, by which all is removed
        signal.signal(number, lambda number, frame: sys.exit(128 + number))
    failed = 0
    with tempfile.TemporaryDirectory(prefix="two_hosts.") as name:
        folder = Path(name)
        project(folder / "project")
        others = on_one_host(folder, 2 * args.workers)
        for test in args.tests or TESTS:
            with two_hosts(folder / "project") as hosts:
                try:
                    print(f"{test}: {TESTS[test](Team(hosts, args.workers, others))}", flush=True)
                except HostsError as error:
                    failed += 1
                    print(f"{test}: FAILED: {error}", flush=True)
    return min(failed, 1)


def _caffe_pylayers(folder: Path, *arguments: str) -> str:
    return run(sys.executable, "-m", "caffe_pylayers", *arguments, cwd=folder, env=environment())


def _rows(folder: Path) -> list[dict[str, str]]:
    try:
        with open(folder / OUTPUT / "log.csv", newline="") as log:
            return list(csv.DictReader(log))
    except FileNotFoundError:
        return []


def _difference(folder: Path, other: Path) -> float:
    """Return the largest difference of a loss in two folders' logs."""
    mine, others = _rows(folder), _rows(other)
    if len(mine) != len(others):
        raise HostsError(f"the log has {len(mine)} rows, not {len(others)}")
    return max(abs(float(row["loss"]) - float(its["loss"])) for row, its in zip(mine, others) if row["loss"])


def _lines_of(host: Host) -> str:
    """Return the lines that the project's processes said as they ended."""
    found = re.findall("^.*(?:solver \\d+ of|caffe-pylayers).*$", host.said(), re.MULTILINE)
    return "; ".join(dict.fromkeys(found))


if __name__ == "__main__":
    sys.exit(main())
