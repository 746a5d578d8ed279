"""The command line: ``caffe-pylayers VERB``, one module per verb.

A verb's module has ``add_arguments(parser)`` and ``run(args)``, which returns the exit code;
its docstring is its help. It imports what it needs inside its functions, so that ``--help``
loads no engine.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
from typing import Any, Sequence

from caffe_pylayers import __version__
from caffe_pylayers._engine import ENGINES, EngineError, chosen

VERBS = (
    *("train", "test", "time", "features", "plot", "run", "modernize"),
    *("check", "layers", "summary", "draw", "upgrade"),
    *("mnist", "convert-images", "mean"),
)


class UserError(Exception):
    """A mistake in what the user gave; printed as one line, without a traceback."""


def main(argv: Sequence[str] | None = None, verb: str | None = None) -> int:
    """Run the command line; with ``verb``, the arguments are that verb's. Returns the exit code."""
    try:
        args = _parser(verb).parse_args(argv)
        with chosen(getattr(args, "engine", None)):
            code = int(args.run(args))
        sys.stdout.flush()
        return code
    except (UserError, EngineError) as error:
        print(f"{args.prog}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:  # a reader such as head has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE


def add_engine_argument(parser: argparse.ArgumentParser) -> None:
    """Declare --engine, for a verb that runs nets."""
    parser.add_argument(
        "--engine", choices=ENGINES, help="real Caffe or the runtime (default: a Caffe that can be imported)"
    )


def _parser(verb: str | None) -> argparse.ArgumentParser:
    if verb is not None:
        parser = argparse.ArgumentParser()
        _add_verb(parser, verb)
        return parser
    parser = argparse.ArgumentParser(
        prog="caffe-pylayers", description="Caffe nets and Python layers: train, test, run, check."
    )
    parser.add_argument("--version", action="version", version=__version__)
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    for name in VERBS:
        summary = _module(name).__doc__.splitlines()[0]
        _add_verb(verbs.add_parser(name, help=summary), name)
    return parser


def _add_verb(parser: argparse.ArgumentParser, name: str) -> None:
    module = _module(name)
    parser.description = module.__doc__
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    module.add_arguments(parser)
    parser.set_defaults(run=module.run, prog=parser.prog)


def _module(name: str) -> Any:
    return importlib.import_module(f"caffe_pylayers.cli.{name.replace('-', '_')}")
