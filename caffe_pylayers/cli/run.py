"""Run a pycaffe script on a real Caffe or on the runtime.

    caffe-pylayers run solve.py 0 --snapshot x.solverstate

As `python solve.py ...` would run it, but that `import caffe` in it, and in the Python layers of its nets, gives the
engine: a real Caffe where one can be imported, else the runtime, unless --engine or CAFFE_PYLAYERS_ENGINE says which.
With -m, a module is run instead of a file. All that comes after the script is the script's.

With --compat the script, and what it and its nets import from outside of the installed packages, may be Python 2 and
written for libraries of its time: it is translated as it is read, and what is bridged is said on stderr. The files
stay as they are; `caffe-pylayers modernize` rewrites them.

With --cpu, caffe.set_mode_gpu() and caffe.set_device(n) leave the script on the CPU. It sets CAFFE_PYLAYERS_CPU=1.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import runpy
import sys
from typing import Any, Iterator

from caffe_pylayers.cli import UserError, add_engine_arguments, translate_old_code
from caffe_pylayers.cli._errors import print_foreign
from caffe_pylayers.cli._parser import given

CPU_VARIABLE = "CAFFE_PYLAYERS_CPU"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``run``."""
    add_engine_arguments(parser)
    parser.add_argument("-m", dest="module", action="store_true", help="SCRIPT is a module's name")
    parser.add_argument("--cpu", action="store_true", help="stay on the CPU, whatever the script says")
    parser.add_argument("script", type=given, metavar="SCRIPT")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="ARGUMENT")


def run(args: argparse.Namespace) -> int:
    """Run the script; its exit code reaches the shell."""
    with _cpu() if args.cpu else contextlib.nullcontext():
        _run(args)
    return 0


def _run(args: argparse.Namespace) -> None:
    from caffe_pylayers import _engine

    caffe = _engine.caffe()
    if args.cpu and caffe.__name__ == "caffe":
        _keep_on_cpu(caffe)
    sys.argv = [args.script, *args.arguments]
    translate_old_code(args)
    if args.module:
        sys.path.insert(0, os.getcwd())
    elif os.path.isfile(args.script):
        sys.path.insert(0, os.path.dirname(os.path.abspath(args.script)))
    else:
        raise UserError(f"{args.script}: no such file")
    try:
        if args.module:
            runpy.run_module(args.script, run_name="__main__", alter_sys=True)
        elif args.compat:
            from caffe_pylayers._compat import loader

            loader.run_script(args.script)
        else:
            runpy.run_path(args.script, run_name="__main__")
    except Exception as error:
        _explain(error)
        raise


def _explain(error: Exception) -> None:
    """Raise UserError for a file that is no Python, and, after the traceback, for Python 2 without --compat."""
    from caffe_pylayers._compat.advice import advice
    from caffe_pylayers._compat.translate import TranslationError

    if isinstance(error, TranslationError):
        raise UserError(str(error)) from error
    old = advice(error)
    if old:
        print_foreign(error)
        raise UserError(old) from error


@contextlib.contextmanager
def _cpu() -> Iterator[None]:
    """Set the variable that keeps scripts, and processes that they start, on the CPU."""
    before = os.environ.get(CPU_VARIABLE)
    os.environ[CPU_VARIABLE] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[CPU_VARIABLE]
        else:
            os.environ[CPU_VARIABLE] = before


def _keep_on_cpu(caffe: Any) -> None:
    """Have a real Caffe do what the runtime does where the variable is set."""
    for module in (caffe, caffe._caffe):
        module.set_mode_gpu = caffe.set_mode_cpu
        module.set_device = _no_device


def _no_device(number: int) -> None:
    """caffe.set_device where there is none to choose."""
