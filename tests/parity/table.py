"""Print the errors of the runtime beside real Caffe, by layer type, and each case that fails."""

import argparse
import collections
import sys
import tempfile
from pathlib import Path

from tests.parity.compare import check
from tests.parity.families import FAMILIES, GOLDEN, caffe_python, cases, record
from tests.parity.recording import load


def main():
    """The table, with the recordings of the real Caffe that is here or else the repository's; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.parity.table", description=__doc__)
    parser.add_argument("family", nargs="*", help=f"of tests/parity/cases/ (default: all): {', '.join(FAMILIES)}")
    families = parser.parse_args().family or FAMILIES
    unknown = set(families).difference(FAMILIES)
    if unknown:
        parser.error(f"no family {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory() as folder:
        python = caffe_python()
        if python:
            sys.stdout.write(record(python, folder, families))
        source = Path(folder) if python else GOLDEN
        recordings = {family: load(source / f"{family}.npz") for family in families}
    errors, failures = collections.defaultdict(list), []
    for family in families:
        for index, (case, recording) in enumerate(zip(cases(family), recordings[family])):
            try:
                errors[case.type].append(check(case, recording))
            except Exception as error:
                errors[case.type].append(float("inf"))
                failures.append(f"{family}[{index}] {case.type} {case.param!r}: {type(error).__name__}: {error}")
    print(f"{'type':26} {'cases':>5} {'largest relative error':>23}")
    for name, found in sorted(errors.items()):
        print(f"{name:26} {len(found):5} {max(found):23.1e}")
    print(*failures, sep="\n")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
