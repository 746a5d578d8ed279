"""caffe-pylayers mnist: reading IDX files."""

import gzip

import numpy as np
import pytest

from caffe_pylayers.cli._mnist import DataError, idx
from tests.cli.mnist.digits import OLD, idx_bytes

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
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_errors_name_the_file_and_what_is_wrong(tmp_path, images, labels, message):
    for name, content in (("i", images), ("l", labels)):
        if content is not None:
            (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        idx.digits(tmp_path / "i", tmp_path / "l")
