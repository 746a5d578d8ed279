"""caffe-pylayers mnist: the sample that ships with the package, and the LMDBs as a Data layer reads them."""

import os

import numpy as np

from caffe_pylayers import _engine
from caffe_pylayers.cli._mnist import source
from caffe_pylayers.cli._mnist.idx import Digits
from tests.cli.mnist.digits import LMDBS, files, mnist, needs_official, official_t10k


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


def through_data_layer(path, count, tmp_path):
    """The digits that a Data layer, without transformation, takes from the LMDB."""
    caffe = _engine.caffe()

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
def test_test_source_tests_on_the_official_digits(tmp_path):
    assert mnist("--output", tmp_path / "out", "--test-source", os.environ["MNIST_SOURCE"]) == 0
    assert_holds(tmp_path / "out" / "train_lmdb", source.sample(), tmp_path)
    assert_holds(tmp_path / "out" / "test_lmdb", official_t10k(), tmp_path)


def test_who_may_only_read_the_folder_can_train_from_it(tmp_path):
    assert mnist("--output", tmp_path) == 0
    lmdb_folder = tmp_path / "test_lmdb"
    readable, lock = ((lmdb_folder / name).stat().st_mode for name in ("data.mdb", "lock.mdb"))
    assert lock & 0o222 == (readable & 0o444) >> 1, "LMDB opens the lock for writing"
    lmdb_folder.chmod(0o555)
    assert through_data_layer(lmdb_folder, 500, tmp_path)[1].tolist() == source.sample().labels[4000:4500].tolist()
    lmdb_folder.chmod(0o755)
