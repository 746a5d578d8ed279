"""Draw the curves of one training, or of several to compare them.

    caffe-pylayers plot output/lenet/log.csv
    caffe-pylayers plot output/lenet/log.csv caffe.log curves.svg

A log is a log.csv of `caffe-pylayers train`, or what the caffe program logged. One log is drawn as train.png is: its
losses, and the test outputs whose values are all from 0 to 1, such as accuracies. Of several it is the training losses
and those outputs, each log in its own colour. The picture is a .png, .svg or .pdf, by its suffix; without one,
curves.png in the working directory.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from caffe_pylayers.cli import UserError
from caffe_pylayers.cli._errors import one_line, optional
from caffe_pylayers.cli._parser import given_path

FORMATS = (".png", ".svg", ".pdf")
DEFAULT = Path("curves.png")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``plot``."""
    parser.add_argument("files", nargs="+", type=given_path, metavar="FILE", help="the logs, and then the picture")
    parser.add_argument("--title", help="default: the names of the logs")


def run(args: argparse.Namespace) -> int:
    """Draw; return the exit code."""
    with optional("plotting", "viz"):
        from caffe_pylayers.cli._curves.compare import compare
        from caffe_pylayers.cli._curves.plot import curves_of, plot, say_what_is_left_out
    from caffe_pylayers.cli._curves.caffe_log import read_any

    paths, picture = _logs_and_picture(args.files)
    with one_line():
        logs = {path: read_any(path) for path in paths}
        for path, log in logs.items():
            if not any(curve.y.size for curve in curves_of(*log)):
                raise UserError(f"{path}: not one finite value to draw")
            say_what_is_left_out(path, *log)
        if len(logs) == 1:
            ((path, (columns, rows)),) = logs.items()
            plot(columns, rows, picture, args.title or str(path))
        else:
            compare({str(path): log for path, log in logs.items()}, picture, args.title or "")
    print(picture)
    return 0


def _logs_and_picture(files: list[Path]) -> tuple[list[Path], Path]:
    *logs, last = files
    if last.suffix.lower() in FORMATS:
        picture = last
    elif logs and last.suffix and not last.exists():
        raise UserError(f"{last}: no such log; and a picture is one of {', '.join(FORMATS)}")
    else:
        logs, picture = files, DEFAULT
    for path in logs:
        if path.suffix.lower() in FORMATS:
            raise UserError(f"{path}: the picture comes last, and there is one")
    if not logs:
        raise UserError(f"{picture}: a picture of what? Give the log before it")
    return logs, picture
