"""Record what real Caffe makes of the parity cases, into tests/golden/.

Needs a real Caffe: `make caffe`, or its Python named in CAFFE_PYTHON.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path[0] = str(Path(__file__).resolve().parent.parent)

from tests.parity import solver_cases
from tests.parity.families import FAMILIES, GOLDEN, ROOT, caffe_python, cases, record


def main() -> int:
    """Write the files, and print what real Caffe refused; the exit code."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    python = caffe_python()
    if python is None:
        sys.stderr.write("no real Caffe: `make caffe`, or name its Python in CAFFE_PYTHON\n")
        return 1
    refused = record(python, GOLDEN)
    sys.stderr.write(refused)
    for path in GOLDEN.glob("*.npz"):
        if path.stem not in FAMILIES:
            path.unlink()
    record_solvers(python)
    size = sum(path.stat().st_size for path in GOLDEN.glob("*.npz"))
    print(f"{sum(len(cases(family)) for family in FAMILIES)} cases of {len(FAMILIES)} families, {size / 1e6:.2f} MB")
    return bool(refused)


def record_solvers(python) -> None:
    """Write what the solvers start from, their rates and the weights that they come to, a row for each case."""
    with tempfile.TemporaryDirectory() as folder:
        script = ROOT / "tests" / "parity" / "record_solvers.py"
        subprocess.run([python, script, "train", folder], env=dict(os.environ, GLOG_minloglevel="2"), check=True)
        with np.load(Path(folder) / "solvers.npz") as file:
            arrays = dict(file)
    names = list(solver_cases.CASES)
    rows = {what: np.stack([arrays[f"{name}/{what}"] for name in names]) for what in ("rates", "weights")}
    np.savez_compressed(solver_cases.GOLDEN, names=np.array(names), start=arrays["start"], **rows)


if __name__ == "__main__":
    sys.exit(main())
