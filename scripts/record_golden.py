"""Records what real Caffe makes of the parity cases into tests/golden/parity/: python scripts/record_golden.py"""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)

from tests.parity.families import FAMILIES, GOLDEN, caffe_python, cases, record


def main() -> int:
    """Needs a real Caffe: `make caffe`, or its Python named in CAFFE_PYTHON."""
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
