"""caffe-pylayers mnist: the sample, the official files, the LMDBs, and what each error says.

Set MNIST_SOURCE to a folder with the two official t10k files to run the tests that need them.
"""

import contextlib
import functools
import gzip
import hashlib
import http.server
import os
import struct
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from caffe_pylayers._mnist import DataError, database, idx, source
from caffe_pylayers._mnist.idx import Digits
from caffe_pylayers.cli import main

needs_official = pytest.mark.skipif(not os.environ.get("MNIST_SOURCE"), reason="MNIST_SOURCE names no folder")


def mnist(*args):
    return main([str(arg) for arg in args], verb="mnist")


def official_t10k():
    return source.official(Path(os.environ["MNIST_SOURCE"]), "t10k")


def random_digits(count, seed=0):
    random = np.random.RandomState(seed)
    return Digits(random.randint(0, 256, (count, 28, 28)).astype(np.uint8), random.randint(0, 10, count).astype("u1"))


def idx_bytes(array, magic=None):
    header = (magic or (2051 if array.ndim == 3 else 2049), *array.shape)
    return struct.pack(f">{len(header)}I", *header) + array.tobytes()


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


LMDBS = sorted(name + file for name in ("train_lmdb", "test_lmdb") for file in ("", "/data.mdb", "/lock.mdb"))


# --- the sample ----------------------------------------------------------------------------------


def test_sample_has_as_many_digits_of_each_class_to_train_and_to_test():
    sample = source.sample()
    assert sample.images.shape == (5000, 28, 28)
    assert sample.images.dtype == sample.labels.dtype == np.uint8
    assert np.bincount(sample.labels[:4000]).tolist() == [400] * 10
    assert np.bincount(sample.labels[4000:]).tolist() == [100] * 10


def test_sample_is_in_no_order_and_repeats_no_digit():
    sample = source.sample()
    batches = sample.labels[:4000].reshape(-1, 100)
    assert all(len(set(batch)) == 10 for batch in batches)
    assert len({image.tobytes() for image in sample.images}) == 5000


@needs_official
def test_no_digit_of_the_sample_is_in_the_official_test_set():
    test = {image.tobytes() for image in official_t10k().images}
    assert not any(image.tobytes() in test for image in source.sample().images)


# --- the databases, as Caffe reads them ----------------------------------------------------------


def through_data_layer(path, count, tmp_path):
    """The digits that a Data layer, without transformation, takes from the LMDB."""
    import caffe

    net_file = tmp_path / "net.prototxt"
    net_file.write_text(
        'layer { name: "data" type: "Data" top: "data" top: "label" '
        f'data_param {{ source: "{path}" batch_size: 500 backend: LMDB }} }}'
    )
    net = caffe.Net(str(net_file), caffe.TEST)
    images, labels = [], []
    for _ in range(count // 500):
        net.forward()
        images.append(net.blobs["data"].data.copy())
        labels.append(net.blobs["label"].data.copy())
    return np.concatenate(images), np.concatenate(labels)


def assert_holds(path, digits, tmp_path):
    images, labels = through_data_layer(path, len(digits.labels), tmp_path)
    np.testing.assert_array_equal(images, digits.images[:, None])
    np.testing.assert_array_equal(labels, digits.labels)


@pytest.mark.caffe
def test_sample_through_the_data_layer_pixel_for_pixel(tmp_path, capsys):
    out = tmp_path / "not" / "there" / "yet"
    assert mnist("--output", out) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"train: 4000 digits -> {out}/train_lmdb",
        f"test: 1000 digits -> {out}/test_lmdb",
    ]
    assert files(out) == LMDBS
    sample = source.sample()
    assert_holds(out / "train_lmdb", Digits(sample.images[:4000], sample.labels[:4000]), tmp_path)
    assert_holds(out / "test_lmdb", Digits(sample.images[4000:], sample.labels[4000:]), tmp_path)


@needs_official
@pytest.mark.caffe
def test_test_source_tests_on_the_official_digits(tmp_path):
    assert mnist("--output", tmp_path / "out", "--test-source", os.environ["MNIST_SOURCE"]) == 0
    assert_holds(tmp_path / "out" / "train_lmdb", source.sample(), tmp_path)
    assert_holds(tmp_path / "out" / "test_lmdb", official_t10k(), tmp_path)


@pytest.mark.caffe
def test_records_are_datums_under_keys_of_eight_digits(tmp_path):
    import lmdb
    from caffe.proto import caffe_pb2

    digits = random_digits(12)
    database.write(tmp_path, {"a": digits}, caffe_pb2.Datum)
    with lmdb.open(str(tmp_path / "a"), readonly=True) as environment, environment.begin() as transaction:
        records = list(transaction.cursor())
    assert [key for key, _ in records] == [b"%08d" % index for index in range(12)]
    datum = caffe_pb2.Datum.FromString(bytes(records[7][1]))
    assert (datum.channels, datum.height, datum.width, datum.encoded) == (1, 28, 28, False)
    assert (datum.data, datum.label) == (digits.images[7].tobytes(), digits.labels[7])


@pytest.mark.caffe
def test_who_may_only_read_the_folder_can_train_from_it(tmp_path):
    assert mnist("--output", tmp_path) == 0
    lmdb_folder = tmp_path / "test_lmdb"
    readable, lock = ((lmdb_folder / name).stat().st_mode for name in ("data.mdb", "lock.mdb"))
    assert lock & 0o222 == (readable & 0o444) >> 1, "LMDB opens the lock for writing"
    lmdb_folder.chmod(0o555)
    assert through_data_layer(lmdb_folder, 500, tmp_path)[1].tolist() == source.sample().labels[4000:4500].tolist()
    lmdb_folder.chmod(0o755)


# --- replacing what is there ---------------------------------------------------------------------


class Record:
    """Stands for caffe's Datum: its bytes are the pixels, and it can fail at a label."""

    fails_at, error = None, None

    def __init__(self, data, label, **shape):
        if label == self.fails_at:
            raise self.error
        self.data = data

    def SerializeToString(self):  # noqa: N802 (protobuf's name)
        return self.data


def failing(error):
    return type("Failing", (Record,), {"fails_at": 3, "error": error})


def stored(path):
    lmdb = pytest.importorskip("lmdb")
    with lmdb.open(str(path), readonly=True, lock=False) as environment, environment.begin() as transaction:
        return [bytes(value) for _, value in transaction.cursor()]


def pixels(digits):
    return [image.tobytes() for image in digits.images]


OLD, NEW = random_digits(5, seed=1), random_digits(9, seed=2)


def test_existing_databases_are_replaced_and_nothing_else_is_left(tmp_path):
    database.write(tmp_path, {"train_lmdb": OLD, "test_lmdb": OLD}, Record)
    database.write(tmp_path, {"train_lmdb": NEW, "test_lmdb": OLD}, Record)
    assert stored(tmp_path / "train_lmdb") == pixels(NEW)
    assert stored(tmp_path / "test_lmdb") == pixels(OLD)
    assert files(tmp_path) == LMDBS


def test_file_is_about_as_large_as_the_digits(tmp_path):
    digits = random_digits(2000)
    database.write(tmp_path, {"a": digits}, Record)
    assert digits.images.nbytes < (tmp_path / "a" / "data.mdb").stat().st_size < 1.1 * digits.images.nbytes


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError("disk full")], ids=repr)
def test_failure_while_writing_leaves_what_was(tmp_path, error):
    database.write(tmp_path, {"train_lmdb": OLD, "test_lmdb": OLD}, Record)
    ends_in_3 = Digits(NEW.images, np.array([0] * 8 + [3], np.uint8))
    with pytest.raises((KeyboardInterrupt, DataError)):
        database.write(tmp_path, {"train_lmdb": ends_in_3, "test_lmdb": ends_in_3}, failing(error))
    assert files(tmp_path) == LMDBS
    assert stored(tmp_path / "train_lmdb") == pixels(OLD)


@pytest.mark.parametrize("fails_at", [0, 1, 2, 3])
def test_failure_between_the_renames_leaves_what_was(tmp_path, monkeypatch, fails_at):
    database.write(tmp_path, {"train_lmdb": OLD, "test_lmdb": OLD}, Record)
    rename, calls = Path.rename, iter(range(100))

    def failing_rename(path, target):
        if next(calls) == fails_at:
            raise PermissionError(13, "Permission denied", str(path))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", failing_rename)
    with pytest.raises(DataError, match=r"cannot be written: .*Permission denied"):
        database.write(tmp_path, {"train_lmdb": NEW, "test_lmdb": NEW}, Record)
    assert files(tmp_path) == LMDBS
    assert stored(tmp_path / "train_lmdb") == stored(tmp_path / "test_lmdb") == pixels(OLD)


def test_what_is_no_lmdb_is_not_replaced(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "thesis.txt").write_text("")
    with pytest.raises(DataError, match=r"a: not replaced, since it holds more than an LMDB: thesis\.txt$"):
        database.write(tmp_path, {"a": NEW}, Record)
    with pytest.raises(DataError, match=r"thesis\.txt: not replaced, since it is no folder with an LMDB$"):
        database.write(tmp_path / "a", {"thesis.txt": NEW}, Record)
    assert files(tmp_path) == ["a", "a/thesis.txt"]


# --- reading IDX files ---------------------------------------------------------------------------

IMAGES, LABELS = idx_bytes(OLD.images), idx_bytes(OLD.labels)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["raw", "gz"])
def test_idx_files_are_read_raw_and_gzipped_whatever_their_name(tmp_path, pack):
    (tmp_path / "i.gz").write_bytes(pack(IMAGES))
    (tmp_path / "l").write_bytes(pack(LABELS))
    images, labels = idx.digits(tmp_path / "i.gz", tmp_path / "l")
    np.testing.assert_array_equal(images, OLD.images)
    np.testing.assert_array_equal(labels, OLD.labels)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (None, LABELS, "i: No such file or directory"),
        (gzip.compress(IMAGES)[:-40], LABELS, "i: truncated or damaged gzip file: "),
        (gzip.compress(IMAGES)[:-8] + bytes(8), LABELS, "i: truncated or damaged gzip file: CRC check failed"),
        (IMAGES[:9], LABELS, "i: 9 bytes, fewer than the header of an IDX file of images"),
        (IMAGES[:-9], LABELS, "i: 3911 bytes after the header, expected 3920 for 5 images"),
        (IMAGES, LABELS + b"0", "l: 6 bytes after the header, expected 5 for 5 labels"),
        (IMAGES, idx_bytes(OLD.labels[:0]), "l: 0 bytes after the header, expected 0 for 0 labels"),
        (IMAGES, IMAGES, "l: magic number 2051, expected 2049, an IDX file of labels"),
        (idx_bytes(OLD.images[:, 1:]), LABELS, "i: images of 27 x 28 pixels, expected 28 x 28"),
        (IMAGES, idx_bytes(OLD.labels[1:]), "i has 5 images, but .*l has 4 labels"),
        (IMAGES, idx_bytes(np.array([0, 9, 10, 1, 2], np.uint8)), r"l: label 10 at index 2 is outside \[0, 10\)"),
    ],
)
def test_errors_name_the_file_and_what_is_wrong(tmp_path, images, labels, message):
    for name, content in (("i", images), ("l", labels)):
        if content is not None:
            (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        idx.digits(tmp_path / "i", tmp_path / "l")


# --- the official files, stood for by small ones -------------------------------------------------

TRAIN, T10K = random_digits(7, seed=3), random_digits(4, seed=4)
CONTENT = {
    f"{part}-{what}-idx{array.ndim}-ubyte": idx_bytes(array)
    for part, digits in (("train", TRAIN), ("t10k", T10K))
    for what, array in (("images", digits.images), ("labels", digits.labels))
}


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of gzipped files that pass for the official ones."""
    packed = {name: gzip.compress(content, mtime=0) for name, content in CONTENT.items()}
    sums = {name: source.Sha256(sha256(packed[name]), sha256(content)) for name, content in CONTENT.items()}
    monkeypatch.setattr(source, "FILES", sums)
    path = tmp_path / "official"
    path.mkdir()
    for name, content in packed.items():
        (path / f"{name}.gz").write_bytes(content)
    return path


def assert_full(out):
    for part, digits in (("train", TRAIN), ("test", T10K)):
        from caffe.proto import caffe_pb2

        data = [caffe_pb2.Datum.FromString(record).data for record in stored(out / f"{part}_lmdb")]
        assert data == pixels(digits)


@needs_official
def test_registry_knows_the_official_files():
    for path in Path(os.environ["MNIST_SOURCE"]).glob("*-ubyte.gz"):
        assert sha256(path.read_bytes()) == source.FILES[path.name[:-3]].gz


@pytest.mark.caffe
@pytest.mark.parametrize("spelling", ["{}-{}-idx{}-ubyte.gz", "{}-{}-idx{}-ubyte", "{}-{}.idx{}-ubyte"])
def test_full_from_a_folder(folder, tmp_path, spelling):
    for name, content in CONTENT.items():
        (folder / f"{name}.gz").unlink()
        part, what, rest = name.split("-")[:3]
        (folder / spelling.format(part, what, rest[-1])).write_bytes(content)
    assert mnist("--output", tmp_path / "out", "--full", "--source", folder) == 0
    assert_full(tmp_path / "out")


@pytest.mark.caffe
def test_wrong_and_missing_files_are_refused_in_one_line(folder, tmp_path, capsys):
    other = gzip.compress(idx_bytes(random_digits(4, seed=5).images))
    path = folder / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(other)
    expected = source.FILES["t10k-images-idx3-ubyte"].content
    for option in (["--test-source", folder], ["--full", "--source", folder]):
        assert mnist("--output", tmp_path / "out", *option) == 1
        (line,) = capsys.readouterr().err.splitlines()
        found = sha256(gzip.decompress(other))
        assert f"{path}: not the official file: SHA-256 of its content is {found}, expected {expected}" in line
    path.unlink()
    assert mnist("--output", tmp_path / "out", "--test-source", folder) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{path}: no such file, nor t10k-images-idx3-ubyte beside it" in line
    assert not (tmp_path / "out").exists()


@pytest.mark.caffe
def test_options_that_do_not_go_together(tmp_path, capsys):
    assert mnist("--output", tmp_path, "--source", tmp_path) == 1
    assert "--source goes with --full" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        mnist("--output", tmp_path, "--full", "--test-source", tmp_path)
    assert "not allowed with" in capsys.readouterr().err


@pytest.mark.caffe
def test_output_that_cannot_be_a_folder(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert mnist("--output", tmp_path / "file") == 1
    assert f"{tmp_path}/file: cannot be written: " in capsys.readouterr().err


@pytest.mark.caffe
@pytest.mark.parametrize(("module", "options"), [("lmdb", []), ("pooch", ["--full"])])
def test_missing_extra_says_what_to_install(tmp_path, capsys, monkeypatch, module, options):
    monkeypatch.setitem(sys.modules, module, None)
    assert mnist("--output", tmp_path, *options) == 1
    error = capsys.readouterr().err
    assert f"{module} cannot be imported (" in error
    assert error.endswith("): pip install 'caffe-pylayers[data]'\n")


# --- downloading, from this machine --------------------------------------------------------------


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        self.server.paths.append(self.path)


@contextlib.contextmanager
def serve(folder):
    """(URL, list of what was asked for) of an HTTP server for a folder."""
    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.paths = []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/", server.paths
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    pooch = pytest.importorskip("pooch")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "cache" / name)
    return tmp_path / "cache" / "caffe-pylayers" / "mnist"


@pytest.mark.caffe
@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_bytes(b"sorry")], ids=["missing", "wrong"])
def test_full_falls_back_to_the_next_mirror_and_keeps_the_files(folder, cache, tmp_path, monkeypatch, spoil):
    poor = tmp_path / "poor"
    poor.mkdir()
    for path in folder.iterdir():
        (poor / path.name).write_bytes(path.read_bytes())
    spoil(poor / "train-labels-idx1-ubyte.gz")
    with serve(poor) as (first, asked_first), serve(folder) as (second, asked_second):
        monkeypatch.setattr(source, "MIRRORS", (first, second))
        assert mnist("--output", tmp_path / "out", "--full") == 0
        assert_full(tmp_path / "out")
        assert files(cache) == sorted(f"{name}.gz" for name in CONTENT)
        asked = len(asked_first), len(asked_second)
        assert mnist("--output", tmp_path / "out", "--full") == 0
        assert (len(asked_first), len(asked_second)) == asked
    assert asked_second == ["/train-labels-idx1-ubyte.gz"]


@pytest.mark.caffe
def test_full_refuses_what_is_not_the_official_file(folder, cache, tmp_path, monkeypatch, capsys):
    (folder / "train-images-idx3-ubyte.gz").write_bytes(b"sorry")
    with serve(folder) as (url, _):
        monkeypatch.setattr(source, "MIRRORS", (url,))
        assert mnist("--output", tmp_path / "out", "--full") == 1
    error = capsys.readouterr().err
    assert "train-images-idx3-ubyte.gz cannot be downloaded; give its folder with --source\n" in error
    assert f"{url}train-images-idx3-ubyte.gz: SHA256 hash of downloaded file" in error
    assert files(cache) == []
    assert not (tmp_path / "out").exists()
