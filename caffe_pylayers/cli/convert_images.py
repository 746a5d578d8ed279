"""Write images to a database that Caffe's Data layer reads: as Caffe's convert_imageset.

    caffe-pylayers convert-images images/ train.txt train_lmdb --resize-height 256 --resize-width 256 --shuffle

LIST has a path below ROOT, a blank and a label on each line. Without LIST, each folder in ROOT is a class, labelled
from 0 up in the order of their names, which are printed. The database is there, whole, at the end. Options may also be
written as convert_imageset has them, -resize_height=256. An image that cannot be read ends it here, where
convert_imageset passes it over, and with --gray encoded images are gray, too.
"""

from __future__ import annotations

import argparse
import itertools
import os
from pathlib import Path
from typing import Iterator

from caffe_pylayers._layer.quote import quoted
from caffe_pylayers._nets.sources import ImageLine, image_lines
from caffe_pylayers.cli import UserError, _conversion
from caffe_pylayers.cli._conversion import Item
from caffe_pylayers.cli._errors import one_line, optional
from caffe_pylayers.cli._parser import given, given_path

SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``convert-images``."""
    parser.add_argument("root", type=given_path, metavar="ROOT", help="the folder that paths begin from")
    parser.add_argument(
        "list", nargs="?", type=given, metavar="LIST", help="paths and labels; default: a class for each folder"
    )
    parser.add_argument("database", type=given_path, metavar="DATABASE", help="the database to be made")
    _conversion.add_options(parser)


def run(args: argparse.Namespace) -> int:
    """Convert; return the exit code."""
    with optional("convert-images", "runtime", "Caffe's convert_imageset"):
        import cv2  # noqa: F401

        from caffe_pylayers.runtime.data import image  # noqa: F401

    def make(item: Item) -> _conversion.Made:
        return _conversion.datum(args.root / item.path, item.known, args, resize)[:2]

    with one_line():
        _conversion.check_options(args)
        resize = _conversion.resize_of(args)
        print(f"{args.database}: {_conversion.convert(_items(args), make, args)}")
    return 0


def _items(args: argparse.Namespace) -> list[Item]:
    if args.list is not None:
        return [_labelled(line) for line in image_lines(args.list, f"{args.root}{os.sep}", skip_blank=True)]
    classes = sorted(path.name for path in args.root.iterdir() if path.is_dir())
    for label, name in enumerate(classes):
        print(f"{label} {name}")
    return list(itertools.chain.from_iterable(_files_of(args.root, name, i) for i, name in enumerate(classes)))


def _labelled(line: ImageLine) -> Item:
    if not line.labelled:
        raise UserError(f"{line.where}: a line must have a path, a blank and a label, got {quoted(line.text)}")
    return Item(line.name, line.label, f"{line.where}: ")


def _files_of(root: Path, name: str, label: int) -> Iterator[Item]:
    for path in sorted((root / name).rglob("*")):
        if path.suffix.lower() in SUFFIXES:
            yield Item(str(path.relative_to(root)), label, "")
