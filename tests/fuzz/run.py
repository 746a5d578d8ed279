r"""Hostile inputs by the thousand: nets, ``param_str`` texts, damaged files, native and Python layers, and solvers.

    python -m tests.fuzz.run --nets 10000 --param-strs 2000 --files 3000 --layers 3000 \
        --python-layers 20000 --solvers 1000 [--first SEED]

runs them by seed, in processes that may die, and prints the counts of each outcome, see outcome.py, and the seeds and
texts of what is neither ok nor clean.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

# Then a case hangs. What is merely large takes seconds, and more on a busy machine.
SECONDS = {"net": 60.0, "param_str": 10.0, "file": 30.0, "layer": 30.0, "python_layer": 30.0, "solver": 30.0}
START, END = 60.0, 30.0
SHOWN = 400  # characters of what a case said
ROOT = Path(__file__).resolve().parents[2]


class Worker:
    """A process that runs cases, made anew when one kills it."""

    def __init__(self, whole: Path) -> None:
        self._whole = whole
        self.process: subprocess.Popen[str] | None = None

    def run(self, kind: str, seed: int) -> tuple[str, str]:
        """The outcome of one case, and what it said."""
        if self.process is None:
            self._start()
        process = self.process
        with contextlib.suppress(BrokenPipeError):  # it has died, which the missing answer tells
            process.stdin.write(f"{kind} {seed}\n")
        answer = self._answer(SECONDS[kind])
        if answer is None:
            process.kill()
        if not answer:
            code = process.wait()
            self._forget()
            return ("hang", "") if answer is None else ("crash", f"exit code {code}")
        outcome, text = json.loads(answer)
        return outcome, text

    def _start(self) -> None:
        env = dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
        command = [sys.executable, "-m", "tests.fuzz.worker", str(self._whole)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, cwd=ROOT, text=True, bufsize=1
        )
        if self._answer(START) != "ready\n":
            raise RuntimeError("the worker does not start")

    def _answer(self, seconds: float) -> str | None:
        """A line of the worker's, empty where it has died, None after this time."""
        stdout = self.process.stdout
        ready, _, _ = select.select([stdout], [], [], seconds)
        return stdout.readline() if ready else None

    def close(self) -> bool:
        """End the process; False where it had to be killed."""
        if self.process is None:
            return True
        self.process.stdin.close()
        try:
            self.process.wait(END)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return False
        finally:
            self._forget()
        return True

    def _forget(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(BrokenPipeError):  # what was not yet written
                pipe.close()
        self.process = None


def run(counts: dict[str, int], first: int = 0) -> tuple[dict[str, Counter[str]], list[str]]:
    """Run so many cases of each kind, from the seed ``first``; the outcomes by kind, and a line for each bad one."""
    outcomes: dict[str, Counter[str]] = {}
    bad = []
    with tempfile.TemporaryDirectory() as folder:
        write_whole(Path(folder))
        worker = Worker(Path(folder))
        try:
            for kind, count in counts.items():
                outcomes[kind] = Counter()
                for seed in range(first, first + count):
                    outcome, text = worker.run(kind, seed)
                    outcomes[kind][outcome] += 1
                    if outcome not in ("ok", "clean"):
                        bad.append(f"{kind} {seed}: {outcome}: {text[:SHOWN]!r}")
        finally:
            ended = worker.close()
        if not ended:
            bad.append("the last process: hang: it does not end")
    return outcomes, bad


def write_whole(folder: Path) -> None:
    """Write the files that are damaged later into a folder, by a process that has the folder to work in."""
    code = "import sys, pathlib; from tests.fuzz.files import write_whole; write_whole(pathlib.Path())"
    env = dict(os.environ, PYTHONPATH=str(ROOT))
    subprocess.run([sys.executable, "-c", code], cwd=folder, env=env, check=True, stderr=subprocess.DEVNULL)


def main() -> int:
    """Run and print; 1 where an outcome is neither ok nor clean."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for kind in SECONDS:
        parser.add_argument(f"--{kind.replace('_', '-')}s", dest=kind, type=int, default=0, metavar="N")
    parser.add_argument("--first", type=int, default=0, metavar="SEED")
    args = parser.parse_args()
    began = time.monotonic()
    outcomes, bad = run({kind: getattr(args, kind) for kind in SECONDS}, args.first)
    for line in bad:
        print(line)
    for kind, counted in outcomes.items():
        print(f"{kind:10}", *(f"{name} {counted[name]}" for name in ("ok", "clean", "obscure", "crash", "hang")))
    print(f"{time.monotonic() - began:.0f} s")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
