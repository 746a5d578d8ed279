"""Draw a net: layers as boxes, Python layers yellow, blobs as octagons.

    caffe-pylayers draw train_test.prototxt net.svg

The picture's format is that of its name: png, svg, pdf, dot, ... Needs pydot and Graphviz.
"""

from __future__ import annotations

import argparse

from caffe_pylayers.cli import UserError
from caffe_pylayers.cli._errors import one_line, optional
from caffe_pylayers.cli._net_options import PHASES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``draw``."""
    parser.add_argument("net", metavar="NET.prototxt")
    parser.add_argument("picture", metavar="PICTURE")
    parser.add_argument(
        "--rankdir", choices=("LR", "RL", "TB", "BT"), default="TB", help="where it grows (default: TB)"
    )
    parser.add_argument("--phase", type=str.upper, choices=PHASES, help="the layers of one phase (default: all)")
    parser.add_argument("--display-lrm", "--display_lrm", action="store_true", help="with the lr_mult of the layers")


def run(args: argparse.Namespace) -> int:
    """Draw; the exit code."""
    with optional("drawing", "runtime,viz"):
        import pydot  # noqa: F401

        from caffe_pylayers.runtime import draw, prototxt
    with one_line():
        net = prototxt.read_net(args.net)
        phase = None if args.phase is None else PHASES[args.phase]
        try:
            draw.draw_net_to_file(net, args.picture, args.rankdir, phase, args.display_lrm)
        except FileNotFoundError as error:
            if error.filename:
                raise
            raise UserError('Graphviz is not installed: no program "dot"') from error
        except AssertionError as error:  # what pydot makes of what Graphviz says
            raise UserError(
                f"{args.picture}: Graphviz does not write pictures of this kind; take png, svg or pdf"
            ) from error
    print(args.picture)
    return 0
