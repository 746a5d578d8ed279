"""List this package's layers, or describe one: its blobs, its parameters, the prototxt to paste.

NAME is a class (EuclideanLossLayer) or a module and a class (pyloss.EuclideanLossLayer). Needs no caffe.
"""

from __future__ import annotations

import argparse
import difflib

from caffe_pylayers.cli import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``layers``."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="the layer to describe; without it, all are listed")


def run(args: argparse.Namespace) -> int:
    """Print the list or the page; the exit code."""
    from caffe_pylayers.cli._layer_pages import all_layers, listing, page

    layers = all_layers()
    if args.name is None:
        print("\n\n".join(listing(cls) for cls in layers.values()))
        return 0
    named = [cls for name, cls in layers.items() if args.name in (name, cls.__name__, f"caffe_pylayers.{name}")]
    if not named:
        names = [cls.__name__ for cls in layers.values()]
        close = difflib.get_close_matches(args.name.split(".")[-1], names, n=1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        raise UserError(f"no layer {args.name!r}{hint}; layers: {', '.join(names)}")
    print("\n\n".join(page(cls) for cls in named))
    return 0
