"""Write images with boxes to a database that SSD's AnnotatedData reads: as its convert_annoset.

    caffe-pylayers convert-annotated VOCdevkit trainval.txt trainval_lmdb --label-map labelmap_voc.prototxt --encoded

LIST has two paths below ROOT on each line, of an image and of its annotations: PASCAL VOC's XML, with --label-type json
COCO's of one image, with txt lines `label x1 y1 x2 y2`. With --anno-type classification it has an image and a label.
The database is there, whole, at the end: all annotations are read before it is begun. Options may also be written as
convert_annoset has them, -label_map_file=labelmap_voc.prototxt. What it passes over is an error here: images and
annotations that cannot be read or are not there, and boxes that end before they begin.
"""

from __future__ import annotations

import argparse
from typing import Any

from caffe_pylayers._layer.data.annotated_datum import message_class
from caffe_pylayers._layer.data.list_files import Line, lines
from caffe_pylayers._layer.quote import quoted
from caffe_pylayers._nets.sources import image_lines
from caffe_pylayers.cli import UserError, _conversion
from caffe_pylayers.cli._annotations import READERS, Annotations, annotate, label_map
from caffe_pylayers.cli._conversion import Item, Resize
from caffe_pylayers.cli._errors import line_of, one_line, optional
from caffe_pylayers.cli._parser import given, given_path
from caffe_pylayers.cli._progress import counted


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``convert-annotated``."""
    parser.add_argument("root", type=given_path, metavar="ROOT", help="the folder that paths begin from")
    parser.add_argument("list", type=given, metavar="LIST", help="images and their annotations")
    parser.add_argument("database", type=given_path, metavar="DATABASE", help="the database to be made")

    def add(*names: str, **options: Any) -> None:
        _conversion.add_option(parser, *names, **options)

    add("anno-type", choices=("detection", "classification"), default="detection", help="default: detection")
    add("label-type", choices=tuple(READERS), default="xml", help="the files of annotations (default: xml)")
    add(
        *("label-map", "label-map-file"),
        type=given_path,
        metavar="FILE",
        help="the classes' names and numbers, a LabelMap's text; not needed with txt",
    )
    add("check-label", action="store_true", help="no name and no number comes twice in it")
    add("allow-missing", action="store_true", help="annotations that are not there: an image without boxes")
    for name, what in (("min-dim", "the shorter side is at least"), ("max-dim", "the longer side is at most")):
        add(name, type=int, default=0, metavar="N", help=f"pixels that {what}, the ratio stays (default: as it is)")
    _conversion.add_options(parser)


def run(args: argparse.Namespace) -> int:
    """Convert; return the exit code."""
    with optional("convert-annotated", "runtime", "SSD's convert_annoset"):
        import cv2  # noqa: F401

        from caffe_pylayers.runtime.data import image  # noqa: F401

    def make(item: Item) -> _conversion.Made:
        return _record(item, args, resize)

    with one_line():
        _conversion.check_options(args)
        resize = _resize(args)
        items = _labelled(args) if args.anno_type == "classification" else _annotated(args)
        print(f"{args.database}: {_conversion.convert(items, make, args)}")
    return 0


def _labelled(args: argparse.Namespace) -> list[Item]:
    found = image_lines(args.list, f"{args.root}/", skip_blank=True)
    for line in found:
        if not line.labelled:
            raise UserError(f"{line.where}: a line must have a path, a blank and a label, got {quoted(line.text)}")
    return [Item(line.name, line.label, f"{line.where}: ") for line in found]


def _annotated(args: argparse.Namespace) -> list[Item]:
    """Return the items of the list, with the annotations of each."""
    if args.label_map is None and args.label_type != "txt":
        raise UserError("give --label-map, the classes' names and numbers")
    labels = {} if args.label_map is None else label_map(args.label_map, args.check_label)
    return [_item(line, labels, args) for line in counted(lines(args.list), "file of annotations")]


def _item(line: Line, labels: dict[str, int], args: argparse.Namespace) -> Item:
    words = line.text.split()
    if len(words) != 2:
        raise UserError(f"{line.where}: a line must have an image and its annotations, got {quoted(line.text)}")
    path = args.root / words[1]
    if args.allow_missing and not path.exists():
        return Item(words[0], Annotations([], None), f"{line.where}: ")
    try:
        return Item(words[0], READERS[args.label_type](path, labels), f"{line.where}: ")
    except (OSError, ValueError) as error:
        raise UserError(f"{line.where}: {line_of(error)}") from error


def _resize(args: argparse.Namespace) -> Resize | None:
    """Return what brings pixels to the size that is asked for; None where none is."""
    if not args.min_dim and not args.max_dim:
        return _conversion.resize_of(args)
    if args.resize_height or min(args.min_dim, args.max_dim) < 0:
        raise UserError("give --min-dim and --max-dim, in pixels, or --resize-height and --resize-width")

    import cv2

    def resize(pixels: Any) -> Any:
        short, long = sorted(pixels.shape[:2])
        by = max(args.min_dim / short, 1.0)
        if args.max_dim and int(by * long) > args.max_dim:
            by = args.max_dim / long
        return pixels if by == 1 else cv2.resize(pixels, None, fx=by, fy=by)

    return resize


def _record(item: Item, args: argparse.Namespace, resize: Resize | None) -> _conversion.Made:
    classification = args.anno_type == "classification"
    label = item.known if classification else -1
    datum, shape, size = _conversion.datum(args.root / item.path, label, args, resize)
    record = message_class("AnnotatedDatum")()
    record.datum.MergeFromString(datum.SerializeToString())
    record.datum.channels, record.datum.height, record.datum.width = shape
    if not classification:
        annotate(record, item.known, item.known.size or size)
    return record, shape
