"""Small files for the cases and tests of data layers."""

import atexit
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np


def folder():
    """A folder for the files of cases, which goes with the process."""
    path = Path(tempfile.mkdtemp(prefix="caffe-pylayers-cases-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def image(path, pixels):
    """Write pixels (height, width), or (height, width, 3) of red, green and blue, as a PNM file; return the path."""
    pixels = np.asarray(pixels, np.uint8)
    kind = "P6" if pixels.ndim == 3 else "P5"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(f"{kind} {pixels.shape[1]} {pixels.shape[0]} 255\n".encode() + pixels.tobytes())
    return path


def text(path, *lines):
    """Write lines; return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def voc(root, annotations, shape=(6, 8)):
    """Write VOC's folders with a split `train`: by name the objects, (class, x1, y1, x2, y2[, difficult])."""
    for number, (name, objects) in enumerate(annotations.items()):
        image(root / "JPEGImages" / f"{name}.ppm", np.full((*shape, 3), 10 * number))
        xml = "".join(_object(*each) for each in objects)
        text(root / "Annotations" / f"{name}.xml", f"<annotation>{xml}</annotation>")
    text(root / "ImageSets" / "Main" / "train.txt", *annotations)
    return root


def _object(name, x1, y1, x2, y2, difficult=0):
    sides = f"<xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax>"
    return f"<object><name>{name}</name><difficult>{difficult}</difficult><bndbox>{sides}</bndbox></object>"


def annotated(path, images, annotations, encode=""):
    """Write an LMDB of AnnotatedDatum: images (height, width, channels) and for each its boxes, in parts of the image.

    annotations: for each image (class, x1, y1, x2, y2[, difficult]), or labels of classification. encode: such as png.
    """
    from caffe_pylayers._layer.data.annotated_datum import BBOX, message_class

    records = []
    for pixels, found in zip(images, annotations):
        record = message_class("AnnotatedDatum")()
        _put_image(record.datum, np.asarray(pixels, np.uint8), encode)
        if isinstance(found, int):
            record.datum.label = found
        else:
            record.type = BBOX
            _put_boxes(record, found)
        records.append(record)
    return _lmdb(path, records)


def datums(path, images, labels, encode=""):
    """Write an LMDB of Datum, as annotated does."""
    from caffe_pylayers._layer.data.annotated_datum import message_class

    records = [message_class("Datum")(label=label) for label in labels]
    for record, pixels in zip(records, images):
        _put_image(record, np.asarray(pixels, np.uint8), encode)
    return _lmdb(path, records)


def _lmdb(path, records):
    import lmdb

    with lmdb.open(str(path), map_size=1 << 24) as database, database.begin(write=True) as transaction:
        for i, record in enumerate(records):
            transaction.put(b"%08d_%d.jpg" % (i, i), record.SerializeToString())
    return path


def _put_image(datum, pixels, encode):
    if encode:
        import cv2

        datum.data, datum.encoded = cv2.imencode(f".{encode}", pixels)[1].tobytes(), True
    else:
        datum.height, datum.width, datum.channels = pixels.shape
        datum.data = np.ascontiguousarray(pixels.transpose(2, 0, 1)).tobytes()


def _put_boxes(record, boxes):
    for label, x1, y1, x2, y2, *difficult in boxes:
        groups = [group for group in record.annotation_group if group.group_label == label]
        group = groups[0] if groups else record.annotation_group.add(group_label=label)
        each = group.annotation.add(instance_id=len(group.annotation))
        each.bbox.xmin, each.bbox.ymin, each.bbox.xmax, each.bbox.ymax = x1, y1, x2, y2
        each.bbox.difficult = bool(difficult and difficult[0])


def coco(path, images, annotations, categories):
    """Write a COCO file of (id, file name), (image, category, x, y, width, height[, crowd]) and (id, name)."""
    content = {
        "images": [{"id": i, "file_name": name} for i, name in images],
        "annotations": [
            {"image_id": i, "category_id": c, "bbox": box[:4], "iscrowd": (box[4:] or [0])[0]}
            for i, c, *box in annotations
        ],
        "categories": [{"id": i, "name": name} for i, name in categories],
    }
    path.write_text(json.dumps(content), encoding="utf-8")
    return path
