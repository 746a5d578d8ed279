"""Write MNIST as the two LMDBs that Caffe's Data layer reads: train_lmdb and test_lmdb.

Without other options they hold this package's sample: 4,000 digits to train, 1,000 to test.
  --test-source DIR   train on all 5,000, test on the official 10,000
  --full              MNIST itself, 60,000 and 10,000, downloaded once and then kept
  --imbalance 100     to train, class 0 as often as there are digits, 9 a hundredth as often, the others between
Existing LMDBs are replaced when the new ones are whole. The nets in prototxt/ look in data/mnist.
"""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING

from caffe_pylayers.cli import UserError
from caffe_pylayers.cli._parser import given_path

if TYPE_CHECKING:
    from caffe_pylayers.cli._mnist.idx import Digits

HELD_OUT = 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``mnist``."""
    parser.add_argument("--output", type=given_path, metavar="DIR", required=True, help="folder for the two LMDBs")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--full", action="store_true", help="all of MNIST instead of the sample")
    which.add_argument("--test-source", type=given_path, metavar="DIR", help="folder with the two official t10k files")
    parser.add_argument(
        "--source", type=given_path, metavar="DIR", help="with --full: folder with the four official files; no download"
    )

    parser.add_argument(
        "--imbalance", type=_imbalance, metavar="FACTOR", help="class 0 FACTOR times as often as class 9, to train"
    )


def _imbalance(text: str) -> float:
    value = float(text)
    if not 1 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number from 1 on, is {text}")
    return value


def run(args: argparse.Namespace) -> int:
    """Write the LMDBs and say what they hold; UserError where that is impossible."""
    from caffe_pylayers import _engine
    from caffe_pylayers.cli._mnist import DataError, database
    from caffe_pylayers.cli._mnist.long_tail import long_tail

    if args.source is not None and not args.full:
        raise UserError("--source goes with --full; for the official test digits alone there is --test-source")
    datum = _engine.messages().Datum
    try:
        digits = _digits(args)
        if args.imbalance is not None:
            digits["train"] = long_tail(digits["train"], args.imbalance)
        database.write(args.output, {f"{part}_lmdb": those for part, those in digits.items()}, datum)
    except DataError as error:
        raise UserError(str(error)) from error
    for part, those in digits.items():
        print(f"{part}: {len(those.labels)} digits -> {args.output / part}_lmdb")
    return 0


def _digits(args: argparse.Namespace) -> dict[str, Digits]:
    from caffe_pylayers.cli._mnist import source
    from caffe_pylayers.cli._mnist.idx import Digits

    if args.full:
        folder = args.source if args.source is not None else source.download()
        return {"train": source.official(folder, "train"), "test": source.official(folder, "t10k")}
    sample = source.sample()
    if args.test_source is not None:
        return {"train": sample, "test": source.official(args.test_source, "t10k")}
    return {
        "train": Digits(sample.images[:-HELD_OUT], sample.labels[:-HELD_OUT]),
        "test": Digits(sample.images[-HELD_OUT:], sample.labels[-HELD_OUT:]),
    }
