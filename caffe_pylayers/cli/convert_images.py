"""Write images to a database that Caffe's Data layer reads: as Caffe's convert_imageset.

    caffe-pylayers convert-images images/ train.txt train_lmdb --resize-height 256 --resize-width 256 --shuffle

LIST has a path below ROOT, a blank and a label on each line. Without LIST, each folder in ROOT is a class, labelled
from 0 up in the order of their names, which are printed. The database is there, whole, at the end. Options may also be
written as convert_imageset has them, -resize_height=256. An image that cannot be read ends it here, where
convert_imageset passes it over, and with --gray encoded images are gray, too.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import os
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Iterator, NamedTuple, Tuple, Union

from caffe_pylayers._disk.database import BACKENDS, Put, new_database
from caffe_pylayers._layer.quote import quoted
from caffe_pylayers._nets.sources import ImageLine, image_lines
from caffe_pylayers.cli import UserError
from caffe_pylayers.cli._errors import line_of, one_line, optional
from caffe_pylayers.cli._parser import given, given_path
from caffe_pylayers.cli._progress import counted

SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}
CHUNK = 64  # images read at a time

Converted = Union[Tuple[Any, Tuple[int, ...]], ValueError]


class Item(NamedTuple):
    """An image to convert: its path below the root, its label, and the place in the list for errors."""

    path: str
    label: int
    where: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``convert-images``."""
    parser.add_argument("root", type=given_path, metavar="ROOT", help="the folder that paths begin from")
    parser.add_argument(
        "list", nargs="?", type=given, metavar="LIST", help="paths and labels; default: a class for each folder"
    )
    parser.add_argument("database", type=given_path, metavar="DATABASE", help="the database to be made")

    def add(name: str, **options: Any) -> None:
        parser.add_argument(*dict.fromkeys((f"--{name}", f"--{_flag(name)}", f"-{_flag(name)}")), **options)

    add("backend", choices=BACKENDS, default="lmdb", help="default: lmdb")
    for name in ("resize-height", "resize-width"):
        add(name, type=int, default=0, metavar="N", help="pixels (default: as it is)")
    add("gray", action="store_true", help="brightness only")
    add("shuffle", action="store_true", help="in a random order")
    add("seed", type=int, default=0, metavar="N", help="of that order (default: 0)")
    add("encoded", action="store_true", help="store encoded images, to be decoded in training")
    add("encode-type", metavar="TYPE", help="store them encoded as png, jpg, ... (default: as the file is)")
    add("check-size", action="store_true", help="all images must be of one size")
    add("skip-unreadable", action="store_true", help="leave out what is no image, and say so")


def _flag(name: str) -> str:
    return name.replace("-", "_")


def run(args: argparse.Namespace) -> int:
    """Convert; return the exit code."""
    if bool(args.resize_height) != bool(args.resize_width) or min(args.resize_height, args.resize_width) < 0:
        raise UserError("give --resize-height and --resize-width together, in pixels")
    with optional("convert-images", "runtime", "Caffe's convert_imageset"):
        import cv2  # noqa: F401
        import numpy as np

        from caffe_pylayers.runtime.data import image

    with one_line():
        if args.encode_type:
            image.encode(np.zeros((1, 1, 3), np.uint8), args.encode_type)  # a wrong type is no unreadable image
        items = _items(args)
        if args.shuffle:
            random.Random(args.seed).shuffle(items)  # noqa: S311 - an order, no secret
        with new_database(args.database, args.backend) as put:
            written = _write(counted(_converted(items, args), "image", len(items)), put, args)
    skipped = len(items) - written
    print(f"{args.database}: {written} images" + (f", {skipped} skipped" if skipped else ""))
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


def _converted(items: list[Item], args: argparse.Namespace) -> Iterator[tuple[Item, Converted]]:
    """Give each item with what became of it, in order; as many at a time as there are cores."""
    with ThreadPoolExecutor(os.cpu_count()) as readers:
        for start in range(0, len(items), CHUNK):
            chunk = items[start : start + CHUNK]
            yield from zip(chunk, readers.map(functools.partial(_convert, args), chunk))


def _write(converted: Iterator[tuple[Item, Converted]], put: Put, args: argparse.Namespace) -> int:
    """Put the images into the database; return their number. ValueError for what is no image, unless it is skipped."""
    first, written = None, 0
    for number, (item, made) in enumerate(converted):
        if isinstance(made, ValueError):
            if not args.skip_unreadable:
                raise made
            print(f"skipped {made}")
            continue
        datum, shape = made
        first = first or shape
        if args.check_size and shape != first:
            sizes = [" x ".join(map(str, each)) for each in (shape, first)]
            raise ValueError(f"{item.where}{args.root / item.path}: {sizes[0]}, the first image has {sizes[1]}")
        put(b"%08d_%s" % (number, os.fsencode(item.path)), datum)
        written += 1
    if not written:
        raise UserError(f"{args.list or args.root}: no images")
    return written


def _convert(args: argparse.Namespace, item: Item) -> Converted:
    """Return the Datum of an image and its (channels, height, width), or the ValueError that says why there is none."""
    from caffe_pylayers.runtime.data import image
    from caffe_pylayers.runtime.proto.caffe_pb2 import Datum

    file = args.root / item.path
    try:
        pixels = image.read_pixels(str(file), not args.gray)
        if args.resize_height:
            pixels = image.resize(pixels, args.resize_height, args.resize_width)
        shape = (1 if args.gray else 3, *pixels.shape[:2])
        kind = args.encode_type or (_type(item.path) if args.encoded else None)
        if kind:
            as_it_is = not args.resize_height and not args.gray and _type(item.path) == _type(kind)
            data = file.read_bytes() if as_it_is else image.encode(pixels, kind)
            return Datum(data=data, label=item.label, encoded=True), shape
    except (OSError, ValueError) as error:
        return ValueError(f"{item.where}{line_of(error)}")
    channels, height, width = shape
    data = image.planes(pixels).tobytes()
    # convert_imageset writes the field encoded also where it is false.
    return Datum(channels=channels, height=height, width=width, data=data, label=item.label, encoded=False), shape


def _type(name: str) -> str:
    kind = name.rpartition(".")[2].lower()
    return "jpg" if kind == "jpeg" else kind
