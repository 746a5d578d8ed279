"""The engine's GPU, asked about in a process of its own, and a quiet Caffe: for every verb that runs nets."""

from __future__ import annotations

import os
import re
import subprocess
import sys

_USE_GPU = "from caffe_pylayers import _engine; caffe = _engine.caffe(); caffe.set_device({}); caffe.set_mode_gpu()"


def quiet() -> None:
    """Let only Caffe's errors onto the terminal, unless GLOG_minloglevel asks for more; call it before caffe loads."""
    os.environ.setdefault("GLOG_minloglevel", "2")


def gpu_problem(number: int) -> str:
    """Return why the engine cannot use this GPU; empty where it can."""
    # A Caffe without that GPU ends its process.
    path = os.pathsep.join(folder for folder in sys.path if folder)
    command = [sys.executable, "-c", _USE_GPU.format(number)]
    environment = dict(os.environ, PYTHONPATH=path)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    return f"GPU {number} cannot be used: {_reason(done.stderr)}" if done.returncode else ""


def _reason(stderr: str) -> str:
    """Return what the engine says; Caffe in a line such as ``F1123 03:20:41.2 29864 common.cpp:66] Cannot ...``."""
    fatal = re.search(r"^F\d+ .*?\] (.*)$", stderr, re.MULTILINE)
    # What follows the first sentence is for scripts.
    raised = re.search(r"^\w+Error: (?:GPU \d+ cannot be used: )?(.*?)(?:\. .*)?$", stderr, re.MULTILINE)
    found = fatal or raised
    return found.group(1) if found else stderr.strip() or "the process ended without a word"
