"""Check a net, or this environment: what would fail, and why backward is called or not.

Without a net: which Python and caffe run here, and whether they can run Python layers.

With a net, for each phase: Python layers whose module, class or param_str is wrong; wrong
wiring, unknown layer types, missing data; and for each Python layer (with --all, each layer)
whether Caffe calls its backward, what propagate_down it is told for each bottom, and why.
Checking imports the modules that the net names. How many blobs a Python layer learns is known
only once it is set up: as many are assumed as it has `param { }` blocks.

The exit code is 1 if there are problems.
"""

from __future__ import annotations

import argparse
from typing import Any

from caffe_pylayers.cli import UserError, add_engine_arguments, translate_old_code
from caffe_pylayers.cli._net_options import add_model_argument
from caffe_pylayers.cli._report import Report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``check``."""
    add_model_argument(parser, help="the net; without one, the environment is checked")
    parser.add_argument("--phase", choices=("TRAIN", "TEST"), help="one phase only (default: both)")
    parser.add_argument("--stage", action="append", default=[], metavar="S", help="a stage of the net; repeatable")
    parser.add_argument("--level", type=int, default=0, metavar="N", help="the level of the net (default: 0)")
    add_engine_arguments(parser)
    parser.add_argument("--all", action="store_true", help="the plan of every layer, not of Python layers only")


def run(args: argparse.Namespace) -> int:
    """Print what was found; return the exit code."""
    report = Report()
    if args.model is None:
        from caffe_pylayers.cli._environment import check_environment

        check_environment(report)
    else:
        _check_net(args, report)
    return report.end()


def _check_net(args: argparse.Namespace, report: Report) -> None:
    _import_caffe()
    translate_old_code(args)
    from caffe_pylayers.cli._net_report import check_net

    net = _read(args.model, report)
    if net is not None:
        phases = [args.phase] if args.phase else ["TRAIN", "TEST"]
        check_net(report, net, args.model, phases, args.level, args.stage, every_layer=args.all)


def _import_caffe() -> None:
    from caffe_pylayers import _engine
    from caffe_pylayers.cli._import_advice import advice, last_line

    try:
        _engine.caffe()
    except _engine.EngineError:
        raise
    except Exception as error:  # whatever a caffe that does not fit its environment raises
        text = str(error)
        raise UserError(f"import caffe: {type(error).__name__}: {last_line(text)}; {advice(text)}") from None


def _read(path: str, report: Report) -> Any:
    from caffe_pylayers._nets import prototxt

    try:
        return prototxt.read_net(path)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        report.problem(str(error))
        return None
