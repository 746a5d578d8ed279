"""CPU or GPU, and a quiet Caffe."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import Any

from caffe_pylayers import _engine
from caffe_pylayers.cli import UserError

_USE_GPU = "from caffe_pylayers import _engine; caffe = _engine.caffe(); caffe.set_device({}); caffe.set_mode_gpu()"


def quiet() -> None:
    """Only Caffe's errors on the terminal, unless GLOG_minloglevel asks for more; before caffe is imported."""
    os.environ.setdefault("GLOG_minloglevel", "2")


def choose_mode(param: Any, gpu: int | None, cpu: bool) -> None:
    """Write the mode to run in into a SolverParameter: the one asked for, the file's own, or CPU.

    A solver_mode that is not given is CPU here as in the caffe program, though the message's
    default is GPU.
    """
    if gpu is not None:
        param.solver_mode, param.device_id = param.GPU, gpu
    elif cpu or not param.HasField("solver_mode"):
        param.solver_mode = param.CPU


def check_mode(param: Any, asked_by: str) -> None:
    """UserError where the engine cannot run in the chosen mode.

    asked_by: who chose it, for the message.
    """
    problem = "" if param.solver_mode == param.CPU else gpu_problem(param.device_id)
    if problem:
        raise UserError(f"{asked_by}: {problem}; --cpu trains on the CPU")


def gpu_problem(number: int) -> str:
    """Why the engine cannot use a GPU; empty where it can."""
    # A Caffe without that GPU ends its process.
    path = os.pathsep.join(folder for folder in sys.path if folder)
    command = [sys.executable, "-c", _USE_GPU.format(number)]
    environment = dict(os.environ, PYTHONPATH=path)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    return f"GPU {number} cannot be used: {_reason(done.stderr)}" if done.returncode else ""


def _reason(stderr: str) -> str:
    """What the engine says: Caffe in a line such as ``F1123 03:20:41.2 29864 common.cpp:66] Cannot ...``."""
    fatal = re.search(r"^F\d+ .*?\] (.*)$", stderr, re.MULTILINE)
    raised = re.search(r"^\w+Error: (?:GPU \d+ cannot be used: )?(.*)$", stderr, re.MULTILINE)
    found = fatal or raised
    return found.group(1) if found else stderr.strip() or "the process ended without a word"


def enter_mode(param: Any) -> None:
    """Set the engine's mode."""
    caffe = _engine.caffe()
    if param.solver_mode == param.CPU:
        caffe.set_mode_cpu()
    else:
        caffe.set_device(param.device_id)
        caffe.set_mode_gpu()
