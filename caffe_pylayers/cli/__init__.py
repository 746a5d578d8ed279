"""The command line: ``caffe-pylayers VERB``, one module per verb.

A verb's module has ``add_arguments(parser)`` and ``run(args)``, which returns the exit code;
its docstring is its help. Only the module of the verb that is run is imported, and it imports
what it needs inside its functions, so that ``--help`` loads no engine.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
from pathlib import Path
from typing import Any, Sequence

from caffe_pylayers import __version__
from caffe_pylayers._engine import ENGINES, EngineError, chosen
from caffe_pylayers._engine.libraries import MissingLibrary, optional
from caffe_pylayers.cli._parser import Parser, meant

VERBS = (
    *("example", "mnist", "train", "test", "time", "features", "plot", "run", "modernize"),
    *("check", "layers", "new", "check-layer", "summary", "draw", "upgrade", "port"),
    *("convert-images", "convert-annotated", "mean", "install-caffe"),
)


class UserError(Exception):
    """A mistake in what the user gave; printed as one line, without a traceback.

    told: True where another process of the same training prints it.
    snapshot: that to go on from once it is mended; None where it is not an error of a training, or none was taken.
    """

    told = False
    snapshot: Path | None = None


def main(argv: Sequence[str] | None = None, verb: str | None = None) -> int:
    """Run the command line and return the exit code; with ``verb``, the arguments are that verb's.

    SystemExit(2) where the arguments are wrong, SystemExit(0) after ``--help``.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    try:
        args = _parse(given, verb)
        with chosen(getattr(args, "engine", None)):
            code = int(args.run(args))
        sys.stdout.flush()
        return code
    except (UserError, EngineError, MissingLibrary) as error:
        if not getattr(error, "told", False):
            print(f"{args.prog}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:  # a reader such as head has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE


def add_engine_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare --engine and --compat, for a verb that runs nets or layers; see ``translate_old_code``."""
    parser.add_argument(
        "--engine", choices=ENGINES, help="real Caffe or the runtime (default: a Caffe that can be imported)"
    )
    parser.add_argument(
        "--compat", action="store_true", help="translate Python 2 code, and what it needs of old libraries"
    )


def translate_old_code(args: argparse.Namespace) -> None:
    """With --compat, translate what is imported from here on. Loads the engine; MissingLibrary without fissix."""
    if args.compat:
        with optional("--compat", "compat"):
            import fissix  # noqa: F401
        from caffe_pylayers._compat import loader

        loader.install()


def _parse(given: list[str], verb: str | None) -> argparse.Namespace:
    if verb is not None:
        return _verb_parser(verb, None, given).parse(given)
    if given and given[0] in VERBS:
        return _verb_parser(given[0], f"caffe-pylayers {given[0]}", given[1:]).parse(given[1:])
    parser = Parser(
        prog="caffe-pylayers",
        usage="caffe-pylayers VERB ...",
        description="Caffe nets and Python layers: train, test, run, check.",
        epilog="\n".join(["VERB:", *(f"    {name:<19}{_summary(name)}" for name in VERBS)]),
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("verb", metavar="VERB", help="what to do, see below; VERB --help says more")
    name = parser.parse(given[:1]).verb
    parser.error(f"no verb {name!r}{meant(name, VERBS)}; caffe-pylayers --help lists all")


def _verb_parser(verb: str, prog: str | None, given: list[str]) -> Parser:
    module = _module(verb)
    parser = Parser(prog=prog, description=module.__doc__)
    module.add_arguments(parser)
    parser.set_defaults(run=module.run, prog=parser.prog, given=given)
    return parser


def _summary(verb: str) -> str:
    """Return the first line of a verb's docstring, which opens its file."""
    with open(Path(__file__).with_name(f"{_stem(verb)}.py"), encoding="utf-8") as source:
        return source.readline().strip().strip('"')


def _module(verb: str) -> Any:
    return importlib.import_module(f"caffe_pylayers.cli.{_stem(verb)}")


def _stem(verb: str) -> str:
    return verb.replace("-", "_")
