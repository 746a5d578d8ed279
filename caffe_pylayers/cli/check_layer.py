"""Check a Python layer: its gradient, what else Caffe expects of it, and that it works in a net.

    caffe-pylayers check-layer my_layers.ScaledTanh --bottom 4x3 --param-str '{"scale": 2}'
    caffe-pylayers check-layer EuclideanLossLayer --bottom 4x3 --bottom 4x3
    caffe-pylayers check-layer my_layers.Focal --bottom 8x5 --bottom 8:5

It lists all that is wrong and what it comes from, as caffe_pylayers.testing.check_layer does; the exit code is then 1.
The bottoms hold random values. The module is found in this folder or on PYTHONPATH.
"""

from __future__ import annotations

import argparse
import inspect
import os
import re
import sys
import warnings
from typing import Any

from caffe_pylayers.cli import UserError, add_engine_arguments, translate_old_code
from caffe_pylayers.cli._errors import one_line
from caffe_pylayers.cli._parser import meant


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``check-layer``."""
    parser.add_argument(
        "layer", metavar="module.Class", help="the layer; of the package's own, EuclideanLossLayer will do"
    )
    parser.add_argument(
        *("--bottom", "-b"),
        action="append",
        type=_bottom,
        default=[],
        metavar="SHAPE",
        help="a bottom for each: 4x3 of normally distributed values, 4x3:10 of integers from 0 to 9, 4:10 of 4 labels",
    )
    parser.add_argument("--param-str", default="", metavar="TEXT", help="as in the prototxt")
    parser.add_argument("--tops", type=int, default=1, metavar="N", help="number of tops (default: 1)")
    parser.add_argument("--phase", choices=("TRAIN", "TEST"), default="TRAIN", help="default: TRAIN")
    parser.add_argument("--exhaustive", action="store_true", help="the gradient of every value: for small bottoms")
    parser.add_argument(
        "--no-gradient", action="store_true", help="no bottom can get a gradient: all hold integers, say"
    )
    parser.add_argument("--one-size", action="store_true", help="the layer takes no other batch size than this")
    parser.add_argument("--random", action="store_true", help="the layer is random, or goes on in its data")
    parser.add_argument("--seed", type=int, default=1701, metavar="N", help="of the values (default: 1701)")
    add_engine_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Print what was found; return the exit code."""
    import numpy as np

    from caffe_pylayers._compat.advice import WHAT_HELPS, is_old
    from caffe_pylayers.cli._device import quiet
    from caffe_pylayers.cli._layer_pages import all_layers, layer_class, named_layers
    from caffe_pylayers.testing import Case, check_layer

    quiet()
    layers = all_layers()
    named = named_layers(layers, args.layer)
    module, _, name = args.layer.rpartition(".")
    if not (named or module):
        hint = meant(name, [cls.__name__ for cls in layers.values()])
        raise UserError(f"{name!r} is no layer of the package, nor a module and class, such as my_layers.{name}{hint}")
    sys.path.append(os.getcwd())
    with one_line():
        translate_old_code(args)
        cls = named[0] if named else layer_class(module, name)
    rng = np.random.RandomState(args.seed)
    bottoms = [rng.randint(0, top, shape) if top else rng.standard_normal(shape) for shape, top in args.bottom]
    options: dict[str, Any] = {"exhaustive": args.exhaustive, "seed": args.seed, "repeatable": not args.random}
    if args.no_gradient:
        options["wrt"] = []
    if args.one_size:
        options["other_bottoms"] = ()
    with one_line():
        case = Case(cls, bottoms, args.param_str, args.tops, ("TRAIN", "TEST").index(args.phase))
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            try:
                check_layer(case, **options)
            except AssertionError as error:
                print(error)
                if not args.compat and is_old(inspect.getsourcefile(cls) or ""):
                    print(f"{inspect.getsourcefile(cls)}: {WHAT_HELPS}")
                return 1
    for warning in said:
        if warning.category is UserWarning:
            print(warning.message)
    print(f"{args.layer}: nothing wrong found")
    return 0


def _bottom(text: str) -> tuple[tuple[int, ...], int]:
    """Return a shape, and the number of classes of labels or 0."""
    found = re.fullmatch(r"(\d+(?:[x,]\d+)*)(?::([1-9]\d*))?", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no shape such as 4x3, or 4:10 for 4 labels from 0 to 9")
    return tuple(map(int, re.split("[x,]", found[1]))), int(found[2] or 0)
