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
