"""The two engines side by side, each in a process of its own, on the same cores."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHONS = {"caffe": ROOT / ".caffe" / "bin" / "python", "runtime": sys.executable}


class Engine:
    """A process that runs a script on an engine, and answers.

    The script gets the arguments, reads questions from its standard input, a line each, and calls ``answer``.
    """

    def __init__(self, engine, script, *arguments, cwd=None):
        paths = os.pathsep.join((str(ROOT), str(ROOT / "benchmarks")))
        env = dict(os.environ, CAFFE_PYLAYERS_ENGINE=engine, GLOG_minloglevel="2", PYTHONPATH=paths)
        command = [str(PYTHONS[engine]), script, *map(str, arguments)]
        self._process = subprocess.Popen(
            command, env=env, cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, question):
        """The numbers that the script answers."""
        print(question, file=self._process.stdin, flush=True)
        for line in self._process.stdout:
            if line.startswith("answer"):
                return [float(word) for word in line.split()[1:]]
        raise RuntimeError("the engine has ended")

    def close(self):
        """End the process."""
        self._process.stdin.close()
        self._process.wait()


def answer(*numbers):
    """In an engine's process: to the question of now."""
    print("answer", *numbers, flush=True)
