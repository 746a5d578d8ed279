"""What the verbs share that write images to a database: their options, an image's Datum, records in their order."""

from __future__ import annotations

import argparse
import functools
import itertools
import os
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Iterator, NamedTuple, Sequence, Tuple

from caffe_pylayers._disk.database import BACKENDS, Put, new_database
from caffe_pylayers.cli import UserError
from caffe_pylayers.cli._errors import line_of
from caffe_pylayers.cli._progress import counted

CHUNK = 64  # images read at a time

Made = Tuple[Any, Tuple[int, ...]]  # a record, and its image's (channels, height, width)
Resize = Callable[[Any], Any]


class Item(NamedTuple):
    """An image to convert: its path below the root, what is to be known of it, and the place in the list for errors."""

    path: str
    known: Any
    where: str


def add_option(parser: argparse.ArgumentParser, *names: str, **options: Any) -> None:
    """Declare an option of these names, the first its own, that may also be written as Caffe's tools have them.

    resize-height: --resize-height, --resize_height or -resize_height.
    """
    flags = [(f"--{name}", f"--{flag}", f"-{flag}") for name in names for flag in (name.replace("-", "_"),)]
    parser.add_argument(*dict.fromkeys(itertools.chain(*flags)), **options)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options that say how images are stored."""
    add = functools.partial(add_option, parser)
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


def check_options(args: argparse.Namespace) -> None:
    """Raise for options that do not go together, and for a kind of file that OpenCV does not write."""
    import numpy as np

    from caffe_pylayers.runtime.data import image

    if bool(args.resize_height) != bool(args.resize_width) or min(args.resize_height, args.resize_width) < 0:
        raise UserError("give --resize-height and --resize-width together, in pixels")
    if args.encode_type:
        image.encode(np.zeros((1, 1, 3), np.uint8), args.encode_type)  # a wrong type is no unreadable image


def resize_of(args: argparse.Namespace) -> Resize | None:
    """Return what brings pixels to the size that is asked for; None where none is."""
    from caffe_pylayers.runtime.data import image

    if not args.resize_height:
        return None
    return functools.partial(image.resize, height=args.resize_height, width=args.resize_width)


def datum(file: Path, label: int, args: argparse.Namespace, resize: Resize | None) -> tuple[Any, Any, Any]:
    """Return the Datum of an image, its (channels, height, width), and the file's (height, width)."""
    from caffe_pylayers.runtime.data import image
    from caffe_pylayers.runtime.proto.caffe_pb2 import Datum

    pixels = image.read_pixels(str(file), not args.gray)
    size = pixels.shape[:2]
    if resize is not None:
        pixels = resize(pixels)
    shape = (1 if args.gray else 3, *pixels.shape[:2])
    kind = args.encode_type or (_type(file.name) if args.encoded else None)
    if kind:
        as_it_is = resize is None and not args.gray and _type(file.name) == _type(kind)
        data = file.read_bytes() if as_it_is else image.encode(pixels, kind)
        return Datum(data=data, label=label, encoded=True), shape, size
    channels, height, width = shape
    data = image.planes(pixels).tobytes()
    # Caffe's tools write the field encoded also where it is false.
    made = Datum(channels=channels, height=height, width=width, data=data, label=label, encoded=False)
    return made, shape, size


def _type(name: str) -> str:
    kind = name.rpartition(".")[2].lower()
    return "jpg" if kind == "jpeg" else kind


def convert(items: list[Item], make: Callable[[Item], Made], args: argparse.Namespace) -> str:
    """Write what ``make`` makes of each item, from as many cores as there are; return how many that were, in words.

    OSError and ValueError of make are those of an image that cannot be read.
    """
    if args.shuffle:
        random.Random(args.seed).shuffle(items)  # noqa: S311 - an order, no secret
    with new_database(args.database, args.backend) as put:
        written = _write(counted(_made(items, make), "image", len(items)), put, args)
    skipped = len(items) - written
    return f"{written} images" + (f", {skipped} skipped" if skipped else "")


def _made(items: Sequence[Item], make: Callable[[Item], Made]) -> Iterator[tuple[Item, Made | ValueError]]:
    """Give each item with what became of it, in order."""

    def attempt(item: Item) -> Made | ValueError:
        try:
            return make(item)
        except (OSError, ValueError) as error:
            return ValueError(f"{item.where}{line_of(error)}")

    with ThreadPoolExecutor(os.cpu_count()) as readers:
        for start in range(0, len(items), CHUNK):
            chunk = items[start : start + CHUNK]
            yield from zip(chunk, readers.map(attempt, chunk))


def _write(made: Iterator[tuple[Item, Made | ValueError]], put: Put, args: argparse.Namespace) -> int:
    """Put the records into the database; return their number. ValueError for what is no image, unless it is skipped."""
    first, written = None, 0
    for number, (item, found) in enumerate(made):
        if isinstance(found, ValueError):
            if not args.skip_unreadable:
                raise found
            print(f"skipped {found}")
            continue
        record, shape = found
        first = first or shape
        if args.check_size and shape != first:
            sizes = [" x ".join(map(str, each)) for each in (shape, first)]
            raise ValueError(f"{item.where}{args.root / item.path}: {sizes[0]}, the first image has {sizes[1]}")
        put(b"%08d_%s" % (number, os.fsencode(item.path)), record)
        written += 1
    if not written:
        raise UserError(f"{args.list or args.root}: no images")
    return written
