"""Write images to an LMDB that Caffe's Data layer reads: as Caffe's convert_imageset.

    caffe-pylayers convert-images images/ train.txt train_lmdb --resize-height 256 --resize-width 256 --shuffle

LIST has a path below ROOT, a blank and a label on each line. Without LIST, each folder in ROOT is a class, labelled
from 0 up in the order of their names, which are printed. The database is there, whole, at the end.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Iterator, Tuple

from caffe_pylayers.cli import UserError
from caffe_pylayers.cli._lmdb import new_lmdb

SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}
CHUNK = 64  # images read at a time

Pair = Tuple[str, int]  # a path and a label


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``convert-images``."""
    parser.add_argument("root", type=Path, metavar="ROOT", help="the folder that paths begin from")
    parser.add_argument("list", nargs="?", metavar="LIST", help="paths and labels; default: a class for each folder")
    parser.add_argument("database", type=Path, metavar="DATABASE", help="the LMDB to be made")
    for name in ("height", "width"):
        parser.add_argument(
            f"--resize-{name}", f"--resize_{name}", type=int, default=0, metavar="N", help="pixels (default: as it is)"
        )
    parser.add_argument("--gray", action="store_true", help="brightness only")
    parser.add_argument("--shuffle", action="store_true", help="in a random order")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of that order (default: 0)")
    parser.add_argument("--encoded", action="store_true", help="store encoded images, to be decoded in training")
    parser.add_argument(
        "--encode-type", "--encode_type", default="jpg", metavar="TYPE", help="png, jpg, ... (default: jpg)"
    )
    parser.add_argument("--check-size", "--check_size", action="store_true", help="all images must be of one size")
    parser.add_argument("--skip-unreadable", action="store_true", help="leave out what is no image, and say so")


def run(args: argparse.Namespace) -> int:
    """Convert; the exit code."""
    if bool(args.resize_height) != bool(args.resize_width):
        raise UserError("give --resize-height and --resize-width together")
    try:
        pairs = _pairs(args)
        if args.shuffle:
            random.Random(args.seed).shuffle(pairs)  # noqa: S311 - an order, no secret
        converter, skipped = _Converter(args), 0
        with new_lmdb(args.database) as put, ThreadPoolExecutor(os.cpu_count()) as readers:
            written = 0
            for start in range(0, len(pairs), CHUNK):
                chunk = pairs[start : start + CHUNK]
                for (path, _), made in zip(chunk, readers.map(converter.datum, chunk)):
                    if isinstance(made, ValueError):
                        if not args.skip_unreadable:
                            raise made
                        print(f"skipped {made}")
                        skipped += 1
                        continue
                    converter.check(path, made)
                    put(b"%08d_%s" % (written, str(path).encode()), made)
                    written += 1
            if not written:
                raise UserError(f"{args.root}: no images")
    except (ImportError, OSError, ValueError) as error:
        raise UserError(str(error)) from error
    print(f"{args.database}: {written} images" + (f", {skipped} skipped" if skipped else ""))
    return 0


def _pairs(args: argparse.Namespace) -> list[Pair]:
    if args.list is not None:
        lines = Path(args.list).read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        return [_labelled(line, f"{args.list}:{number}") for number, line in enumerate(lines, 1)]
    classes = sorted(path.name for path in args.root.iterdir() if path.is_dir())
    for label, name in enumerate(classes):
        print(f"{label} {name}")
    return list(itertools.chain.from_iterable(_files_of(args.root, name, i) for i, name in enumerate(classes)))


def _labelled(line: str, where: str) -> Pair:
    path, _, label = line.rpartition(" ")
    if not re.fullmatch(r"[+-]?\d+", label) or not path:
        raise UserError(f'{where}: a line must have a path, a blank and a label, got "{line}"')
    return path, int(label)


def _files_of(root: Path, name: str, label: int) -> Iterator[Pair]:
    for path in sorted((root / name).rglob("*")):
        if path.suffix.lower() in SUFFIXES:
            yield str(path.relative_to(root)), label


class _Converter:
    """Makes a Datum of each image."""

    def __init__(self, args: argparse.Namespace) -> None:
        try:
            from caffe_pylayers.runtime.proto.caffe_pb2 import Datum
        except ModuleNotFoundError as error:
            raise UserError(f"reading images needs {error.name}: pip install 'caffe-pylayers[runtime]'") from error

        self._args, self._datum = args, Datum
        self._size: int | None = None

    def datum(self, pair: Pair) -> Any:
        """The Datum of a (path, label), or the ValueError that says why there is none."""
        from caffe_pylayers.runtime import image

        path, label = pair
        args = self._args
        try:
            values = image.read_pixels(str(args.root / path), not args.gray)
            if args.resize_height:
                values = image.resize(values, args.resize_height, args.resize_width)
            if args.encoded:
                as_it_is = not args.resize_height and not args.gray and _type(path) == _type(args.encode_type)
                data = (args.root / path).read_bytes() if as_it_is else image.encode(values, args.encode_type)
                return self._datum(data=data, label=label, encoded=True)
        except (OSError, ValueError) as error:
            return ValueError(str(error))
        planes = image.planes(values)
        channels, height, width = planes.shape
        return self._datum(channels=channels, height=height, width=width, data=planes.tobytes(), label=label)

    def check(self, path: str, datum: Any) -> None:
        """ValueError for an image of another size than the first, if that is to be checked."""
        if self._args.check_size and not datum.encoded:
            self._size = self._size or len(datum.data)
            if len(datum.data) != self._size:
                raise ValueError(
                    f"{self._args.root / path}: {len(datum.data)} values, the first image has {self._size}"
                )


def _type(name: str) -> str:
    kind = name.rpartition(".")[2].lower()
    return "jpg" if kind == "jpeg" else kind
