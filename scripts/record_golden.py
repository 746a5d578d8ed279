"""Record what real Caffe makes of the parity cases, into tests/golden/parity/.

Needs a real Caffe: `make caffe`, or its Python named in CAFFE_PYTHON.
"""

import argparse
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)

from tests.parity.families import FAMILIES, GOLDEN, caffe_python, cases, record


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
    size = sum(path.stat().st_size for path in GOLDEN.glob("*.npz"))
    print(f"{sum(len(cases(family)) for family in FAMILIES)} cases of {len(FAMILIES)} families, {size / 1e6:.2f} MB")
    return bool(refused)


if __name__ == "__main__":
    sys.exit(main())
