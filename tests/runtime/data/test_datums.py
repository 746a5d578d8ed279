"""Raw Datum stacked, beside each read by itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caffe_pylayers.runtime.data import datums
from caffe_pylayers.runtime.proto.caffe_pb2 import Datum

SHAPES = st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(1, 3))


@st.composite
def datum(draw, shape):
    """One of this shape or, rarely, of another; raw, of floats, encoded, or with more or less data than it needs."""
    channels, height, width = shape if draw(st.integers(0, 9)) else draw(SHAPES)
    count = channels * height * width + draw(st.sampled_from([0, 0, 0, 0, 0, 1, -1]))
    made = Datum(channels=channels, height=height, width=width, label=draw(st.integers(-(2**31), 2**31 - 1)))
    kind = draw(st.sampled_from(["data", "data", "data", "data", "float_data", "encoded"]))
    if kind == "float_data":
        made.float_data.extend([1.5] * max(count, 0))
    else:
        made.data, made.encoded = draw(st.binary(min_size=max(count, 0), max_size=max(count, 0))), kind == "encoded"
    return made


@settings(max_examples=500, deadline=None)
@given(SHAPES.flatmap(lambda shape: st.lists(datum(shape), min_size=1, max_size=5)))
def test_stacked_only_where_all_are_raw_and_of_one_shape(made):
    found = datums.stack(made)
    shapes = {(each.channels, each.height, each.width) for each in made}
    raw = all(len(each.data) == np.prod(shape) > 0 and not each.encoded for each in made for shape in shapes)
    assert (found is not None) == (len(shapes) == 1 and raw)
    if found is not None:
        assert (found.dtype, found.shape) == (np.uint8, (len(made), *shapes.pop()))
        assert [item.tobytes() for item in found] == [each.data for each in made]


def test_what_is_no_datum():
    with pytest.raises(ValueError, match="db has a record of 3 bytes that is no Datum"):
        datums.read(b"\xff\xff\xff", "db")
