"""All cases, and where real Caffe is to record them."""

import importlib
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(__file__).parent / "cases"
GOLDEN = ROOT / "tests" / "golden" / "parity"
FAMILIES = sorted(path.stem for path in FOLDER.glob("*.py"))


def cases(family):
    """The cases of tests/parity/cases/<family>.py."""
    return importlib.import_module(f"tests.parity.cases.{family}").CASES


def caffe_python():
    """The interpreter of a real Caffe, or None."""
    named = os.environ.get("CAFFE_PYTHON")
    path = Path(named) if named else ROOT / ".caffe" / "bin" / "python"
    return path if named or path.exists() else None


def record(python, folder, families=FAMILIES):
    """Have real Caffe record families, in two processes; gives the cases that it refused."""
    programs = []
    for share in filter(None, (families[::2], families[1::2])):
        command = [python, ROOT / "tests" / "parity" / "record.py", *(FOLDER / f"{name}.py" for name in share), folder]
        programs.append(subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True))
    said = [program.communicate()[1] for program in programs]
    if any(program.returncode for program in programs):
        raise RuntimeError(f"real Caffe ({python}) could not record: " + "\n".join(said))
    return "".join(said)
