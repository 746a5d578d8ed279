"""Files of annotations as SSD's convert_annoset reads them: the boxes of one image in each; and its label maps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable, Mapping, NamedTuple
from xml.etree import ElementTree

from caffe_pylayers._layer.data.annotated_datum import BBOX, message_class
from caffe_pylayers._layer.quote import one_line, short


class Box(NamedTuple):
    """A box of an image, in pixels: x1, y1, x2, y2."""

    label: int
    sides: tuple[float, float, float, float]
    difficult: bool


class Annotations(NamedTuple):
    """The boxes of an image, and the (height, width) that the file says it has; None where it does not."""

    boxes: list[Box]
    size: tuple[int, int] | None


Labels = Mapping[str, int]


def label_map(path: Path, strict: bool = False) -> dict[str, int]:
    """Read a LabelMap; return the classes' numbers by name. ValueError for what is none.

    strict: ValueError for a name or a number that comes twice, too.
    """
    from google.protobuf import text_format

    try:
        items = text_format.Parse(path.read_text(encoding="utf-8"), message_class("LabelMap")()).item
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: is no label map: {one_line(str(error))}") from error
    if not items:
        raise ValueError(f"{path}: is no label map: it has no item")
    if strict:
        for field in ("name", "label"):
            values = [getattr(item, field) for item in items]
            twice = next((value for i, value in enumerate(values) if value in values[:i]), None)
            if twice is not None:
                raise ValueError(f"{path}: has the {field} {short(twice)} twice")
    return {item.name: item.label for item in items}


def read_xml(path: Path, labels: Labels) -> Annotations:
    """Read PASCAL VOC's and ILSVRC's annotations; ValueError for what is none, OSError where it cannot be read."""
    try:
        root = ElementTree.fromstring(path.read_bytes())  # noqa: S314 - expat bounds entities
    except ElementTree.ParseError as error:
        raise ValueError(f"{path}: {error}") from error
    boxes = []
    for i, each in enumerate(root.findall("object"), 1):
        where = f"{path}: object {i}"
        sides = [each.findtext(f"bndbox/{side}") for side in ("xmin", "ymin", "xmax", "ymax")]
        difficult = (each.findtext("difficult") or "").strip() == "1"
        boxes.append(Box(_label(where, (each.findtext("name") or "").strip(), labels), _sides(where, sides), difficult))
    return Annotations(boxes, _size(root.findtext("size/height"), root.findtext("size/width")))


def read_json(path: Path, labels: Labels) -> Annotations:
    """Read COCO's annotations of one image, as SSD's scripts split them; errors as read_xml's."""
    try:
        content = json.loads(path.read_bytes())
        image, found = content.get("image") or {}, content["annotation"]
        boxes = []
        for i, each in enumerate(found):
            where = f"{path}: annotation[{i}]"
            x, y, width, height = _sides(where, each["bbox"], ordered=False)
            label = _label(where, str(each["category_id"]), labels)
            boxes.append(Box(label, _sides(where, [x, y, x + width, y + height]), bool(each.get("iscrowd", 0))))
        return Annotations(boxes, _size(image.get("height"), image.get("width")))
    except (AttributeError, KeyError, TypeError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: are no annotations of COCO ({type(error).__name__}: {error})") from error


def read_txt(path: Path, labels: Labels) -> Annotations:
    """Read boxes, `label x1 y1 x2 y2` on each line, with numbers for labels; errors as read_xml's."""
    boxes = []
    for i, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        if line.strip():
            label, *sides = line.split()
            if not label.lstrip("+-").isdecimal():
                raise ValueError(f"{path}:{i}: needs a number and four sides, got {short(line.strip())}")
            boxes.append(Box(int(label), _sides(f"{path}:{i}", sides), False))
    return Annotations(boxes, None)


READERS: dict[str, Callable[[Path, Labels], Annotations]] = {"xml": read_xml, "json": read_json, "txt": read_txt}


def _label(where: str, name: str, labels: Labels) -> int:
    if name not in labels:
        raise ValueError(f"{where}: class {short(name)} is none of the label map's: {short(', '.join(labels))}")
    return labels[name]


def _sides(where: str, values: Any, ordered: bool = True) -> Any:
    try:
        x1, y1, x2, y2 = map(float, values)
    except (TypeError, ValueError):
        raise ValueError(f"{where}: a box has four numbers, got {short(values)}") from None
    if ordered and not (x1 <= x2 and y1 <= y2):  # nor is NaN
        raise ValueError(f"{where}: the box {[x1, y1, x2, y2]} ends before it begins")
    return x1, y1, x2, y2


def _size(height: Any, width: Any) -> tuple[int, int] | None:
    try:
        size = int(height), int(width)
    except (TypeError, ValueError):
        return None
    return size if min(size) > 0 else None


def annotate(record: Any, found: Annotations, size: tuple[int, int]) -> None:
    """Give an AnnotatedDatum the boxes, as parts of the (height, width); a group for each class, in their order."""
    record.type = BBOX
    height, width = size
    groups: dict[int, Any] = {}
    for box in found.boxes:
        if box.label not in groups:
            groups[box.label] = record.annotation_group.add(group_label=box.label)
        group = groups[box.label]
        added = group.annotation.add(instance_id=len(group.annotation)).bbox
        x1, y1, x2, y2 = box.sides
        added.xmin, added.ymin, added.xmax, added.ymax = x1 / width, y1 / height, x2 / width, y2 / height
        added.difficult = box.difficult
