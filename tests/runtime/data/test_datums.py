"""Datum read many at once, beside each read by protobuf."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caffe_pylayers.runtime.data import datums
from caffe_pylayers.runtime.proto.caffe_pb2 import Datum

LABELS = st.one_of(st.integers(0, 9), st.sampled_from([127, 128, 16383, 16384, 2**31 - 1, -1, -(2**31)]))
UNKNOWN = bytes([0x98, 0x06, 0x01])  # field 99, 1


def datum(label, size=12, first=0):
    """A raw one of 3 x 2 x 2, unless size is another."""
    data = bytes((first + i) % 256 for i in range(size))
    return Datum(channels=3, height=2, width=2, data=data, label=label)


def batches(records, size=4):
    """All of them from records that come in pieces, as a database gives them: up to as many as are asked for."""
    left = list(records)

    def take(count):
        taken = left[:count]
        del left[:count]
        return taken

    reader = datums.Batches(take, size, "db")
    return [reader.next() for _ in range(len(records) // size)]


def check(records, found, size=4):
    for i, batch in enumerate(found):
        part = records[i * size : (i + 1) * size]
        if isinstance(batch, list):
            assert batch == part
            continue
        items, labels = batch
        for record, item, label in zip(part, items, labels):
            wanted = Datum.FromString(record)
            assert not wanted.encoded
            assert item.shape == (wanted.channels, wanted.height, wanted.width)
            assert (item.dtype, item.tobytes(), label) == (np.uint8, wanted.data, wanted.label)


@st.composite
def odd(draw):
    """A record with any fields in any order, some twice, some unknown."""
    made = datum(draw(LABELS), draw(st.sampled_from([0, 11, 12, 13])), draw(st.integers(0, 255)))
    fields = [Datum(**{field.name: value}).SerializeToString() for field, value in made.ListFields()]
    more = [UNKNOWN, Datum(encoded=True), Datum(encoded=False), Datum(float_data=[1.5]), Datum(label=3), Datum(width=1)]
    for field in draw(st.lists(st.sampled_from(more), max_size=2)):
        fields.append(field if isinstance(field, bytes) else field.SerializeToString())
    return b"".join(draw(st.permutations(fields)))


def ordinary():
    return st.builds(lambda label, first: datum(label, 12, first).SerializeToString(), LABELS, st.integers(0, 255))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(ordinary(), ordinary(), ordinary(), odd()), min_size=4, max_size=24))
def test_what_is_read_at_once_is_what_is_read_one_by_one(records):
    check(records, batches(records))


@settings(max_examples=100, deadline=None)
@given(odd(), st.lists(LABELS, min_size=8, max_size=8))
def test_records_that_differ_only_in_their_labels(record, labels):
    """An odd record repeated: whatever its layout is, it is read right or left to protobuf."""
    records = [record] * 4 + [record + Datum(label=label).SerializeToString() for label in labels]
    check(records, batches(records))


@pytest.mark.parametrize("labels", [range(4), [127, 0, 1, 2], [128, 300, 16383, 200], [2**31 - 1] * 4])
def test_ordinary_ones_are_read_at_once(labels):
    records = [datum(label, 12, i).SerializeToString() for i, label in enumerate(labels)] * 3
    found = batches(records)
    assert all(isinstance(batch, tuple) for batch in found)
    check(records, found)


@pytest.mark.parametrize(
    "last",
    [
        datum(128).SerializeToString(),  # longer
        datum(5, 11).SerializeToString() + b"\x28",  # as long, cut off in the label
        Datum(channels=3, height=1, width=4, data=bytes(12), label=5).SerializeToString(),
        datum(5).SerializeToString()[:-2] + b"\x38\x01",  # encoded instead of the label
        datum(5).SerializeToString()[:-1] + b"\x85",  # a label that goes on
    ],
)
def test_one_that_is_laid_out_otherwise_is_left_to_protobuf(last):
    alike = [datum(label).SerializeToString() for label in range(4)]
    found = batches([*alike, *alike, *alike[:3], last])
    assert [isinstance(batch, tuple) for batch in found] == [True, True, False]
    assert found[2] == [*alike[:3], last]


@pytest.mark.parametrize(
    "record",
    [
        datum(-1).SerializeToString(),
        datum(0, 0).SerializeToString(),
        datum(0, 11).SerializeToString(),
        datum(0).SerializeToString() + UNKNOWN,
        datum(0).SerializeToString() + Datum(label=1).SerializeToString(),
        datum(0).SerializeToString()[:-2],  # without a label
        Datum(channels=3, height=2, width=2, data=bytes(12), encoded=True).SerializeToString(),
        # The label comes first; the data ends as if one followed it.
        b"\x28\x01" + Datum(channels=3, height=2, width=2, data=bytes(10) + b"\x28\x05").SerializeToString(),
        Datum(encoded=True, data=b"x" * 12, label=1).SerializeToString(),
        Datum(channels=3, height=2, width=2, float_data=[1] * 12, label=1).SerializeToString(),
    ],
)
def test_layouts_that_are_left_to_protobuf(record):
    assert batches([record] * 8) == [[record] * 4] * 2


def test_what_is_no_datum():
    with pytest.raises(ValueError, match="db has a record of 3 bytes that is no Datum"):
        batches([b"\xff\xff\xff"] * 4)


def test_large_batches_are_read_by_themselves(monkeypatch):
    monkeypatch.setattr(datums, "_AT_ONCE", 1)
    records = [datum(i).SerializeToString() for i in range(12)]
    found = batches(records)
    assert all(isinstance(batch, tuple) for batch in found)
    check(records, found)
