"""Vectors of length 1: no direction and no gradient for those that are too short for one."""

import numpy as np
import pytest

from caffe_pylayers._layer.embeddings.cosines import sines_between, unit_vectors, unit_vectors_backward


def test_a_vector_too_short_has_no_direction():
    x = np.array([[3.0, 4.0], [3e-13, 0.0], [0.0, 0.0]])
    unit, lengths = unit_vectors(np, x)
    np.testing.assert_allclose(unit, [[0.6, 0.8], [0, 0], [0, 0]])
    d_x = unit_vectors_backward(np, x, lengths, np.ones((3, 2)))
    np.testing.assert_allclose(d_x, [[0.032, -0.024], [0, 0], [0, 0]])


def test_along_any_axis_and_into_given_memory():
    x = np.random.RandomState(0).randn(2, 3, 4)
    for axis in range(3):
        out = np.empty_like(x)
        unit, lengths = unit_vectors(np, x, axis, out=out)
        assert unit is out
        assert lengths.shape == tuple(1 if i == axis else n for i, n in enumerate(x.shape))
        np.testing.assert_allclose((unit**2).sum(axis), 1)


def test_sines_of_small_angles_have_their_digits():
    angle = np.array([1e-9, 0.5, np.pi / 2])
    units = np.stack([np.cos(angle), np.sin(angle)], 1)
    assert sines_between(np, units, np.array([[1.0, 0.0]])).ravel() == pytest.approx(np.sin(angle), rel=1e-12)
