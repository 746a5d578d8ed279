"""Damaged binary files: models, solver states, mean images, HDF5 data and LMDBs, cut, overwritten and grown."""

from __future__ import annotations

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
READERS = {
    "mean.binaryproto": 'layer { name: "d" type: "ImageData" top: "x" top: "y" image_data_param { source: "list.txt" '
    'batch_size: 1 } transform_param { mean_file: "mean.binaryproto" } }',
    "data.h5": 'layer { name: "d" type: "HDF5Data" top: "data" top: "label" hdf5_data_param { source: "h5.txt" '
    "batch_size: 2 } }",
    "lmdb/data.mdb": 'layer { name: "d" type: "Data" top: "x" top: "y" data_param { source: "lmdb" backend: LMDB '
    "batch_size: 2 } }",
}
KINDS = ("s_iter_1.caffemodel", "s_iter_1.caffemodel.h5", "s_iter_1.solverstate", "s_iter_1.solverstate.h5", *READERS)


def write_whole(folder: Path) -> None:
    """The files that are damaged later, whole; the working directory is the folder."""
    import cv2
    import h5py
    import lmdb

    Path("net.prototxt").write_text(NET)
    for kind in ("BINARYPROTO", "HDF5"):
        Path("solver.prototxt").write_text(SOLVER + f"snapshot_format: {kind}")
        solver = pycaffe.get_solver("solver.prototxt")
        solver.step(1)
        solver.snapshot()
    cv2.imwrite("image.png", np.full((6, 6, 3), 7, np.uint8))
    Path("list.txt").write_text("image.png 1\n")
    mean = caffe_pb2.BlobProto(data=[1.0] * 108)
    mean.shape.dim.extend((1, 3, 6, 6))
    Path("mean.binaryproto").write_bytes(mean.SerializeToString())
    with h5py.File("data.h5", "w") as file:
        file["data"], file["label"] = np.ones((6, 3), np.float32), np.ones(6, np.float32)
    Path("h5.txt").write_text("data.h5\n")
    with lmdb.open("lmdb", map_size=1 << 20) as database, database.begin(write=True) as transaction:
        for i in range(40):
            datum = caffe_pb2.Datum(channels=1, height=20, width=20, data=bytes(400), label=i)
            transaction.put(b"%05d" % i, datum.SerializeToString())
    for name, text in READERS.items():
        Path(f"{Path(name).stem}.prototxt").write_text(text)


def use(name: str) -> None:
    """Have the library read the file of this name, as users do."""
    if name in READERS:
        pycaffe.Net(f"{Path(name).stem}.prototxt", pycaffe.TRAIN).forward()
    elif "caffemodel" in name:
        net = pycaffe.Net("net.prototxt", pycaffe.TRAIN)
        net.copy_from(name)
        net.forward()
    else:
        solver = pycaffe.get_solver("solver.prototxt")
        solver.restore(name)
        solver.step(1)


class Damage:
    """Gives each case a damaged copy of one whole file under the file's own name, in the working directory."""

    def __init__(self, whole: Path) -> None:
        self._whole = whole
        self._contents = {name: (whole / name).read_bytes() for name in KINDS}

    def place(self, draw: random.Random) -> str:
        """Restore all files, damage one of them; returns its name."""
        for name, content in self._contents.items():
            Path(name).parent.mkdir(exist_ok=True)
            Path(name).write_bytes(content)
        for path in self._whole.glob("*.*"):
            if path.name not in self._contents:
                shutil.copy(path, path.name)
        name = draw.choice(KINDS)
        Path(name).write_bytes(_damaged(draw, bytearray(self._contents[name])))
        return name


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
