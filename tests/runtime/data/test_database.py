"""Databases read over and over: what is taken, what is closed when, and damage in the middle."""

import gc
import os
from types import SimpleNamespace

import lmdb
import pytest

from caffe_pylayers._layer.data import lmdb_file
from caffe_pylayers.runtime.data import database
from caffe_pylayers.runtime.data.database import Records
from caffe_pylayers.runtime.proto.caffe_pb2 import DataParameter

VALUES = [b"%d" % i * 100 for i in range(30)]


@pytest.fixture(params=["LMDB", "LEVELDB"])
def source(request, tmp_path):
    """Path and backend of a database."""
    if request.param == "LMDB":
        with lmdb.open(str(tmp_path / "db"), map_size=1 << 20) as env, env.begin(write=True) as txn:
            for i, value in enumerate(VALUES):
                txn.put(b"%04d" % i, value)
    else:
        plyvel = pytest.importorskip("plyvel")
        with plyvel.DB(str(tmp_path / "db"), create_if_missing=True) as db:
            for i, value in enumerate(VALUES):
                db.put(b"%04d" % i, value)
    return str(tmp_path / "db"), DataParameter.DB.Value(request.param)


def test_taken_in_order_and_over_again(source):
    records, taken = Records(*source), []
    for count, got in ((7, 7), (1, 1), (40, 22), (3, 3)):
        values = records.take(count)
        assert len(values) == got
        taken += map(bytes, values)
    assert taken == VALUES + VALUES[:3]
    assert next(records) == VALUES[3]
    assert list(records.once()) == VALUES


@pytest.mark.parametrize("position", [0, 1, 29, 30, 95])
def test_it_goes_on_at_any_position(source, position):
    records = Records(*source)
    records.take(3)
    records.start_at(position)
    assert [bytes(next(records)) for _ in range(31)] == (VALUES * 5)[position : position + 31]


@pytest.mark.parametrize(("first", "step"), [(0, 1), (1, 3), (6, 7), (33, 40)])
def test_every_step_th(source, first, step):
    records = Records(*source, first, step)
    assert [bytes(next(records)) for _ in range(70)] == (VALUES * 100)[first::step][:70]
    records.start_at(first + 8 * step)
    assert bytes(next(records)) == (VALUES * 100)[first + 8 * step]


def test_what_lies_between_is_not_read(tmp_path, monkeypatch):
    """Of records that have pages of their own."""
    with lmdb.open(str(tmp_path / "db"), map_size=1 << 22) as env, env.begin(write=True) as txn:
        for i in range(8):
            txn.put(b"%d" % i, bytes([i]) * (1 << 18))
    read, big = [], lmdb_file._Pages._big
    monkeypatch.setattr(lmdb_file._Pages, "_big", lambda pages, *where: read.append(where) or big(pages, *where))
    assert [value[0] for value in lmdb_file.values(str(tmp_path / "db" / "data.mdb"), 1, 4)] == [1, 5]
    assert len(read) == 2


def test_values_are_readable_after_the_end(source):
    records = Records(*source)
    passes = [records.take(100) for _ in range(3)]
    assert [[bytes(value) for value in values] for values in passes] == [VALUES] * 3


def opened(path):
    """The files in a folder that this process has open."""
    links = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
    return [target for target in map(os.path.realpath, links) if target.startswith(os.path.realpath(path))]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="no /proc")
def test_closed_with_the_last_reader(source):
    """Also where it is the garbage collector that finds it."""
    first, second = Records(*source), Records(*source)
    second.itself = second
    first.take(3)
    second.take(3)
    del first
    assert opened(source[0])
    del second
    gc.collect()
    assert not opened(source[0])
    assert Records(*source).take(1) == VALUES[:1]


@pytest.mark.parametrize("taken", [0, 7, 37])
def test_an_interrupt_loses_nothing(source, taken, monkeypatch):
    records = Records(*source)
    for _ in range(taken):
        next(records)
    with monkeypatch.context() as patched:
        patched.setattr(database, "itertools", SimpleNamespace(islice=interrupted))
        with pytest.raises(KeyboardInterrupt):
            records.take(5)
    assert next(records) == VALUES[taken % 30]


def interrupted(values, *numbers):
    yield next(values)
    if hasattr(values, "close"):  # as an exception within a generator does
        values.close()
    raise KeyboardInterrupt
