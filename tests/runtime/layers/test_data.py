"""Data: what it refuses, its order, its randomness, and decoding."""

import io
import sys

import lmdb
import numpy as np
import pytest

from caffe_pylayers.runtime import process, rng
from caffe_pylayers.runtime.data import image
from caffe_pylayers.runtime.layers.layer import LayerError
from caffe_pylayers.runtime.proto.caffe_pb2 import BlobProto, Datum
from tests.runtime.layers.one_layer import TEST, TRAIN, one_layer


@pytest.fixture
def database(tmp_path):
    """Makes an LMDB of arrays or encoded images, labelled from 0 up; gives its path."""

    def make(items, name="lmdb"):
        with lmdb.open(str(tmp_path / name), map_size=1 << 20) as env, env.begin(write=True) as txn:
            for i, item in enumerate(items):
                if isinstance(item, bytes):
                    datum = Datum(data=item, encoded=True, label=i)
                else:
                    channels, height, width = item.shape
                    datum = Datum(channels=channels, height=height, width=width, data=item.tobytes(), label=i)
                txn.put(b"%04d" % i, datum.SerializeToString())
        return tmp_path / name

    return make


def images(count, shape=(1, 4, 5)):
    """Random images, no two of them alike."""
    return np.random.RandomState(0).randint(0, 256, (count, *shape)).astype(np.uint8)


def data(path, size=2, transform="", phase=TRAIN, tops=2):
    param = f'data_param {{ backend: LMDB source: "{path}" batch_size: {size} }} transform_param {{ {transform} }}'
    return one_layer("Data", param, tops=tops, phase=phase)


def labels(layer, bottom, top, batches):
    found = []
    for _ in range(batches):
        layer.forward(bottom, top)
        found += top[1].data.astype(int).tolist()
    return found


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        ("crop_size: 6", r".*lmdb: an item of shape \(1, 4, 5\) cannot be cropped to 6 x 6"),
        ("mean_value: 1 mean_file: 'x'", "transform_param takes mean_file or mean_value, not both"),
        ("mean_file: '/none'", "/none: No such file or directory"),
    ],
)
def test_refused(database, transform, message):
    with pytest.raises(LayerError, match=f'^layer "l" \\(Data\\): {message}$'):
        data(database(images(2)), transform=transform)


def test_refused_in_forward(database, tmp_path):
    layer, bottom, top = data(database(images(2)), transform="mean_value: 1 mean_value: 2")
    with pytest.raises(LayerError, match="takes 1 mean_value or 1, as many as channels, got 2"):
        layer.forward(bottom, top)
    mixed = database([*images(1), *images(1, (1, 5, 4))], "mixed")
    layer, bottom, top = data(mixed)
    with pytest.raises(LayerError, match=r"an item becomes of shape \(1, 5, 4\), its batch has \(1, 4, 5\)"):
        layer.forward(bottom, top)
    layer, bottom, top = data(mixed, transform="crop_size: 3")
    layer.forward(bottom, top)
    assert top[0].shape == (2, 1, 3, 3)


def test_databases_refused(database, tmp_path):
    for path, message in (
        (tmp_path / "none", "none cannot be opened as LMDB: .*No such file or directory"),
        (database([]), "lmdb has no records"),
    ):
        with pytest.raises(LayerError, match=message):
            data(path)
    with pytest.raises(LayerError, match=r"data_param\.batch_size must be positive, and at most 2147483647, got 0"):
        one_layer("Data", 'data_param { source: "x" backend: LMDB }')
    with lmdb.open(str(tmp_path / "lmdb")) as env, env.begin(write=True) as txn:
        txn.put(b"0", Datum(channels=1, height=2, width=2, data=b"abc").SerializeToString())
    with pytest.raises(LayerError, match=r"a Datum of shape \(1, 2, 2\) must not have 3 values"):
        data(tmp_path / "lmdb")


def test_goes_round_in_the_order_of_keys(database):
    path = database(images(5))
    first, second = data(path), data(path, size=3)  # two readers of one database
    assert labels(*first, 6) == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]
    assert labels(*second, 2) == [0, 1, 2, 3, 4, 0]
    assert labels(*first, 1) == [2, 3]


def test_several_solvers_share_the_records(database):
    path = database(images(5))
    process.set_solver_count(2)
    try:
        found = []
        for rank in (0, 1):
            process.set_solver_rank(rank)
            found.append(labels(*data(path), 5))
        assert found == [[0, 2, 4, 1, 3, 0, 2, 4, 1, 3], [1, 3, 0, 2, 4, 1, 3, 0, 2, 4]]
        assert labels(*data(path, phase=TEST), 2) == [0, 1, 2, 3], "only the first solver tests"
    finally:
        process.set_solver_count(1)
        process.set_solver_rank(0)


def test_random_crops_and_mirrors(database):
    """In TRAIN every place and both directions turn up, and a seed repeats them."""
    item = images(1)[0]
    places = {item[:, t : t + 3, w : w + 3].tobytes() for t in range(2) for w in range(3)}
    mirrored = {np.frombuffer(x, np.uint8).reshape(1, 3, 3)[:, :, ::-1].tobytes() for x in places}
    path, runs = database([item]), []
    for _ in range(2):
        rng.seed(5)
        layer, bottom, top = data(path, size=100, transform="crop_size: 3 mirror: true")
        layer.forward(bottom, top)
        runs.append([crop.astype(np.uint8).tobytes() for crop in top[0].data])
    assert runs[0] == runs[1]
    assert set(runs[0]) == places | mirrored


def test_mirror_in_test_phase_too(database):
    item = images(1)[0]
    layer, bottom, top = data(database([item]), size=50, transform="mirror: true", phase=TEST)
    layer.forward(bottom, top)
    assert {x.astype(np.uint8).tobytes() for x in top[0].data} == {item.tobytes(), item[:, :, ::-1].tobytes()}


def test_mean_file_moves_with_crop_and_mirror(database, tmp_path):
    """The mean is the item itself: whatever the crop, nothing is left."""
    item = images(1, (2, 4, 5))[0]
    mean = tmp_path / "mean.binaryproto"
    mean.write_bytes(BlobProto(num=1, channels=2, height=4, width=5, data=item.ravel()).SerializeToString())
    transform = f"crop_size: 3 mirror: true mean_file: '{mean}' scale: 3"
    layer, bottom, top = data(database([item]), size=20, transform=transform)
    layer.forward(bottom, top)
    assert (top[0].data == 0).all()
    layer, bottom, top = data(database([item[:1]], "other"), transform=f"mean_file: '{mean}'")
    with pytest.raises(LayerError, match=r"mean_file .* has shape \(2, 4, 5\), an item has \(1, 4, 5\)"):
        layer.forward(bottom, top)


def encoded(values, kind="PNG", **options):
    file = io.BytesIO()
    pytest.importorskip("PIL.Image").fromarray(values).save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("shape", [(6, 7, 3), (6, 7)])
def test_encoded_images_are_mirrored_and_cropped_as_others_are(database, shape):
    pixels = np.random.RandomState(0).randint(0, 256, shape).astype(np.uint8)
    item = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels[:, :, ::-1], 2, 0)
    found = []
    for number, made in enumerate((encoded(pixels), item)):
        rng.seed(5)
        transform = "crop_size: 4 mirror: true mean_value: 7 scale: 0.3"
        layer, bottom, top = data(database([made], f"db{number}"), size=50, transform=transform)
        layer.forward(bottom, top)
        found.append(top[0].data.copy())
    np.testing.assert_array_equal(found[0], found[1])


def test_encoded_images_are_refused(database, monkeypatch):
    path = database([encoded(np.moveaxis(images(1, (3, 4, 5))[0], 0, 2)), b"no image"])
    layer, bottom, top = data(path)
    assert top[0].shape == (2, 3, 4, 5)
    with pytest.raises(LayerError, match="8 bytes of an encoded image are no image that OpenCV can decode"):
        layer.forward(bottom, top)
    with pytest.raises(LayerError, match="takes force_color or force_gray, not both"):
        data(path, transform="force_color: true force_gray: true")
    with pytest.raises(LayerError, match="an encoded image must have 8 bits for each value"):
        data(database([encoded(np.zeros((4, 5), np.uint16))], "deep"))

    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ImportError, match=r"images need OpenCV .*: pip install opencv-python-headless"):
        data(path)


def test_force_color_looks_at_the_orientation():
    """As OpenCV does, and not where the channels are kept as they are."""
    pillow = pytest.importorskip("PIL.Image")
    exif = pillow.Exif()
    exif[0x112] = 3  # upside down
    values = np.repeat(np.arange(0, 256, 16, dtype=np.uint8)[:, None], 16, 1)
    jpeg = encoded(np.stack([values] * 3, 2), "JPEG", exif=exif.tobytes(), quality=95)
    kept, color, gray = image.decode(jpeg), image.decode(jpeg, color=True), image.decode(jpeg, gray=True)
    assert (kept.shape, color.shape, gray.shape) == ((3, 16, 16), (3, 16, 16), (1, 16, 16))
    np.testing.assert_array_equal(color, kept[:, ::-1, ::-1])
    np.testing.assert_allclose(gray[0].astype(int), color[0].astype(int), atol=2)
