"""Draw a net: layers as boxes, Python layers yellow, blobs as octagons.

    caffe-pylayers draw train_test.prototxt net.svg

The picture's format is that of its name: png, svg, pdf, ... Options are those of Caffe's draw_net.py, whose pictures
grow from left to right. Needs pydot and Graphviz; for a .gv file, which is what Graphviz reads, only pydot.
"""

from __future__ import annotations

import argparse

from caffe_pylayers._layer.phases import PHASES
from caffe_pylayers.cli import UserError
from caffe_pylayers.cli._errors import one_line, optional
from caffe_pylayers.cli._net_options import add_model_argument
from caffe_pylayers.cli._parser import given


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``draw``."""
    add_model_argument(parser, help="the net, also in an old format")
    parser.add_argument("picture", type=given, metavar="PICTURE", help="FILE.png, FILE.svg, FILE.pdf, FILE.gv, ...")
    parser.add_argument(
        "--rankdir", choices=("LR", "RL", "TB", "BT"), default="TB", help="where it grows (default: TB)"
    )
    parser.add_argument(
        "--phase", type=str.upper, choices=(*PHASES, "ALL"), default="ALL", help="its layers alone (default: all)"
    )
    parser.add_argument("--display-lrm", "--display_lrm", action="store_true", help="with the lr_mult of the layers")


def run(args: argparse.Namespace) -> int:
    """Draw; return the exit code."""
    if args.model is None:
        raise UserError(f"takes a net and a picture, got {args.picture} alone")
    with optional("drawing", "viz"):
        import pydot  # noqa: F401
    from caffe_pylayers._nets import pictures, prototxt

    with one_line():
        pictures.draw_net_to_file(
            prototxt.read_net(args.model), args.picture, args.rankdir, PHASES.get(args.phase), args.display_lrm
        )
    print(args.picture)
    return 0
