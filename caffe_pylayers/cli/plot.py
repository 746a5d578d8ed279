"""Draw the curves of one training, or of several to compare them.

    caffe-pylayers plot output/lenet/log.csv caffe.log curves.png

A log is a log.csv of `caffe-pylayers train`, or what the caffe program logged. One log is drawn as train.png is;
of several, the training losses and the accuracies, each log in its own colour.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from caffe_pylayers.cli import UserError
from caffe_pylayers.cli._errors import one_line, optional


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``plot``."""
    parser.add_argument("logs", nargs="+", type=Path, metavar="LOG", help="a log.csv, or a log of caffe")
    parser.add_argument("picture", type=Path, metavar="PICTURE.png", help="the picture")
    parser.add_argument("--title", help="default: the names of the logs")


def run(args: argparse.Namespace) -> int:
    """Draw; the exit code."""
    with optional("plotting", "viz"):
        from caffe_pylayers.cli._curves.compare import compare
        from caffe_pylayers.cli._curves.plot import plot
    from caffe_pylayers.cli._curves.caffe_log import read_any

    if args.picture.suffix.lower() != ".png":
        raise UserError(f"{args.picture}: the picture is a .png, and comes last")
    with one_line():
        logs = {path: read_any(path) for path in args.logs}
        if len(logs) == 1:
            ((path, (columns, rows)),) = logs.items()
            plot(columns, rows, args.picture, args.title or str(path))
        else:
            compare({str(path): log for path, log in logs.items()}, args.picture, args.title or "")
    print(args.picture)
    return 0
