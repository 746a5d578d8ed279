"""Damaged and missing files: the forward that would use them says what is wrong."""

import os
import re
import shutil
import subprocess
import sys

import h5py
import lmdb
import numpy as np
import pytest
from PIL import Image

from caffe_pylayers.runtime.data import image
from caffe_pylayers.runtime.layers.layer import LayerError
from caffe_pylayers.runtime.proto.caffe_pb2 import Datum
from tests.runtime.layers.one_layer import one_layer

FILES = "tests/parity/files"


def datum(label, size=3000):
    return Datum(channels=1, height=1, width=size, data=bytes([label]) * size, label=label).SerializeToString()


def data(path, backend="LMDB", size=2):
    return one_layer("Data", f'data_param {{ backend: {backend} source: "{path}" batch_size: {size} }}', tops=2)


@pytest.fixture
def database(tmp_path):
    with lmdb.open(str(tmp_path / "lmdb"), map_size=1 << 22) as env, env.begin(write=True) as txn:
        for i in range(40):
            txn.put(b"%04d" % i, datum(i))
    return tmp_path / "lmdb"


def test_lmdb_cut_off(database):
    file = database / "data.mdb"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(LayerError, match=r"data\.mdb is cut off: it has \d+ bytes of \d+"):
        data(database)


def test_lmdb_cut_off_while_it_is_read(database):
    """A file mapped into memory would end the process here."""
    layer, bottom, top = data(database)
    layer.forward(bottom, top)
    os.truncate(database / "data.mdb", 20000)

    def read_all():
        for _ in range(60):
            layer.forward(bottom, top)

    with pytest.raises(LayerError, match=r"data\.mdb is (cut off|damaged): "):
        read_all()


def test_lmdb_page_overwritten(database):
    file = database / "data.mdb"
    content = bytearray(file.read_bytes())
    with lmdb.open(str(database), readonly=True, lock=False) as env:
        size = env.stat()["psize"]
    for page in range(2, len(content) // size):
        if content[page * size + 10] & 0x02:  # a leaf
            content[page * size : (page + 1) * size] = bytes(size)
    file.write_bytes(content)
    with pytest.raises(LayerError, match=r"data\.mdb is damaged: after 0 records: page \d+ is not what it should be$"):
        data(database)


def test_lmdb_damaged_in_the_middle(database):
    """Records before the damage are read, however far ahead; then each forward says so."""
    file = database / "data.mdb"
    content = bytearray(file.read_bytes())
    number = content.index(b"0024") + 4  # of the page that has the value
    content[number : number + 8] = (1 << 40).to_bytes(8, "little")
    file.write_bytes(content)
    layer, bottom, top = data(database)
    labels = []
    for _ in range(12):
        layer.forward(bottom, top)
        labels += top[1].data.tolist()
    assert labels == list(range(24))
    for _ in range(2):
        with pytest.raises(LayerError, match=r"data\.mdb is damaged: after 24 records: "):
            layer.forward(bottom, top)


def test_a_record_that_is_no_datum(database):
    with lmdb.open(str(database), map_size=1 << 22) as env, env.begin(write=True) as txn:
        txn.put(b"0003", b"\xff" * 7)
    layer, bottom, top = data(database)
    layer.forward(bottom, top)
    with pytest.raises(LayerError, match=r'^layer "l" \(Data\): .*lmdb has a record of 7 bytes that is no Datum$'):
        layer.forward(bottom, top)


def test_a_reader_is_killed_while_others_read(database):
    program = f"""
from caffe_pylayers.runtime.data.database import Records
records = Records({str(database)!r})
print("reads", flush=True)
for record in records: pass
"""
    other = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    layer, bottom, top = data(database)
    layer.forward(bottom, top)
    assert other.stdout.readline() == "reads\n"
    other.kill()
    other.communicate()
    labels = []
    for _ in range(20):
        layer.forward(bottom, top)
        labels += top[1].data.tolist()
    assert labels == [(i + 2) % 40 for i in range(40)]


def test_leveldb(tmp_path):
    plyvel = pytest.importorskip("plyvel")
    with plyvel.DB(str(tmp_path / "db"), create_if_missing=True) as db:
        for i in range(5):
            db.put(b"%04d" % i, datum(i, 4))
    layer, bottom, top = data(tmp_path / "db", "LEVELDB", 4)
    other = data(tmp_path / "db", "LEVELDB", 1)
    layer.forward(bottom, top)
    layer.forward(bottom, top)
    other[0].forward(*other[1:])
    assert top[1].data.tolist() == [4, 0, 1, 2]
    assert top[0].data[:, 0, 0, 0].tolist() == [4, 0, 1, 2]
    with pytest.raises(LayerError, match="none cannot be opened as LevelDB: No such file or directory"):
        data(tmp_path / "none", "LEVELDB")
    assert not (tmp_path / "none").exists()


def test_leveldb_cut_off(tmp_path):
    plyvel = pytest.importorskip("plyvel")
    with plyvel.DB(str(tmp_path / "db"), create_if_missing=True) as db:
        for i in range(40):
            db.put(b"%04d" % i, datum(i))
        db.compact_range()
    table = next((tmp_path / "db").glob("*.ldb"))
    table.write_bytes(table.read_bytes()[:-1])
    with pytest.raises(LayerError, match=rf"{table} is cut off: it has \d+ bytes of \d+$"):
        data(tmp_path / "db", "LEVELDB")


def test_leveldb_without_its_binding(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "plyvel", None)
    (tmp_path / "CURRENT").touch()
    with pytest.raises(LayerError, match=r"needs plyvel: pip install 'caffe-pylayers\[leveldb\]'$"):
        data(tmp_path, "LEVELDB")


def images(tmp_path, names, param="", size=1):
    (tmp_path / "list.txt").write_text("".join(f"{name} {i}\n" for i, name in enumerate(names)))
    text = f'source: "{tmp_path}/list.txt" root_folder: "{tmp_path}/" batch_size: {size} {param}'
    return one_layer("ImageData", f"image_data_param {{ {text} }}", tops=2)


def test_images_missing_or_cut_off(tmp_path, monkeypatch):
    shutil.copy(f"{FILES}/images/color.jpg", tmp_path / "a.jpg")
    (tmp_path / "cut.png").write_bytes((tmp_path / "a.jpg").read_bytes()[:20])
    for name, message in (("none.jpg", "No such file or directory$"), ("cut.png", "20 bytes of")):
        layer, bottom, top = images(tmp_path, ["a.jpg", name])
        layer.forward(bottom, top)
        with pytest.raises(LayerError, match=rf"list\.txt:2: {tmp_path}/{name}: {message}"):
            layer.forward(bottom, top)
    layer, bottom, top = images(tmp_path, ["a.jpg"] * 3, size=3)

    def fails(*args, **options):
        raise RuntimeError("out of order")

    monkeypatch.setattr(image, "decode_pixels", fails)
    with pytest.raises(LayerError, match=r'layer "l" \(ImageData\): RuntimeError: out of order'):
        layer.forward(bottom, top)


def test_an_item_that_does_not_fit_is_named(tmp_path):
    for name, size in (("a.png", 5), ("b.png", 4)):
        Image.new("RGB", (size, size)).save(tmp_path / name)
    (tmp_path / "list.txt").write_text("a.png 0\nb.png 1\n")
    source = f'source: "{tmp_path}/list.txt" root_folder: "{tmp_path}/" batch_size'
    cropped = "transform_param { crop_size: 5 }"
    for size, transform, message in (
        (1, cropped, r"an item of shape \(3, 4, 4\) cannot be cropped to 5 x 5"),
        (2, "", r"an item becomes of shape \(3, 4, 4\), its batch has \(3, 5, 5\)"),
    ):
        layer, bottom, top = one_layer("ImageData", f"image_data_param {{ {source}: {size} }} {transform}", tops=2)
        with pytest.raises(LayerError, match=rf'^layer "l" \(ImageData\): {tmp_path}/list.txt:2: {message}$'):  # noqa: PT012
            for _ in range(2):
                layer.forward(bottom, top)


def test_lists_are_named_where_what_they_list_is_not_there(tmp_path):
    (tmp_path / "h5.txt").write_text(f"{tmp_path}/none.h5")
    with pytest.raises(LayerError, match=rf"{tmp_path}/h5.txt lists {tmp_path}/none.h5: No such file or directory$"):
        one_layer("HDF5Data", f'hdf5_data_param {{ source: "{tmp_path}/h5.txt" batch_size: 1 }}')
    (tmp_path / "w.txt").write_text("# 0 none.jpg 3 5 5 2 1 0.9 0 0 1 1 0 0 0 0 1 1")
    for cached in ("false", "true"):
        param = f'source: "{tmp_path}/w.txt" batch_size: 2 fg_fraction: 0.5 cache_images: {cached}'
        with pytest.raises(LayerError, match=rf"{tmp_path}/w.txt: none.jpg: No such file or directory$"):  # noqa: PT012
            layer, bottom, top = one_layer(
                "WindowData", f"window_data_param {{ {param} }} transform_param {{ crop_size: 4 }}", tops=2
            )
            layer.forward(bottom, top)


def test_null_characters_in_paths():
    for kind, param, message in (
        ("HDF5Output", "hdf5_output_param { file_name: 'a\\000/b' }", r'file_name "a\\x00/b" is no name of a file$'),
        ("ImageData", "image_data_param { source: '\\000' }", r'"\\x00" is no name of a file$'),
        ("Data", "data_param { source: '\\000' batch_size: 1 }", r"\\x00 cannot be opened as LevelDB: No such file"),
    ):
        shapes = [(1,), (1,)] if kind == "HDF5Output" else []
        with pytest.raises(LayerError, match=message):
            one_layer(kind, param, *shapes, tops=0 if shapes else 2)


def test_image_lists_refused(tmp_path):
    for names, param, message in (
        ([], "", "list.txt lists no images"),
        (["a"], "new_height: 3", "takes new_height and new_width together, got new_height 3, new_width 0"),
    ):
        with pytest.raises(LayerError, match=message):
            images(tmp_path, names, param)
    with pytest.raises(LayerError, match="none cannot be read: No such file"):
        one_layer("ImageData", 'image_data_param { source: "none" }', tops=2)


def test_shuffle_shows_each_image_once_a_pass():
    text = f'source: "{FILES}/same_size.txt" root_folder: "{FILES}/images/" batch_size: 5 shuffle: true'
    layer, bottom, top = one_layer("ImageData", f"image_data_param {{ {text} }}", tops=2)
    passes = []
    for _ in range(8):
        layer.forward(bottom, top)
        passes.append(tuple(top[1].data.tolist()))
    assert {tuple(sorted(labels)) for labels in passes} == {(-2, 1, 4, 7, 10)}
    assert len(set(passes)) > 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("# 0 a.jpg 3 5 5 2 1 0.9 0 0 1 1", "at image 0: ends in the middle of an entry"),
        ("0 a.jpg 3 5 5 0", 'takes "#" before each image, got "0"'),
        ("# 0 a.jpg 1 5 5 0", "at image 0: takes images of 3 channels, got 1"),
        ("# 0 a.jpg 3 5 5 1 0 0.9 0 0 1 1", "takes positive labels of foreground windows, got 0"),
        ("# 0 a.jpg 3 5 5 1 1 0.9 0 0 1 1", "has no background windows"),
    ],
)
def test_window_lists_refused(tmp_path, content, message):
    (tmp_path / "w.txt").write_text(content)
    with pytest.raises(LayerError, match=re.escape(message)):
        one_layer(
            "WindowData",
            f'window_data_param {{ source: "{tmp_path}/w.txt" batch_size: 2 }} transform_param {{ crop_size: 4 }}',
            tops=2,
        )


def test_windows_are_drawn_from_all_and_mirrored(tmp_path):
    Image.fromarray(np.arange(75, dtype=np.uint8).reshape(5, 5, 3)).save(tmp_path / "a.png")
    (tmp_path / "w.txt").write_text(
        f"# 0 {tmp_path}/a.png 3 5 5 4 1 0.9 0 0 1 1 2 0.9 3 3 4 4 9 0.1 0 3 1 4 9 0.1 3 0 4 1"
    )
    text = f'window_data_param {{ source: "{tmp_path}/w.txt" batch_size: 200 }}'
    layer, bottom, top = one_layer("WindowData", text + " transform_param { crop_size: 2 mirror: true }", tops=2)
    layer.forward(bottom, top)
    labels = top[1].data
    assert (labels[:150] == 0).all()
    assert set(labels[150:].tolist()) == {1, 2}
    assert len({x.tobytes() for x in top[0].data}) == 8, "four windows, each also mirrored"


def hdf5(tmp_path, files, *tops):
    for name, datasets in files.items():
        with h5py.File(tmp_path / name, "w") as file:
            for key, values in datasets.items():
                file[key] = values
    (tmp_path / "list.txt").write_text("\n".join(str(tmp_path / name) for name in files))
    text = " ".join(f'top: "{top}"' for top in tops)
    param = f'{text} hdf5_data_param {{ source: "{tmp_path}/list.txt" batch_size: 4 shuffle: true }}'
    return one_layer("HDF5Data", param, tops=len(tops))


def test_hdf5_refused(tmp_path):
    rows = np.zeros((4, 2))
    for datasets, message in (
        ({"x": rows}, "a.h5 has no dataset y for the top of this name, only x"),
        ({"x": rows, "y": rows[:3]}, "dataset y has 3 rows, beside 4 of x"),
        ({"x": rows, "y": np.float32(1)}, "dataset y must have at least 1 axis"),
    ):
        with pytest.raises(LayerError, match=message):
            hdf5(tmp_path, {"a.h5": datasets}, "x", "y")
    layer, bottom, top = hdf5(tmp_path, {"a.h5": {"x": rows}, "b.h5": {"x": rows[:, :1]}}, "x")
    with pytest.raises(LayerError, match=r"dataset x has rows of \(.,\), before of \(.,\)"):
        layer.forward(bottom, top)


def test_hdf5_damaged_while_it_is_read(tmp_path):
    """The first forward reads the first file's last batch and then turns to the other."""
    for damage, why in ((slice(9000), "truncated file"), (slice(None, None, -1), "not an HDF5 file")):
        rows = np.arange(4000.0).reshape(4, 1000)
        layer, bottom, top = hdf5(tmp_path, {"a.h5": {"x": rows}, "b.h5": {"x": rows}}, "x")
        for name in "ab":
            content = (tmp_path / f"{name}.h5").read_bytes()
            (tmp_path / f"{name}.h5").write_bytes(content[damage])
        for _ in range(2):
            with pytest.raises(LayerError, match=rf'^layer "l" \(HDF5Data\): {tmp_path}/[ab]\.h5: .*{why}'):
                layer.forward(bottom, top)


def test_hdf5_shuffles_files_and_rows(tmp_path):
    files = {f"{i}.h5": {"x": np.arange(4) + 10 * i} for i in range(3)}
    layer, bottom, top = hdf5(tmp_path, files, "x")
    found = []
    for _ in range(12):
        layer.forward(bottom, top)
        found.append(tuple(top[0].data.astype(int).tolist()))
    for turn in (found[:3], found[3:6], found[6:9]):
        assert sorted(tuple(sorted(rows)) for rows in turn) == [(0, 1, 2, 3), (10, 11, 12, 13), (20, 21, 22, 23)]
    assert any(rows != tuple(sorted(rows)) for rows in found)


def test_hdf5_output(tmp_path):
    path = tmp_path / "out.h5"
    param = f'hdf5_output_param {{ file_name: "{path}" }}'
    layer, bottom, top = one_layer("HDF5Output", param, (3, 2), (3,), tops=0)
    bottom[0].data[...] = np.arange(6).reshape(3, 2)
    assert not path.exists()
    layer.forward(bottom, top)
    with h5py.File(path) as file:
        assert (file["data"].shape, file["label"].shape) == ((3, 2, 1, 1), (3, 1, 1, 1))
        np.testing.assert_array_equal(file["data"][..., 0, 0], bottom[0].data)
    with pytest.raises(LayerError, match=r"out\.h5 has been written: takes one forward for a file"):
        layer.forward(bottom, top)
    with pytest.raises(LayerError, match="cannot write to the folder /none"):
        one_layer("HDF5Output", 'hdf5_output_param { file_name: "/none/a.h5" }', (1,), (1,), tops=0)


@pytest.mark.parametrize("labels", [[1, 2], [1, 127], [128, 16383], [1, 200], [-1, -2], [0, 1]])
def test_raw_datums_read_at_once_are_those_read_one_by_one(tmp_path, labels):
    with lmdb.open(str(tmp_path / "db"), map_size=1 << 20) as env, env.begin(write=True) as txn:
        for i, label in enumerate(labels):
            values = bytes(range(i, i + 12))
            made = Datum(channels=3, height=2, width=2, data=values, label=label)
            txn.put(b"%d" % i, made.SerializeToString())
    layer, bottom, top = data(tmp_path / "db")
    layer.forward(bottom, top)
    assert top[1].data.tolist() == labels
    assert top[0].data.ravel().tolist() == [*range(12), *range(1, 13)]


INT_MAX = 2**31 - 1
IMAGES = f'source: "{FILES}/same_size.txt" root_folder: "{FILES}/images/"'


@pytest.mark.parametrize(
    ("kind", "param", "message"),
    [
        ("ImageData", f"image_data_param {{ {IMAGES} batch_size: {INT_MAX + 1} }}", "batch_size must be positive, and"),
        ("ImageData", f"image_data_param {{ {IMAGES} batch_size: {INT_MAX} }}", "a blob has at most 2147483647 values"),
        (
            "ImageData",
            f"image_data_param {{ {IMAGES} batch_size: 1 new_height: 40000 new_width: 40000 }}",
            "a blob has at most 2147483647 values, got shape (1, 3, 40000, 40000)",
        ),
        (
            "ImageData",
            f"image_data_param {{ {IMAGES} batch_size: 1 }} data_param {{ prefetch: 4294967295 }}",
            "reads 4294967295 batches ahead",
        ),
        ("Data", f'data_param {{ source: "DB" backend: LMDB batch_size: {INT_MAX} }}', "a blob has at most 2147483647"),
        ("Data", 'data_param { source: "DB" batch_size: 2 }', "DB cannot be opened as LevelDB: it is LMDB, so write"),
        ("HDF5Data", f'hdf5_data_param {{ source: "LIST" batch_size: {INT_MAX} }}', "a blob has at most 2147483647"),
        (
            "HDF5Data",
            'hdf5_data_param { source: "HDF5" batch_size: 2 }',
            "HDF5 is an HDF5 file; takes a text file",
        ),
        (
            "WindowData",
            f'window_data_param {{ source: "WINDOWS" batch_size: {INT_MAX} }} transform_param {{ crop_size: 4 }}',
            "a blob has at most 2147483647 values",
        ),
        (
            "WindowData",
            'window_data_param { source: "WINDOWS" batch_size: 2 } transform_param { crop_size: 4294967295 }',
            "a blob has at most 2147483647 values",
        ),
    ],
)
def test_batches_that_cannot_be_are_refused_in_setup(tmp_path, database, kind, param, message):
    names = {"DB": database, "HDF5": tmp_path / "x.h5", "LIST": tmp_path / "l.txt", "WINDOWS": tmp_path / "w.txt"}
    with h5py.File(names["HDF5"], "w") as file:
        file["x"] = np.zeros((4, 2))
    names["LIST"].write_text(str(names["HDF5"]))
    names["WINDOWS"].write_text("# 0 a.jpg 3 8 8 2 1 0.9 0 0 3 3 0 0.1 0 0 3 3")
    for name, path in names.items():
        param, message = param.replace(f'"{name}"', f'"{path}"'), re.sub(rf"^{name} ", f"{path} ", message)
    with pytest.raises(LayerError, match=rf'^layer "l" \({kind}\): .*{re.escape(message)}'):
        one_layer(kind, f'top: "x" {param}', tops=2)


def test_hdf5_that_claims_more_than_a_blob_holds(tmp_path):
    """Of values that the file does not have: nothing of them may be allocated."""
    with h5py.File(tmp_path / "big.h5", "w") as file:
        file.create_dataset("x", (100_000_000_000,), "f4", chunks=True)
    assert (tmp_path / "big.h5").stat().st_size < 20000
    (tmp_path / "list.txt").write_text(str(tmp_path / "big.h5"))
    with pytest.raises(LayerError, match=r"big\.h5: x: has shape \(100000000000,\), a blob has at most 2147483647"):
        one_layer("HDF5Data", f'top: "x" hdf5_data_param {{ source: "{tmp_path}/list.txt" batch_size: 4 }}')


@pytest.mark.parametrize("seed", range(30))
def test_damaged_hdf5(tmp_path, seed):
    """Whatever h5py raises for it, the error is one line that names the file; or the rows are there."""
    random = np.random.RandomState(seed)
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(8.0).reshape(4, 2)
    content = bytearray(path.read_bytes())
    for at in random.randint(8, len(content), 30):
        content[at] = random.randint(256)
    path.write_bytes(content)
    (tmp_path / "l.txt").write_text(str(path))
    told = ""
    try:
        one_layer("HDF5Data", f'top: "x" hdf5_data_param {{ source: "{tmp_path}/l.txt" batch_size: 2 }}')
    except LayerError as error:
        told = str(error)
    assert not told or re.fullmatch(rf'layer "l" \(HDF5Data\): {path}.*', told)
