#!/usr/bin/env python3
"""Test and measure on a GPU, in less than ten minutes: one Markdown table of all, and every failure, in a folder.

    python scripts/gpu.py [PART ...] [--output DIR] [--device cuda] [--seconds S] [--batch N] [--rounds N]

This Python has PyTorch with CUDA, numpy and protobuf; h5py, lmdb, PyYAML, OpenCV and pytest, or what they do is left
out; pytest-xdist makes it quicker. No network, no Caffe. What is done is written at once: DIR/gpu.md the figures,
DIR/failures.md why, tests.jsonl each test, log.txt what the programs said. A part that fails or lasts too long keeps
none of the others from running, and Ctrl-C leaves what is done.
"""

from __future__ import annotations

import argparse
import collections
import importlib.util
import json
import os
import platform
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NETS = ("lenet_python", "caffenet", "googlenet", "resnet50", "vgg16")
TESTS = {
    "layer types": ("tests/parity/test_parity.py", "-k", "not live"),
    "solvers": ("tests/parity/test_solvers.py", "tests/device/snapshots.py", "-k", "fifty or cpus"),
    "whole nets": ("tests/runtime/net/test_eager.py", "tests/runtime/net/test_fusion.py"),
    "Python layers": ("tests/layers/test_every_layer.py", "-k", "contract or tensors_give"),
    "LeNet": ("tests/device/lenet.py",),
}
SECONDS = 540
TESTS_PART, NETS_PART, ONE_TEST = 1 / 3, 1 / 6, 1 / 9  # of them that one part, or a test, may last
CORES = os.cpu_count() or 1
PROCESSES = min(8, CORES)
LAST = 4000  # characters of what a program said
NEEDED = {"torch": "PyTorch", "numpy": "numpy", "google.protobuf": "protobuf"}
USED = {"h5py": "h5py", "lmdb": "lmdb", "yaml": "PyYAML", "cv2": "OpenCV", "pytest": "pytest", "xdist": "pytest-xdist"}


class Run:
    """A folder of results, and the seconds that are left for them."""

    def __init__(self, args: argparse.Namespace, head: str) -> None:
        self.args, self.folder, self._head = args, args.output, head
        self._end = time.monotonic() + args.seconds
        self._rows: list[str] = []
        self._sections: dict[str, list[str]] = collections.defaultdict(list)
        self._failures = 0
        self.stopped = False  # by Ctrl-C
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in ("failures.md", "tests.jsonl", "log.txt"):
            (self.folder / name).write_text("")
        self._write()

    def tests(self, part: str) -> None:
        """Run the tests of a part, and write what became of them."""
        if not has("pytest"):
            self._row(part, 0, 0, 0, 0, "not run: needs pytest")
            self._write()
            return
        report = self.folder / "tests.jsonl"
        before = len(report.read_text().splitlines())
        alone = part == "LeNet"  # trains on all cores, too, for as long as that takes
        limit = self.args.seconds * (TESTS_PART if alone else ONE_TEST)
        words = [*("-m", "pytest", "-p", "tests.device.plugin", "--device", self.args.device, "--report", report)]
        words += ["--limit", f"{limit:.0f}", "-q", "--tb=short", "-W", "default", "-p", "no:cacheprovider"]
        words += TESTS[part]
        if has("xdist"):
            words += ["-p", "xdist.plugin", "-n", PROCESSES, "--dist", "worksteal"]
        # Plugins of other projects, of which a Python for GPUs may have many, have their own opinions.
        env = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "OMP_NUM_THREADS": str(max(1, CORES // 4 if alone else 1))}
        seconds, problem, _ = self._program(words, TESTS_PART, env)
        found = [json.loads(line) for line in report.read_text().splitlines()[before:]]
        if found and "over" in found[-1]:
            failed = found.pop()["over"] == 1
            problem = "" if failed else problem
        counts = collections.Counter(test["outcome"] for test in found)
        for test in found:
            if test["outcome"] == "failed":
                self._fail(test["test"], test["why"])
        if problem:
            self._fail(part, problem)
        self._row(part, counts["passed"], counts["failed"] + bool(problem), counts["skipped"], seconds, problem)
        self._sections["Figures"] += [f"- {name_of(t)}: {t['figures']}" for t in found if "figures" in t]
        if part == "layer types":
            self._sections["Largest relative errors"] = errors(found)
        self._write()

    def speed(self, net: str) -> None:
        """Run the benchmark of a net, and write its rows."""
        words = ["benchmarks/gpu.py", net, "--device", self.args.device, "--rounds", self.args.rounds]
        if self.args.batch:
            words += ["--batch", self.args.batch, "--seconds", 0.1]
        seconds, problem, said = self._program(words, NETS_PART)
        lines = [line for line in said.splitlines() if line]
        table = [line for line in lines if line.startswith("|")]
        self._sections["Speed"] += table[2:] if self._sections["Speed"] else table
        self._sections["Figures"] += [f"- {line}" for line in lines if line.startswith("The ")]
        if problem:
            self._fail(f"speed of {net}", problem)
        self._row(f"speed of {net}", len(table[2:]), int(bool(problem)), 0, seconds, problem)
        self._write()

    def end(self) -> int:
        """Show the table; the exit code."""
        print((self.folder / "gpu.md").read_text())
        print(f"{self._failures} failures" + (f", see {self.folder}/failures.md" if self._failures else ""))
        return 128 + signal.SIGINT if self.stopped else min(self._failures, 1)

    def _program(
        self, words: list[object], part: float, variables: dict[str, str] | None = None
    ) -> tuple[float, str, str]:
        """Run Python with these arguments: the seconds, what went wrong, and its output."""
        longest = min(part * self.args.seconds, self._end - time.monotonic())
        if longest < 1:
            return 0, f"not run: the {self.args.seconds} seconds of --seconds are over", ""
        env = {name: value for name, value in os.environ.items() if name != "CI"}
        env.update(variables or {}, CAFFE_PYLAYERS_ENGINE="runtime", PYTHONUNBUFFERED="1")
        start = time.monotonic()
        output, late = self.folder / "output.txt", False
        with output.open("w") as out:
            program = subprocess.Popen(
                [sys.executable, *map(str, words)],
                cwd=ROOT,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # to end it with the processes that it starts
            )
            try:
                program.wait(longest)
            except subprocess.TimeoutExpired:
                late = True
            except KeyboardInterrupt:
                self.stopped = True
            finally:
                if program.poll() is None:
                    os.killpg(program.pid, signal.SIGKILL)
                    program.wait()
        said = output.read_text(errors="replace")
        output.unlink()
        with (self.folder / "log.txt").open("a") as log:
            log.write(f"$ {' '.join(map(str, words))}\n{said}\n")
        problem = ""
        if self.stopped:
            problem = f"stopped by Ctrl-C\n{said[-LAST:]}"
        elif late:
            problem = f"ended after {longest:.0f} seconds\n{said[-LAST:]}"
        elif program.returncode:
            problem = f"ended with {program.returncode}\n{said[-LAST:]}"
        return time.monotonic() - start, problem, said

    def _row(self, part: str, passed: int, failed: int, skipped: int, seconds: float, problem: str) -> None:
        cells = (part, passed, failed, skipped, f"{seconds:.0f}", problem.partition("\n")[0])
        self._rows.append(f"| {' | '.join(map(str, cells))} |")
        print(self._rows[-1], flush=True)

    def _fail(self, what: str, why: str) -> None:
        self._failures += 1
        with (self.folder / "failures.md").open("a") as file:
            file.write(f"## {what}\n\n```text\n{why.strip()}\n```\n\n")

    def _write(self) -> None:
        lines = [self._head, "", "| part | passed | failed | skipped | seconds | |", f"|{' --- |' * 6}", *self._rows]
        for title, found in self._sections.items():
            lines += ["", f"## {title}", "", *found] if found else []
        (self.folder / "gpu.md").write_text("\n".join([*lines, ""]))


def name_of(test: dict[str, str]) -> str:
    return test["test"].partition("::test_")[2].replace("_", " ")


def errors(found: list[dict[str, object]]) -> list[str]:
    """A table of the parity cases' largest error by layer type, of those that pass."""
    by_type: dict[str, list[float]] = collections.defaultdict(list)
    for test in found:
        if "error" in test:
            match = re.search(r"\[(\w+)-", str(test["test"]))
            by_type[match[1] if match else "?"].append(float(str(test["error"])))
    rows = [f"| {kind} | {len(of)} | {max(of):.1e} |" for kind, of in sorted(by_type.items())]
    return ["| type | cases | of the largest error |", "| --- | --- | --- |", *rows]


def has(library: str) -> bool:
    try:
        return importlib.util.find_spec(library) is not None
    except ModuleNotFoundError:  # the package that it is in
        return False


def machine(device: str) -> str:
    """Lines on the machine. Ends the program where it lacks what all needs."""
    lacks = [name for library, name in NEEDED.items() if not has(library)]
    if lacks:
        sys.exit(f"{sys.executable} has no {', no '.join(lacks)}: make gpu PYTHON=..., with one that has")
    import torch

    line = f"PyTorch {torch.__version__}, Python {platform.python_version()}"
    lacks = [name for library, name in USED.items() if not has(library)]
    if lacks:
        line += f"\n\nWithout {', '.join(lacks)}: tests that need more than is here are skipped, and say so."
    if device == "cpu":
        return f"{CORES} cores, no GPU, {line}"
    if not torch.cuda.is_available():
        sys.exit(f"this PyTorch ({torch.__version__}) sees no GPU; --device cpu --batch 2 shows that all runs")
    card = torch.cuda.get_device_properties(0)
    versions = f"CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"
    return f"{card.name}, {card.total_memory >> 20} MB, {versions}, {line}"


def main() -> int:
    """Run the parts; 1 where something failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = [*TESTS, *NETS]
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(parts)}; all by default")
    parser.add_argument("--output", type=Path, default=Path("output/gpu"), metavar="DIR")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="that all may last")
    parser.add_argument("--batch", type=int, help="of every net that is measured, instead of its own")
    parser.add_argument("--rounds", type=int, default=5, help="of what is measured")
    args = parser.parse_args()
    unknown = set(args.parts) - set(parts)
    if unknown:
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(parts)}")
    args.output = args.output.resolve()
    run = Run(args, machine(args.device))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for part in args.parts or parts:
        (run.tests if part in TESTS else run.speed)(part)
        if run.stopped:
            break
    return run.end()


if __name__ == "__main__":
    sys.exit(main())
