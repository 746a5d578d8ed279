"""The environment that ``check`` reports when no net is given."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Sequence

import caffe_pylayers
from caffe_pylayers.cli._import_advice import advice, last_line
from caffe_pylayers.cli._report import Report

_WIDTH = 24
_PROBE = Path(__file__).with_name("_caffe_probe.py")

# (module, its distributions, what it is for, the extra that installs it)
_PARTS = (
    ("numpy", ("numpy",), "", ""),
    ("google.protobuf", ("protobuf",), "", ""),
    ("yaml", ("PyYAML",), "param_str written in YAML", ""),
    ("torch", ("torch",), "the runtime, which needs Python 3.10", "runtime"),
    ("h5py", ("h5py",), "HDF5 data and weights", "runtime"),
    ("lmdb", ("lmdb",), "LMDB data", "runtime"),
    (
        "cv2",
        ("opencv-python-headless", "opencv-python", "opencv-contrib-python-headless", "opencv-contrib-python"),
        "images",
        "runtime",
    ),
    ("plyvel", ("plyvel",), "LevelDB data", "leveldb"),
    ("pooch", ("pooch",), "downloading MNIST", "data"),
    ("tqdm", ("tqdm",), "progress bars", "viz"),
    ("matplotlib", ("matplotlib",), "plots", "viz"),
    ("pydot", ("pydot",), "pictures of nets", "viz"),
    ("fissix", ("fissix",), "Python 2 code", "compat"),
    ("PIL", ("pillow",), "Python 2 code that reads images", "compat"),
)


def check_environment(report: Report) -> None:
    """Print the Python, the caffe and the libraries that are used; count what keeps Python layers from running."""
    _row("python", f"{sys.version.split()[0]}  {sys.executable}")
    _check_caffe(report)
    _check_package(report)
    for module, distributions, use, extra in _PARTS:
        version = _version(module, distributions)
        if version is None:
            command = f"pip install 'caffe-pylayers[{extra}]'" if extra else f"pip install {distributions[0]}"
            _row(distributions[0], f"not installed{f', for {use}' if use else ''}: {command}")
        else:
            _row(distributions[0], f"{version}{f'  for {use}' if use else ''}")
    dot = shutil.which("dot")
    _row("Graphviz", dot or 'not installed, for pictures of nets: no program "dot"')


def _check_caffe(report: Report) -> None:
    facts = _probe()
    if "error" in facts:
        _row("caffe", "cannot be imported")
        report.problem(f"import caffe: {facts['error']}: {last_line(facts['text'])}")
        report.line(f"  {advice(facts['text'])}")
    elif facts["types"] is None:
        where = facts["file"] or ", ".join(facts["folders"])
        _row("caffe", where)
        report.problem(
            f"{where} is not pycaffe 1.0 (it has no layer_type_list): an older Caffe, another package of that name "
            "(pip uninstall caffe), or just a folder named caffe in the working directory"
        )
    else:
        runtime = facts["name"] == "caffe_pylayers.pycaffe"
        _row("caffe", "the runtime, pycaffe on PyTorch" if runtime else f"{facts['version']}  {facts['file']}")
        _row("", f"{_gpu()}, {len(facts['types'])} layer types")
        if "Python" in facts["types"]:
            _row("", "runs Python layers")
        else:
            report.problem(
                "caffe has no layer type Python. Set WITH_PYTHON_LAYER := 1 in Makefile.config, then make clean, "
                "make all, make pycaffe. If you have: the libcaffe that is loaded is another one (ldd on "
                "caffe/_caffe*.so). Or install a Caffe that has it: caffe-pylayers install-caffe"
            )
    for folder in _caffes_on_path()[1:]:
        report.warning(f"{folder} is on the Python path as well, behind the caffe above, and is not used")


def _probe() -> dict[str, Any]:
    """Import caffe in a process of its own; return the facts that this prints, or the error."""
    done = _run_probe("import")
    if done.returncode == 0:
        facts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return facts
    return {"error": f"the process ended ({_ending(done.returncode)})", "text": last_line(done.stderr)}


def _gpu() -> str:
    done = _run_probe("gpu")
    if done.returncode == 0:
        return "GPU build, GPU 0 usable"
    if "CPU-only" in done.stderr:
        return "CPU-only build"
    if "this PyTorch" in done.stderr:
        return f"no usable GPU ({last_line(done.stderr)})"
    fatal = re.findall(r"^F\d.*\] (.*)$", done.stderr, re.MULTILINE)
    return f"GPU build, no usable GPU ({fatal[0] if fatal else _ending(done.returncode)})"


def _run_probe(what: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(_PROBE), json.dumps(sys.path), what]
    quiet = {**os.environ, "GLOG_minloglevel": "2"}
    return subprocess.run(command, env=quiet, capture_output=True, text=True, check=False)  # noqa: S603 - our own


def _ending(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _caffes_on_path() -> list[str]:
    """List what ``import caffe`` could find, in the order in which Python looks; it takes the first."""
    found = []
    for entry in dict.fromkeys(os.path.realpath(entry) for entry in sys.path):
        for name in ("caffe/__init__.py", "caffe.py"):
            if os.path.isfile(os.path.join(entry, name)):
                found.append(os.path.join(entry, name))
    return found


def _check_package(report: Report) -> None:
    home = Path(caffe_pylayers.__file__).parent
    _row("caffe-pylayers", f"{caffe_pylayers.__version__}  {home}")
    bare = sorted(file.stem for file in (home / "bare").glob("*.py"))
    missing = [name for name in bare if importlib.util.find_spec(name) is None]
    if missing:
        _row("", f"not found under the bare names {', '.join(missing)}: put {home / 'bare'} on PYTHONPATH for those")
    if home.parent not in [Path(entry).resolve() for entry in sys.path[1:]]:  # the first is Python's own addition
        report.warning(
            "caffe_pylayers is found in the working directory; from another one, or by the caffe program, it is not: "
            f"pip install it, or put {home.parent} on PYTHONPATH"
        )


def _version(module: str, distributions: Sequence[str]) -> str | None:
    """Return the version of the first distribution that is installed; None where the module is not there."""
    for name in distributions:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    try:
        found = importlib.util.find_spec(module)
    except ModuleNotFoundError:  # a parent package
        found = None
    return "of unknown version" if found else None


def _row(name: str, text: str) -> None:
    print(f"{name:<{_WIDTH}}{text}")
