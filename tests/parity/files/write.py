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


def photo(random, height, width):
    """Something like a photograph: smooth, with edges and some noise (height, width, 3)."""
    y, x = np.mgrid[:height, :width] / 16
    channels = [np.sin(x * random.uniform(0.5, 2) + i) + np.cos(y * random.uniform(0.5, 2)) for i in range(3)]
    image = 127 + 50 * np.stack(channels, 2) + 20 * (x > y)[:, :, None] + random.uniform(-8, 8, (height, width, 3))
    return image.clip(0, 255).astype(np.uint8)


def more(random):
    """Image files of several kinds, HDF5 files, and lists of them."""
    folder = HERE / "images"
    folder.mkdir(exist_ok=True)
    color, large = photo(random, 37, 53), photo(random, 61, 90)
    Image.fromarray(color).save(str(folder / "color.jpg"), quality=90)
    Image.fromarray(large).save(str(folder / "large.jpg"), quality=75, subsampling=2, progressive=True)
    Image.fromarray(color[:, :, 0]).save(str(folder / "gray.jpg"), quality=90)
    Image.fromarray(color).save(str(folder / "a color.png"))
    Image.fromarray(np.dstack([color, color[:, :, 0]])).save(str(folder / "alpha.png"))
    Image.fromarray(color[:, :, 1]).save(str(folder / "gray.png"))
    names = ["color.jpg", "gray.jpg", "a color.png", "alpha.png", "gray.png"]
    (HERE / "same_size.txt").write_text("".join(f"{name} {3 * i - 2}\n" for i, name in enumerate(names)))
    (HERE / "all_sizes.txt").write_text("".join(f"{name} {i}\n" for i, name in enumerate(["large.jpg", *names])))
    (HERE / "windows.txt").write_text(
        "# 0\nlarge.jpg\n3\n61\n90\n3\n7 0.9 20 10 70 55\n2 0.5 1 2 3 4\n3 0.05 0 0 40 17\n"
        "# 1\ncolor.jpg 3 37 53\n1\n5 0.3 5 5 9 9\n"
    )
    blob("window_mean.binaryproto", random.uniform(100, 150, (3, 28, 28)), legacy=True)
    folder = "tests/parity/files"
    (HERE / "hdf5.txt").write_text(f"{folder}/one.h5\n{folder}/two.h5\n")
    for name, rows in (("one", 3), ("two", 4)):
        with h5py.File(str(HERE / f"{name}.h5"), "w") as file:
            file["t0"] = random.standard_normal((rows, 2, 3)).astype(np.float32)
            file["t1"] = random.randint(-9, 9, rows)
            file["t2"] = random.standard_normal((rows, 1, 2, 1, 2))


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
    more(random)
