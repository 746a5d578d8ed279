"""Damaged files: models, solver states, means, databases, HDF5 data, images and lists, cut, overwritten and grown."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
from pathlib import Path

import numpy as np

from caffe_pylayers import pycaffe
from caffe_pylayers.runtime.proto import caffe_pb2

NET = """
force_backward: true
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 6 dim: 6 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "ip" type: "InnerProduct" bottom: "conv" top: "ip"
  inner_product_param { num_output: 5 weight_filler { type: "xavier" } } loss_weight: 1 }
"""
SOLVER = 'train_net: "net.prototxt" base_lr: 0.01 lr_policy: "fixed" momentum: 0.9 max_iter: 10 snapshot_prefix: "s" '
# By kind: the layer that reads it.
READERS = {
    "mean": 'type: "ImageData" image_data_param { source: "list.txt" batch_size: 1 } '
    'transform_param { mean_file: "mean.binaryproto" }',
    "matrix": 'type: "InfogainLoss" bottom: "p" bottom: "l" infogain_loss_param { source: "matrix.binaryproto" }',
    "hdf5": 'type: "HDF5Data" hdf5_data_param { source: "h5.txt" batch_size: 2 }',
    "lmdb": 'type: "Data" data_param { source: "lmdb" backend: LMDB batch_size: 2 }',
    "encoded": 'type: "Data" data_param { source: "encoded" backend: LMDB batch_size: 2 }',
    "leveldb": 'type: "Data" data_param { source: "leveldb" batch_size: 2 }',
    "images": 'type: "ImageData" image_data_param { source: "list.txt" batch_size: 2 }',
    "windows": 'type: "WindowData" window_data_param { source: "windows.txt" batch_size: 2 fg_fraction: 0.5 } '
    "transform_param { crop_size: 3 }",
}
INPUTS = """
layer { name: "p" type: "Input" top: "p" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "l" type: "Input" top: "l" input_param { shape { dim: 2 } } }
"""
# By kind: the files of which one is damaged, and what a message about them has to name.
DAMAGED = {
    "caffemodel": ["s_iter_1.caffemodel"],
    "caffemodel.h5": ["s_iter_1.caffemodel.h5"],
    "solverstate": ["s_iter_1.solverstate"],
    "solverstate.h5": ["s_iter_1.solverstate.h5"],
    "mean": ["mean.binaryproto"],
    "matrix": ["matrix.binaryproto"],
    "hdf5": ["data.h5", "h5.txt"],
    "lmdb": ["lmdb/data.mdb"],
    "encoded": ["encoded/data.mdb"],
    "leveldb": ["leveldb/*"],
    "images": ["image.png", "image.jpg", "list.txt"],
    "windows": ["windows.txt", "image.png"],
}
KINDS = {kind: tuple(name.partition("/")[0] for name in names) for kind, names in DAMAGED.items()}


def write_whole(folder: Path) -> None:
    """The files that are damaged later, whole; the working directory is the folder."""
    import cv2
    import h5py

    Path("net.prototxt").write_text(NET)
    for kind in ("BINARYPROTO", "HDF5"):
        Path("solver.prototxt").write_text(SOLVER + f"snapshot_format: {kind}")
        solver = pycaffe.get_solver("solver.prototxt")
        solver.step(1)
        solver.snapshot()
    pixels = np.random.RandomState(0).randint(0, 255, (6, 6, 3)).astype(np.uint8)
    for name in ("image.png", "image.jpg"):
        cv2.imwrite(name, pixels)
    Path("list.txt").write_text("image.png 1\nimage.jpg 0\n")
    Path("windows.txt").write_text("# 0\nimage.png\n3\n6\n6\n3\n1 0.9 0 0 4 4\n2 0.6 1 1 3 4\n0 0.1 2 2 5 5\n")
    for name, shape in (("mean", (1, 3, 6, 6)), ("matrix", (1, 1, 3, 3))):
        blob = caffe_pb2.BlobProto(data=[1.0] * int(np.prod(shape)))
        blob.shape.dim.extend(shape)
        Path(f"{name}.binaryproto").write_bytes(blob.SerializeToString())
    with h5py.File("data.h5", "w") as file:
        file["x"], file["y"] = np.ones((6, 3), np.float32), np.ones(6, np.float32)
    Path("h5.txt").write_text("data.h5\n")
    _write_databases(Path("image.jpg").read_bytes())
    for kind, text in READERS.items():
        tops = 'top: "x" top: "y"' if "bottom" not in text else 'top: "x"'
        Path(f"{kind}.prototxt").write_text(f'{INPUTS} layer {{ name: "d" {tops} {text} }}')


def _write_databases(image: bytes) -> None:
    import lmdb
    import plyvel

    raw = [caffe_pb2.Datum(channels=1, height=20, width=20, data=bytes(400), label=i) for i in range(40)]
    encoded = [caffe_pb2.Datum(data=image, encoded=True, label=i) for i in range(4)]
    for name, datums in (("lmdb", raw), ("encoded", encoded)):
        with lmdb.open(name, map_size=1 << 20) as database, database.begin(write=True) as transaction:
            for i, datum in enumerate(datums):
                transaction.put(b"%05d" % i, datum.SerializeToString())
    for half in (raw[:20], raw[20:]):  # opened again, it has a table beside its log
        with contextlib.closing(plyvel.DB("leveldb", create_if_missing=True)) as database:
            for datum in half:
                database.put(b"%05d" % datum.label, datum.SerializeToString())


def use(kind: str) -> None:
    """Have the library read the files of this kind, as users do."""
    if kind in READERS:
        net = pycaffe.Net(f"{kind}.prototxt", pycaffe.TRAIN)
        for _ in range(3):
            net.forward()
    elif "caffemodel" in kind:
        net = pycaffe.Net("net.prototxt", pycaffe.TRAIN)
        net.copy_from(f"s_iter_1.{kind}")
        net.forward()
    else:
        solver = pycaffe.get_solver("solver.prototxt")
        solver.restore(f"s_iter_1.{kind}")
        solver.step(1)


class Damage:
    """Gives each case copies of whole files, one of them damaged, in the working directory."""

    def __init__(self, whole: Path) -> None:
        self._whole = whole
        self._files = {
            kind: [path for name in names for path in sorted(whole.glob(name))] for kind, names in DAMAGED.items()
        }

    def place(self, draw: random.Random) -> str:
        """Copy all files and damage one of a kind; returns the kind."""
        shutil.copytree(self._whole, os.curdir, dirs_exist_ok=True)
        kind = draw.choice(list(DAMAGED))
        path = draw.choice(self._files[kind])
        path.relative_to(self._whole).write_bytes(_damaged(draw, bytearray(path.read_bytes())))
        return kind


def _damaged(draw: random.Random, content: bytearray) -> bytes:
    for _ in range(draw.choice((1, 1, 2, 8))):
        at = draw.randrange(max(len(content), 1))
        change = draw.randrange(6)
        if change == 0:
            del content[at:]
        elif change == 1:
            content[at : at + 1] = bytes([draw.randrange(256)])
        elif change == 2:
            content[at : at + 8] = draw.choice((b"\xff" * 8, b"\0" * 8, b"\xff" * 7 + b"\x7f", b"\0\0\0\x80" * 2))
        elif change == 3:
            content[at:at] = draw.randbytes(draw.choice((1, 8, 100)))
        elif change == 4:
            length = draw.choice((16, 512, 4096))
            content[at : at + length] = bytes(min(length, len(content) - at))
        else:
            start = draw.randrange(max(len(content), 1))
            content[at : at + 64] = content[start : start + 64]
    return bytes(content)
