"""Under real Caffe: run the solvers of solver_cases and record rates and weights.

record_solvers.py train FOLDER     every case into FOLDER/solvers.npz, and snapshots of RESUMED half way
record_solvers.py resume FOLDER    what RESUMED come to from the snapshots in FOLDER, into FOLDER/resumed.npz
record_solvers.py log FOLDER       LOGGED, from FOLDER/start.caffemodel; the log is on stderr
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("GLOG_minloglevel", "2")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path[0] = str(Path(__file__).resolve().parents[2])

import caffe
import numpy as np

from tests.parity import solver_cases as cases


def train(folder):
    """Record every case, step by step."""
    arrays = {}
    for name, (solver_type, text) in cases.CASES.items():
        solver = _solver(folder, name, solver_type, text)
        rates = []
        if name == next(iter(cases.CASES)):
            solver.net.save(str(folder / "start.caffemodel"))
            arrays["start"] = cases.weights(solver.net)
        for _ in range(cases.STEPS):
            rates.append(solver.lr)
            solver.step(1)
        arrays[f"{name}/rates"] = np.float32(rates)
        arrays[f"{name}/weights"] = cases.weights(solver.net)
    for name, (solver_type, text) in cases.RESUMED.items():
        solver = _solver(folder, name, solver_type, text)
        solver.step(cases.MIDDLE)
        solver.snapshot()
        solver.step(cases.STEPS - cases.MIDDLE)
        arrays[f"{name}/weights"] = cases.weights(solver.net)
    np.savez(str(folder / "solvers.npz"), **arrays)


def resume(folder):
    """Go on from the snapshots that are there."""
    arrays = {}
    for name, (solver_type, text) in cases.RESUMED.items():
        solver = _solver(folder, name, solver_type, text)
        suffix = ".h5" if name.endswith("HDF5") else ""
        solver.restore(str(folder / f"{name}_iter_{cases.MIDDLE}.solverstate{suffix}"))
        solver.step(cases.STEPS - cases.MIDDLE)
        arrays[name] = cases.weights(solver.net)
    np.savez(str(folder / "resumed.npz"), **arrays)


def log(folder):
    """Solve, to be heard."""
    solver = _solver(folder, "logged", *cases.LOGGED)
    for net in solver.test_nets:
        cases.feed(net)
    solver.net.copy_from(str(folder / "start.caffemodel"))
    solver.solve()


def _solver(folder, name, solver_type, text):
    solver = caffe.get_solver(str(cases.write(folder, name, solver_type, text)))
    cases.feed(solver.net)
    return solver


if __name__ == "__main__":
    caffe.set_mode_cpu()
    {"train": train, "resume": resume, "log": log}[sys.argv[1]](Path(sys.argv[2]))
