"""Real Caffe as a process that answers one case after another."""

import pickle
import subprocess

import numpy as np

from tests.parity.families import ROOT
from tests.parity.plan import digest
from tests.parity.recording import Recording


class Oracle:
    """Ask it for the recording of a case. Arrays travel as shape and bytes: each numpy pickles in its own way."""

    def __init__(self, python):
        command = [str(python), str(ROOT / "tests" / "parity" / "record.py"), "--serve"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def record(self, case):
        """Return real Caffe's Recording of the case."""
        facts = dict(vars(case))
        for name in ("bottoms", "before"):
            facts[name] = [(x.shape, x.tobytes()) for x in facts[name]]
        pickle.dump(facts, self._process.stdin, protocol=4)
        self._process.stdin.flush()
        arrays, refused = pickle.load(self._process.stdout)
        arrays = {name: np.frombuffer(x, np.float32).reshape(shape) for name, (shape, x) in arrays.items()}
        return Recording(digest(case), arrays, refused)

    def close(self):
        """End the process."""
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
