"""Rows of length 1: the gradient also of rows so short that their length is clipped."""

import numpy as np

from caffe_pylayers._layer.embeddings.cosines import unit_rows, unit_rows_backward


def test_a_clipped_length_is_a_constant():
    x = np.array([[3.0, 4.0], [3e-13, 0.0], [0.0, 0.0]])
    unit, lengths = unit_rows(np, x)
    np.testing.assert_allclose(unit, [[0.6, 0.8], [0.3, 0], [0, 0]])
    d_x = unit_rows_backward(unit, lengths, np.ones((3, 2)))
    np.testing.assert_allclose(d_x, [[0.032, -0.024], [1e12, 1e12], [1e12, 1e12]])
