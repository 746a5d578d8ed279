"""Stored blobs and a net's: what Caffe copies, and what it ends the process over."""

import pytest

from caffe_pylayers import _engine
from caffe_pylayers._nets import stored
from caffe_pylayers._nets.stored import BlobShape, Learned


@pytest.mark.parametrize(
    ("dims", "legacy", "shape", "fits"),
    [
        ((3, 4), False, (3, 4), True),
        ((1, 1, 3, 4), False, (3, 4), False),
        ((1, 1, 3, 4), True, (3, 4), True),
        ((1, 1, 1, 4), True, (4,), True),
        ((1, 1, 1, 1), True, (), True),
        ((2, 1, 3, 4), True, (3, 4), False),
        ((1, 2, 3, 4), True, (1, 1, 2, 3, 4), False),
    ],
)
def test_fits(dims, legacy, shape, fits):
    assert BlobShape(dims, legacy).fits(shape) == fits


def test_one_old_field_makes_a_blob_an_old_one():
    blob = _engine.messages().BlobProto(height=3)
    blob.shape.dim.extend([5, 6])
    assert stored.blob_shape(blob) == ((0, 0, 3, 0), True)
    blob.ClearField("height")
    assert stored.blob_shape(blob) == ((5, 6), False)


OWN, SHARED = Learned((2, 3), False), Learned((2,), True)


@pytest.mark.parametrize(
    ("blobs", "learned", "hdf5", "message"),
    [
        ([(2, 3)], [OWN], False, ""),
        ([(2, 3)], [OWN, SHARED], True, ""),
        ([(2, 3)], [OWN, SHARED], False, 'layer "l" has 1 blobs, the net\'s 2'),
        ([], [OWN], True, 'layer "l" has 0 blobs, the net\'s 1'),
        ([(2, 3), (2,)], [OWN], True, 'layer "l" has 2 blobs, the net\'s 1'),
        ([(3, 2)], [OWN], True, 'layer "l", blob 0 has shape (3, 2), the net\'s (2, 3)'),
    ],
)
def test_misfit(blobs, learned, hdf5, message):
    assert stored.misfit("l", dict(enumerate(map(BlobShape, blobs))), learned, hdf5) == message


def test_history():
    assert stored.history_misfit([(1, 1, 2, 3), ()], [(2, 3), (1,)]) == ""
    assert stored.history_misfit([(2, 3)], []).startswith("holds 1 blobs of history, this solver 0; ")
    assert stored.history_misfit([(2, 3)], [(3, 2)]) == "history blob 0 has shape (2, 3), this solver's (3, 2)"
