"""List this package's layers, or describe one: its blobs, its parameters, the prototxt to paste.

    caffe-pylayers layers my_layers.ScaledTanh

NAME is a class of the package (EuclideanLossLayer, or pyloss.EuclideanLossLayer), or the module and class of a layer of
yours, in this folder or on PYTHONPATH. Needs no caffe, unless the module imports it.
"""

from __future__ import annotations

import argparse
import os
import sys

from caffe_pylayers.cli import UserError, add_engine_arguments, translate_old_code
from caffe_pylayers.cli._errors import one_line
from caffe_pylayers.cli._parser import meant


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``layers``."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="the layer to describe; without it, all are listed")
    add_engine_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Print the list or the page; return the exit code."""
    from caffe_pylayers.cli._layer_pages import all_layers, listing, page

    layers = all_layers()
    if args.name is None:
        print("\n\n".join(listing(cls) for cls in layers.values()))
        return 0
    named = [cls for name, cls in layers.items() if args.name in (name, cls.__name__, f"caffe_pylayers.{name}")]
    print("\n\n".join(page(cls) for cls in named or [_own(args, [cls.__name__ for cls in layers.values()])]))
    return 0


def _own(args: argparse.Namespace, known: list[str]) -> type:
    """Import the ``module.Class`` that is asked for; UserError where there is none, with the names that are known."""
    name = args.name
    module, _, layer = name.rpartition(".")
    if not module or module.partition(".")[0] == "caffe_pylayers":
        raise UserError(f"no layer {name!r}{meant(layer, known)}; layers: {', '.join(known)}")
    from caffe_pylayers.cli._layer_pages import layer_class

    sys.path.append(os.getcwd())
    with one_line():
        translate_old_code(args)
        return layer_class(module, layer)
