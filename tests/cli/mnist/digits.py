"""What the tests of ``caffe-pylayers mnist`` share: digits, files of them, and what a folder and an LMDB hold."""

import hashlib
import os
import struct
from pathlib import Path

import numpy as np
import pytest

from caffe_pylayers import _engine
from caffe_pylayers.cli import main
from caffe_pylayers.cli._mnist import source
from caffe_pylayers.cli._mnist.idx import Digits

# Set MNIST_SOURCE to a folder with the two official t10k files to run the tests that need them.
needs_official = pytest.mark.skipif(not os.environ.get("MNIST_SOURCE"), reason="MNIST_SOURCE names no folder")


def mnist(*args):
    """The exit code of ``caffe-pylayers mnist``."""
    return main([str(arg) for arg in args], verb="mnist")


def official_t10k():
    """The official digits to test."""
    return source.official(Path(os.environ["MNIST_SOURCE"]), "t10k")


def random_digits(count, seed=0):
    """Digits of noise."""
    random = np.random.RandomState(seed)
    return Digits(random.randint(0, 256, (count, 28, 28)).astype(np.uint8), random.randint(0, 10, count).astype("u1"))


def idx_bytes(array, magic=None):
    """The IDX file of images or labels."""
    header = (magic or (2051 if array.ndim == 3 else 2049), *array.shape)
    return struct.pack(f">{len(header)}I", *header) + array.tobytes()


def sha256(content):
    """The SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def files(folder):
    """All that is in a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def stored(path):
    """The values of an LMDB."""
    lmdb = pytest.importorskip("lmdb")
    with lmdb.open(str(path), readonly=True, lock=False) as environment, environment.begin() as transaction:
        return [bytes(value) for _, value in transaction.cursor()]


def pixels(digits):
    """The bytes of each image."""
    return [image.tobytes() for image in digits.images]


LMDBS = sorted(name + file for name in ("train_lmdb", "test_lmdb") for file in ("", "/data.mdb", "/lock.mdb"))
OLD, NEW = random_digits(5, seed=1), random_digits(9, seed=2)
TRAIN, T10K = random_digits(7, seed=3), random_digits(4, seed=4)
CONTENT = {
    f"{part}-{what}-idx{array.ndim}-ubyte": idx_bytes(array)
    for part, digits in (("train", TRAIN), ("t10k", T10K))
    for what, array in (("images", digits.images), ("labels", digits.labels))
}


def assert_full(out):
    """Whether a folder has the LMDBs of TRAIN and T10K."""
    datum = _engine.messages().Datum
    for part, digits in (("train", TRAIN), ("test", T10K)):
        data = [datum.FromString(record).data for record in stored(out / f"{part}_lmdb")]
        assert data == pixels(digits)
