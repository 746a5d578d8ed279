"""Learned blobs of Python layers: how they are filled, on both engines, and when they are not."""

import numpy as np
import pytest

from caffe_pylayers import _engine
from caffe_pylayers._layer.bases.learned import FILLERS, Filled, filled, learn
from caffe_pylayers.testing import LayerRun

SHAPE = (400, 50)


class Rows(Filled):
    """A learned blob (3, 2) as the top."""

    def setup(self, bottom, top):
        learn(self, self.filled(3, 2))

    def plan(self):
        return [(3, 2)]

    def forward(self, bottom, top):
        top[0].data[...] = self.blobs[0].data

    def backward(self, top, propagate_down, bottom):
        self.blobs[0].diff[...] += top[0].diff


@pytest.mark.parametrize(
    ("filler", "value", "low", "high", "deviation"),
    [
        ("constant", None, 0, 0, 0),
        ("constant", -2.5, -2.5, -2.5, 0),
        ("uniform", None, -1, 1, 3**-0.5),
        ("uniform", 0.1, -0.1, 0.1, 0.1 * 3**-0.5),
        ("gaussian", None, -0.06, 0.06, 0.01),
        ("gaussian", 2.0, -12, 12, 2),
        ("xavier", None, -((3 / 50) ** 0.5), (3 / 50) ** 0.5, 50**-0.5),
        ("msra", None, -1.2, 1.2, (2 / 50) ** 0.5),
    ],
)
def test_fillers_are_caffes(filler, value, low, high, deviation):
    values = filled(SHAPE, filler, value)
    assert values.min() >= low
    assert values.max() <= high
    np.testing.assert_allclose(values.std(), deviation, rtol=0.02)
    if deviation:
        assert values.max() > 0.9 * high or filler in ("gaussian", "msra")
        np.testing.assert_allclose(values.mean(), 0, atol=0.03 * deviation)


@pytest.mark.parametrize("filler", FILLERS)
def test_a_seed_is_a_value(filler):
    np.testing.assert_array_equal(filled(SHAPE, filler, 1.0, 5), filled(SHAPE, filler, 1.0, 5))
    assert (filler == "constant") == np.array_equal(filled(SHAPE, filler, 1.0, 5), filled(SHAPE, filler, 1.0, 6))


def test_parameters_reach_the_blob():
    run = LayerRun(Rows, [], param_str='{"filler": "gaussian", "filler_value": 3, "seed": 8}')
    np.testing.assert_array_equal(run.forward()[0], filled((3, 2), "gaussian", 3.0, 8))


NET = f"""
layer {{
  name: "rows" type: "Python" top: "rows" %s
  python_param {{ module: "{__name__}" layer: "Rows" }}
}}
"""


@pytest.fixture
def net(tmp_path):
    caffe = _engine.caffe() if _engine.available() else pytest.skip("no caffe here")

    def make(blobs=""):
        path = tmp_path / "net.prototxt"
        path.write_text(NET % blobs)
        return caffe.Net(str(path), caffe.TEST)

    return make


def test_a_net_has_the_same_numbers(net):
    np.testing.assert_allclose(net().forward()["rows"], filled((3, 2), "xavier"), rtol=1e-6)


def test_given_blobs_are_kept(net):
    given = "blobs { shape { dim: 3 dim: 2 } " + " ".join(f"data: {n}" for n in range(6)) + " }"
    np.testing.assert_array_equal(net(given).forward()["rows"], np.arange(6).reshape(3, 2))


def test_given_blobs_of_another_shape_are_refused(net):
    given = "blobs { shape { dim: 2 dim: 3 } " + " ".join(f"data: {n}" for n in range(6)) + " }"
    with pytest.raises(ValueError, match=r"^Rows: its learned blobs must have shapes \[\(3, 2\)\], got \[\(2, 3\)\]"):
        net(given)
