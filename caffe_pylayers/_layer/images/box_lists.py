"""Images with boxes as files list them: PASCAL VOC's XML, COCO's JSON, and plain lists of numbers."""

from __future__ import annotations

import json
import os
from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np

from caffe_pylayers._layer.data.list_files import check_files, lines
from caffe_pylayers._layer.quote import short

_VOC = "aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike person pottedplant"
VOC_CLASSES = tuple(f"{_VOC} sheep sofa train tvmonitor".split())


class Boxes(NamedTuple):
    """An image with its boxes.

    where: what messages call it. path: of the image. rows: x1, y1, x2, y2 in edges from 0, the class, and 1 for an
    object that is marked as difficult or as a crowd, float64.
    """

    where: str
    path: str
    rows: Any


def voc_boxes(root: str, split: str, classes: tuple[str, ...], extension: str) -> list[Boxes]:
    """Read the annotations of a split, ImageSets/Main/SPLIT.txt; classes count from 1, 0 is the background.

    ValueError names the first file that is wrong.
    """
    numbers = {name: number for number, name in enumerate(classes, 1)}
    found = []
    for where, text in lines(os.path.join(root, "ImageSets", "Main", f"{split}.txt")):
        name = text.split()[0]  # a list of one class has 1, 0 or -1 behind it
        rows = _voc_rows(os.path.join(root, "Annotations", f"{name}.xml"), where, numbers)
        found.append(Boxes(where, os.path.join(root, "JPEGImages", name + extension), rows))
    check_files([each.where for each in found], [each.path for each in found])
    return found


def _voc_rows(path: str, where: str, numbers: dict[str, int]) -> Any:
    try:
        objects = ElementTree.parse(path).getroot().findall("object")  # noqa: S314 - expat bounds entities
    except OSError as error:
        raise ValueError(f"{where}: {path}: {error.strerror}") from error
    except ElementTree.ParseError as error:
        raise ValueError(f"{path}: {error}") from error
    rows = []
    for i, each in enumerate(objects, 1):
        name = (each.findtext("name") or "").strip()
        if name not in numbers:
            raise ValueError(f"{path}: object {i}: class {short(name)} is none of {', '.join(numbers)}")
        try:
            x1, y1, x2, y2 = (float(each.findtext(f"bndbox/{side}") or "") for side in ("xmin", "ymin", "xmax", "ymax"))
        except ValueError:
            raise ValueError(f"{path}: object {i} has no bndbox of four numbers") from None
        if x2 < x1 or y2 < y1:
            raise ValueError(f"{path}: object {i}: the box {[x1, y1, x2, y2]} ends before it begins")
        difficult = (each.findtext("difficult") or "0").strip() == "1"
        rows.append((x1 - 1, y1 - 1, x2, y2, numbers[name], difficult))  # from the first pixel, 1, to the last in it
    return np.array(rows, np.float64).reshape(-1, 6)


def coco_boxes(source: str, root: str) -> tuple[list[Boxes], list[str]]:
    """Read a COCO file of instances; return the images with their boxes, and the names of the classes from 1 on.

    Classes are the categories in the order of their ids, from 1. Boxes without area are left out, as COCO has some.

    ValueError names the entry that is wrong.
    """
    try:
        with open(source, encoding="utf-8") as file:
            content = json.load(file)
        images, annotations, categories = (content[name] for name in ("images", "annotations", "categories"))
    except OSError as error:
        raise ValueError(f"{source}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{source}: is no COCO file of instances ({type(error).__name__}: {error})") from error
    by_id = sorted(_field(source, "categories", i, each, "id") for i, each in enumerate(categories))
    numbers = {each: number for number, each in enumerate(by_id, 1)}
    rows: dict[Any, list[Any]] = {_field(source, "images", i, each, "id"): [] for i, each in enumerate(images)}
    for i, each in enumerate(annotations):
        image, category = (_field(source, "annotations", i, each, name) for name in ("image_id", "category_id"))
        if image not in rows or category not in numbers:
            raise ValueError(f"{source}: annotations[{i}]: image {image} or category {category} is not in the file")
        x, y, width, height = _numbers(source, i, each)
        if width > 0 and height > 0:
            rows[image].append((x, y, x + width, y + height, numbers[category], bool(each.get("iscrowd", 0))))
    found = []
    for i, each in enumerate(images):
        where, path = f"{source}: images[{i}]", os.path.join(root, _field(source, "images", i, each, "file_name"))
        found.append(Boxes(where, path, np.array(rows[each["id"]], np.float64).reshape(-1, 6)))
    check_files([each.where for each in found], [each.path for each in found])
    names = {each["id"]: str(each.get("name", each["id"])) for each in categories}
    return found, [names[each] for each in by_id]


def _field(source: str, group: str, i: int, each: Any, name: str) -> Any:
    if not isinstance(each, dict) or name not in each:
        raise ValueError(f"{source}: {group}[{i}] has no {name}")
    return each[name]


def _numbers(source: str, i: int, each: Any) -> list[float]:
    box = _field(source, "annotations", i, each, "bbox")
    if not isinstance(box, list) or len(box) != 4 or not all(isinstance(n, (int, float)) for n in box):
        raise ValueError(f"{source}: annotations[{i}]: bbox must be x, y, width and height, got {short(box)}")
    return box


def listed_boxes(source: str, root: str) -> list[Boxes]:
    """Read a list of images with ``# number  path  count`` and then ``class x1 y1 x2 y2 difficult`` count times.

    x2 and y2 are the last pixel in the box. ValueError names the image that is wrong.
    """
    try:
        with open(source, encoding="utf-8") as file:
            words = file.read().split()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{source}: {getattr(error, 'strerror', None) or 'is no text in UTF-8'}") from error
    found: list[Boxes] = []
    at = 0
    while at < len(words):
        where = f"{source}: image {len(found)}"
        try:
            mark, _, path, count = words[at : at + 4]
            rows = np.array(words[at + 4 : at + 4 + 6 * int(count)], np.float64).reshape(int(count), 6)
        except ValueError:
            mark, rows = "", np.zeros((0, 6))
        if mark != "#":
            raise ValueError(
                f'{where} must be "# number path count" and count times "class x1 y1 x2 y2 difficult", got '
                f"{short(' '.join(words[at : at + 10]))}"
            )
        wrong = np.flatnonzero((rows[:, 3:5] < rows[:, 1:3]).any(1) | (rows[:, 0] < 1) | ~np.isfinite(rows).all(1))
        if len(wrong):
            row = rows[wrong[0]].tolist()
            raise ValueError(f"{where}: box {wrong[0]} needs a class from 1 on, and an end behind its start, got {row}")
        found.append(Boxes(where, os.path.join(root, path), rows[:, [1, 2, 3, 4, 0, 5]] + [0, 0, 1, 1, 0, 0]))
        at += 4 + 6 * len(rows)
    if not found:
        raise ValueError(f"{source}: is empty")
    check_files([each.where for each in found], [each.path for each in found])
    return found
