"""New databases: whole or not there, and never over another's."""

import os

import pytest

from caffe_pylayers._disk.database import new_database
from tests.cli.databases import contents
from tests.full_disk import limited

pytest.importorskip("lmdb")


class Record:
    """Stands for a protobuf message."""

    def __init__(self, content):
        self.content = content

    def SerializeToString(self):  # noqa: N802 - protobuf's name
        return self.content


def write(path, backend, content=b"x", count=2500, then=lambda: None):
    with new_database(path, backend) as put:
        for i in range(count):
            put(b"%08d" % i, Record(content))
        then()


@pytest.fixture(params=["lmdb", "leveldb"])
def backend(request):
    if request.param == "leveldb":
        pytest.importorskip("plyvel")
    return request.param


def test_all_records_in_order(tmp_path, backend):
    write(tmp_path / "db", backend)
    assert list(contents(tmp_path / "db")) == [b"%08d" % i for i in range(2500)]
    assert os.listdir(tmp_path) == ["db"]


def test_a_failure_leaves_nothing(tmp_path, backend):
    with pytest.raises(KeyError):
        write(tmp_path / "db", backend, then=lambda: {}["none"])
    assert not os.listdir(tmp_path)


def test_a_name_that_is_taken(tmp_path, backend):
    (tmp_path / "db").mkdir()
    with pytest.raises(FileExistsError, match="is there already; remove it, or choose another name"):
        write(tmp_path / "db", backend)
    assert not os.listdir(tmp_path / "db")


def test_two_to_one_name(tmp_path, backend):
    """Whoever is done first has the name; the other says so, and what is there stays."""
    with pytest.raises(FileExistsError, match="is there already") as error:
        write(tmp_path / "db", backend, b"mine", then=lambda: write(tmp_path / "db", backend, b"theirs"))
    assert error.value.filename == str(tmp_path / "db")
    assert set(contents(tmp_path / "db").values()) == {b"theirs"}
    assert os.listdir(tmp_path) == ["db"]


def test_a_full_disk(tmp_path):
    with limited(1 << 18), pytest.raises(OSError, match=r"File too large|cannot be written"):
        write(tmp_path / "db", "lmdb", bytes(1000))
    assert not os.listdir(tmp_path)


def test_who_may_read_the_records_may_take_the_lock(tmp_path):
    """Caffe opens the lock for writing even to read."""
    before = os.umask(0o022)
    try:
        write(tmp_path / "db", "lmdb")
    finally:
        os.umask(before)
    assert (tmp_path / "db" / "data.mdb").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "db" / "lock.mdb").stat().st_mode & 0o777 == 0o666
