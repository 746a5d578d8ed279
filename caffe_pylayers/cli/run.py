"""Run a pycaffe script on a real Caffe or on the runtime.

    caffe-pylayers run solve.py 0 --snapshot x.solverstate

As `python solve.py ...` would run it, but that `import caffe` in it, and in the Python layers of its nets, gives the
engine: a real Caffe where one can be imported, else the runtime, unless --engine or CAFFE_PYLAYERS_ENGINE says which.
With -m, a module is run instead of a file. All that comes after the script is the script's.

With --compat the script, and what it and its nets import from outside of the installed packages, may be Python 2 and
written for libraries of its time: it is translated as it is read, and what is bridged is said on stderr. The files
stay as they are; `caffe-pylayers modernize` rewrites them.
"""

from __future__ import annotations

import argparse
import os
import runpy
import sys

from caffe_pylayers.cli import UserError, add_engine_argument


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``run``."""
    add_engine_argument(parser)
    parser.add_argument("-m", dest="module", action="store_true", help="SCRIPT is a module's name")
    parser.add_argument("--compat", action="store_true", help="translate Python 2 and old libraries, see above")
    parser.add_argument("script", metavar="SCRIPT")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="ARGUMENT")


def run(args: argparse.Namespace) -> int:
    """Run the script; its exit code reaches the shell."""
    from caffe_pylayers import _engine

    _engine.caffe()
    sys.argv = [args.script, *args.arguments]
    if args.compat:
        try:
            import fissix  # noqa: F401

            from caffe_pylayers._compat import loader
        except ModuleNotFoundError as error:
            raise UserError("--compat needs fissix: pip install 'caffe-pylayers[compat]'") from error
        loader.install()
    if args.module:
        sys.path.insert(0, os.getcwd())
        runpy.run_module(args.script, run_name="__main__", alter_sys=True)
        return 0
    if not os.path.isfile(args.script):
        raise UserError(f"{args.script}: no such file")
    sys.path.insert(0, os.path.dirname(os.path.abspath(args.script)))
    if args.compat:
        loader.run_script(args.script)
    else:
        runpy.run_path(args.script, run_name="__main__")
    return 0
