"""Fillers: ranges, moments and distributions of their values, and their refusals."""

import math

import numpy as np
import pytest

from caffe_pylayers.runtime import rng
from caffe_pylayers.runtime.layers.fillers import FILLERS, fill
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.proto.caffe_pb2 import FillerParameter

FAN_IN, FAN_OUT, AVERAGE = 0, 1, 2


@pytest.fixture(autouse=True)
def _seeded():
    rng.seed(1701)


def filled(*shape, **facts):
    blob = Blob(shape)
    fill(blob, FillerParameter(**facts))
    return blob.data


def distance(values, cdf):
    """The largest distance between the values' distribution and cdf, in units of its 0.1 % critical value."""
    ordered = np.sort(values.ravel().astype(np.float64))
    wanted = np.array([cdf(x) for x in ordered])
    steps = np.arange(ordered.size + 1) / ordered.size
    largest = max((steps[1:] - wanted).max(), (wanted - steps[:-1]).max())
    return largest * math.sqrt(ordered.size) / 1.95


def is_uniform(values, low, high):
    assert values.min() >= low
    assert values.max() <= high
    return distance(values, lambda x: (x - low) / (high - low)) < 1


def is_normal(values, mean, std):
    return distance(values, lambda x: (1 + math.erf((x - mean) / std / math.sqrt(2))) / 2) < 1


def test_all_of_caffes_are_there():
    assert FILLERS.names() == ["bilinear", "constant", "gaussian", "msra", "positive_unitball", "uniform", "xavier"]


def test_constant():
    assert (filled(3, 4) == 0).all()
    assert (filled(3, 4, type="constant", value=-2.5) == np.float32(-2.5)).all()


def test_uniform():
    assert is_uniform(filled(20, 30, 5, type="uniform"), 0, 1)
    assert is_uniform(filled(3000, type="uniform", min=-3, max=2), -3, 2)
    assert (filled(9, type="uniform", min=2, max=2) == 2).all()


def test_gaussian():
    assert is_normal(filled(20, 30, 5, type="gaussian"), 0, 1)
    assert is_normal(filled(3000, type="gaussian", mean=5, std=0.1), 5, 0.1)


@pytest.mark.parametrize(("sparse", "kept"), [(0, 0), (5, 0.25), (20, 1)])
def test_sparse_gaussian(sparse, kept):
    values = filled(20, 300, type="gaussian", std=2, sparse=sparse)
    assert abs((values != 0).mean() - kept) < 0.03
    if kept:
        assert is_normal(values[values != 0], 0, 2)


def test_positive_unitball():
    values = filled(6, 5, 40, type="positive_unitball")
    assert (values > 0).all()
    np.testing.assert_allclose(values.reshape(6, -1).sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("shape", "norm", "n"),
    [
        ((20, 30, 3, 2), FAN_IN, 180),
        ((20, 30, 3, 2), FAN_OUT, 120),
        ((20, 30, 3, 2), AVERAGE, 150),
        ((40, 100), FAN_IN, 100),
        ((40, 100), FAN_OUT, 40),
        ((40, 100), AVERAGE, 70),
        ((4000,), FAN_IN, 1),
        ((4000,), FAN_OUT, 4000),
        ((10, 5, 2, 7, 3, 2), FAN_OUT, 840),
    ],
)
def test_fans(shape, norm, n):
    """Caffe's count of inputs and outputs, for any number of axes."""
    bound = math.sqrt(3 / n)
    assert is_uniform(filled(*shape, type="xavier", variance_norm=norm), -np.float32(bound), np.float32(bound))
    assert is_normal(filled(*shape, type="msra", variance_norm=norm), 0, math.sqrt(2 / n))


def test_bilinear_of_a_factor():
    for factor in (2, 3, 4):
        size = 2 * factor - factor % 2
        kernel = filled(2, 3, size, size, type="bilinear")
        assert (kernel == kernel[0, 0]).all()
        np.testing.assert_allclose(kernel[0, 0].sum(), factor**2, rtol=1e-5)
    np.testing.assert_allclose(filled(1, 1, 4, 4, type="bilinear")[0, 0, 1], [0.1875, 0.5625, 0.5625, 0.1875])


def test_a_seed_repeats():
    for kind in FILLERS.names():
        once, again = (rng.seed(7) or filled(4, 3, 5, 5, type=kind).copy() for _ in range(2))
        assert (once == again).all()
    assert (filled(50, type="gaussian") != filled(50, type="gaussian")).any()


@pytest.mark.parametrize(
    ("shape", "facts", "message"),
    [
        ((3,), {"type": "xaver"}, r"unknown filler \"xaver\" \(did you mean xavier\?\); known: bilinear, .*"),
        ((3, 0), {"type": "constant"}, r"constant filler: the blob of shape \(3, 0\) has no values"),
        ((3,), {"type": "uniform", "sparse": 2}, "uniform filler: only gaussian can be sparse, got sparse 2"),
        ((3,), {"type": "uniform", "min": 2}, "uniform filler: min must not exceed max, .* got min 2 and max 1"),
        ((3,), {"type": "gaussian", "std": 0}, "gaussian filler: std must be positive, got 0"),
        ((3,), {"type": "gaussian", "std": math.nan}, "gaussian filler: std must be positive, got nan"),
        ((3,), {"type": "gaussian", "sparse": 4}, r"gaussian filler: sparse must be -1 or in \[0, 3\], got 4"),
        ((3,), {"type": "gaussian", "sparse": -2}, r"gaussian filler: sparse must be -1 or in \[0, 3\], got -2"),
        ((), {"type": "gaussian", "sparse": 1}, "gaussian filler: a sparse blob must have an axis, got a scalar"),
        ((), {"type": "xavier"}, "xavier filler: the blob must have an axis, got a scalar"),
        ((3, 3), {"type": "bilinear"}, r"bilinear filler: the blob must have 4 axes .* got \(3, 3\)"),
        ((1, 1, 3, 4), {"type": "bilinear"}, r"bilinear filler: .* a square kernel, got \(1, 1, 3, 4\)"),
    ],
)
def test_refused(shape, facts, message):
    blob = Blob(shape) if shape else scalar()
    with pytest.raises(ValueError, match=f"^{message}$"):
        fill(blob, FillerParameter(**facts))


def scalar():
    blob = Blob((1,))
    blob.reshape()
    return blob
