"""caffe-pylayers mnist: the records of the LMDBs, and replacing those that are there."""

from pathlib import Path

import numpy as np
import pytest

from caffe_pylayers import _engine
from caffe_pylayers.cli._mnist import DataError, database
from caffe_pylayers.cli._mnist.idx import Digits
from tests.cli.mnist.digits import LMDBS, NEW, OLD, files, pixels, random_digits, stored


def test_records_are_datums_under_keys_of_eight_digits(tmp_path):
    import lmdb

    messages = _engine.messages()
    digits = random_digits(12)
    database.write(tmp_path, {"a": digits}, messages.Datum)
    with lmdb.open(str(tmp_path / "a"), readonly=True) as environment, environment.begin() as transaction:
        records = list(transaction.cursor())
    assert [key for key, _ in records] == [b"%08d" % index for index in range(12)]
    datum = messages.Datum.FromString(bytes(records[7][1]))
    assert (datum.channels, datum.height, datum.width, datum.encoded) == (1, 28, 28, False)
    assert (datum.data, datum.label) == (digits.images[7].tobytes(), digits.labels[7])


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


@pytest.mark.parametrize("fails_at", range(6))
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


def test_a_full_disk_leaves_what_was(tmp_path, monkeypatch):
    """LMDB, which maps its file into memory, would end the process."""

    def full(*arguments):
        raise OSError(28, "No space left on device")

    database.write(tmp_path, {"train_lmdb": OLD, "test_lmdb": OLD}, Record)
    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(DataError, match=r"cannot be written: .*No space left on device"):
        database.write(tmp_path, {"train_lmdb": NEW, "test_lmdb": NEW}, Record)
    assert files(tmp_path) == LMDBS
    assert stored(tmp_path / "train_lmdb") == pixels(OLD)
