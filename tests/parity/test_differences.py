"""Where Caffe computes wrong values, as docs/differences.md says: its values, and the runtime's."""

import numpy as np
import pytest

from tests.parity import differences

runtime = pytest.importorskip("caffe_pylayers.runtime")

X = differences.VALUES

# By place and name: Caffe's values, and the right ones.
WANTED = {
    "flatten_after_reshape": {
        **{kind: (np.zeros_like(X), X + 1) for kind in ("Reshape", "Concat", "Slice")},
        "Flatten": (X + 1, X + 1),
    },
    "scale_in_place_backward_twice": {
        "once": ([28, 44, 60], [28, 44, 60]),
        "twice": ([84, 132, 180], [56, 88, 120]),  # 28 + 2 * 28: what the first backward computed, times d_y
    },
    "forward_from_past_a_split": {"before": (np.zeros_like(X), 2 * X), "after": (2 * X + 2, 2 * X + 2)},
}


@pytest.fixture(scope="module")
def recorded(record):
    return record(differences)


@pytest.mark.parametrize("place", differences.PLACES, ids=lambda place: place.__name__)
def test_real_caffe(recorded, place):
    for name, (caffes, _) in WANTED[place.__name__].items():
        np.testing.assert_array_equal(recorded[f"{place.__name__}/{name}"], caffes, err_msg=name)


@pytest.mark.parametrize("place", differences.PLACES, ids=lambda place: place.__name__)
def test_runtime(place):
    found = place(runtime)
    assert sorted(found) == sorted(WANTED[place.__name__])
    for name, (_, right) in WANTED[place.__name__].items():
        np.testing.assert_array_equal(found[name], right, err_msg=name)
