"""Writes this folder's files; with real Caffe's Python, whose LMDB any other can read."""

import io
import shutil
from pathlib import Path

import h5py
import lmdb
import numpy as np
from caffe.proto import caffe_pb2
from PIL import Image

HERE = Path(__file__).parent
UINT8, FLOATS = (3, 5, 6), (2, 3, 4)  # the shapes of the databases' items: channels, height, width


def blob(name, values, legacy=False):
    """A BlobProto."""
    proto = caffe_pb2.BlobProto()
    if legacy:
        proto.num, proto.channels, proto.height, proto.width = 1, *values.shape
    else:
        proto.shape.dim.extend(values.shape)
    proto.data.extend(values.ravel().tolist())
    (HERE / name).write_bytes(proto.SerializeToString())


def png(image):
    """An encoded image (height, width) or (height, width, channels)."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def database(name, items):
    """An LMDB of Datum, labelled from 0 up by 3: arrays, or encoded images."""
    shutil.rmtree(HERE / name, ignore_errors=True)
    with lmdb.open(str(HERE / name), map_size=1 << 16) as env, env.begin(write=True) as txn:
        for i, item in enumerate(items):
            datum = caffe_pb2.Datum(label=3 * i)
            if isinstance(item, bytes):
                datum.data, datum.encoded = item, True
            else:
                datum.channels, datum.height, datum.width = item.shape
                if item.dtype == np.uint8:
                    datum.data = item.tobytes()
                else:
                    datum.float_data.extend(item.ravel().tolist())
            txn.put(b"%08d" % i, datum.SerializeToString())
    (HERE / name / "lock.mdb").unlink()


def image_files(images):
    """PNG and JPEG files of several sizes, in colour and gray, a list of them, and one of windows of two of them."""
    folder = HERE / "images"
    folder.mkdir(exist_ok=True)
    for i, image in enumerate(images):
        Image.fromarray(image).save(str(folder / f"{i}.png"))
    wave = np.add.outer(np.arange(24), 2 * np.arange(32)) * 3 % 256
    Image.fromarray(np.stack([wave, wave[::-1], wave[:, ::-1]], 2).astype(np.uint8)).save(str(folder / "wave.jpg"))
    names = [f"{i}.png" for i in range(len(images))]
    lines = [f"{name} {7 * i}" for i, name in enumerate(names)]
    (HERE / "images.txt").write_text("\n".join(f"tests/parity/files/images/{line}" for line in lines) + "\n")
    (HERE / "jpegs.txt").write_text("wave.jpg 3\n")
    boxes = ["3 0.9 4 3 20 15", "5 0.1 0 0 9 7", "2 0.45 1 1 5 5"]
    (HERE / "windows.txt").write_text("\n".join(["# 0", "wave.jpg", "3 24 32", str(len(boxes)), *boxes]) + "\n")


def rows(name, start, count, kind):
    """An HDF5 file of rows for two tops."""
    with h5py.File(str(HERE / name), "w") as file:
        file["t0"] = np.arange(start, start + 6 * count).reshape(count, 2, 3).astype(kind)
        file["t1"] = np.arange(start, start + count).astype(np.float32)


if __name__ == "__main__":
    random = np.random.RandomState(0)
    blob("infogain.binaryproto", random.uniform(-0.5, 1, (4, 4)))
    blob("mean.binaryproto", random.uniform(100, 150, UINT8), legacy=True)
    database("uint8_lmdb", random.randint(0, 256, (7, *UINT8)).astype(np.uint8))
    database("float_lmdb", random.standard_normal((4, *FLOATS)))
    images = random.randint(0, 256, (6, 5, 6, 4)).astype(np.uint8)
    database("color_lmdb", [png(image[:, :, :3]) for image in images])
    database("alpha_lmdb", [png(image) for image in images])
    database("gray_lmdb", [png(image[:, :, 0]) for image in images])
    image_files([image[: 4 + i % 2, :, :3] for i, image in enumerate(images[:2])] + [images[2][:, :, 0]])
    rows("rows0.h5", 0, 3, np.float64)
    rows("rows1.h5", 100, 2, np.int32)
    (HERE / "rows.txt").write_text("tests/parity/files/rows0.h5\ntests/parity/files/rows1.h5\n")
    (HERE / "rows0.txt").write_text("tests/parity/files/rows0.h5\n")
