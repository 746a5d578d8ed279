"""List this package's layers, search them, or describe one: its blobs, its parameters, the prototxt to paste.

    caffe-pylayers layers
    caffe-pylayers layers dice
    caffe-pylayers layers Interp
    caffe-pylayers layers my_layers.ScaledTanh

NAME is a class of the package (EuclideanLossLayer, or pyloss.EuclideanLossLayer), the layer type of a fork, or the
module and class of a layer of yours, in this folder or on PYTHONPATH; other words are searched for in the pages of the
package's. Needs no caffe, unless the module imports it.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from caffe_pylayers.cli import UserError, add_engine_arguments, translate_old_code
from caffe_pylayers.cli._errors import one_line
from caffe_pylayers.cli._parser import meant


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``layers``."""
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="the layer to describe, or words to search for; without, all are listed",
    )
    add_engine_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Print the list or the page; return the exit code."""
    from caffe_pylayers.cli._layer_groups import matching
    from caffe_pylayers.cli._layer_pages import all_layers, contents, listing, named_layers, page

    layers = all_layers()
    if not args.names:
        print(contents(layers))
        return 0
    name = " ".join(args.names)
    named = named_layers(layers, name)
    stand_in = "" if named else _stand_in(layers, name)
    if stand_in:
        print(stand_in)
        return 0
    found = [] if named or _is_own(args.names) else [listing(cls) for cls in matching(layers, args.names).values()]
    print("\n\n".join(found or map(page, named or [_own(args, [cls.__name__ for cls in layers.values()])])))
    return 0


def _stand_in(layers: dict[str, Any], kind: str) -> str:
    """Return what a fork's layer type is here: a layer's page, or a few lines for each of several; "" for no type."""
    from caffe_pylayers._nets.forks.names import fork_of_type
    from caffe_pylayers._nets.forks.table import DIALECTS, KINDS
    from caffe_pylayers.cli._layer_pages import listing, page

    if kind not in KINDS:
        return ""
    meanings = dict.fromkeys(row.layer or row.equal for row in DIALECTS if row.kind == kind)
    show = page if len(meanings) == 1 else listing
    found = [show(layers[name]) if name in layers else f"Caffe's own {name}" for name in meanings]
    return "\n\n".join([f"{kind}, a layer type of {fork_of_type(kind)}, is here:", *found])


def _is_own(names: list[str]) -> bool:
    return len(names) == 1 and "." in names[0] and not names[0].startswith("caffe_pylayers.")


def _own(args: argparse.Namespace, known: list[str]) -> type:
    """Import the ``module.Class`` that is asked for; UserError where there is none, with a name that is like it."""
    name = " ".join(args.names)
    module, _, layer = name.rpartition(".")
    if not _is_own(args.names):
        raise UserError(f"no layer {name!r}{meant(layer, known)}; caffe-pylayers layers lists all")
    from caffe_pylayers.cli._layer_pages import layer_class

    sys.path.append(os.getcwd())
    with one_line():
        translate_old_code(args)
        return layer_class(module, layer)
