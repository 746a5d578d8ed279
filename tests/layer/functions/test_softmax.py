"""Softmax and sigmoid beside SciPy's, from numbers at which a plain formula overflows."""

import numpy as np
import pytest

from caffe_pylayers._layer import arrays
from caffe_pylayers._layer.functions.log_sum_exp import NOTHING, log_cumulative_sum_exp, log_sum_exp
from caffe_pylayers._layer.functions.maxima import largest, positive_part
from caffe_pylayers._layer.functions.sigmoid import sigmoid, sigmoid_and_softplus, softplus
from caffe_pylayers._layer.functions.softmax import (
    label_backward,
    log_softmax,
    softmax,
    softmax_backward,
    softmax_buffer,
)

KINDS = ["numpy", "torch"]
rng = np.random.RandomState(0)
SCORES = np.concatenate([rng.standard_normal((3, 5, 2)), 1e4 * rng.standard_normal((1, 5, 2)), np.zeros((1, 5, 2))])


def array(kind, values):
    return np.array(values) if kind == "numpy" else pytest.importorskip("torch").tensor(values)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_log_softmax(kind, axis):
    special = pytest.importorskip("scipy.special")
    scores = array(kind, SCORES)
    out = arrays.namespace(scores).empty_like(scores)
    log_softmax(arrays.namespace(scores), scores, axis, out, softmax_buffer(scores))
    np.testing.assert_allclose(arrays.to_numpy(out), special.log_softmax(SCORES, axis), rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(arrays.to_numpy(scores), SCORES)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_maxima_by_bits(dtype):
    values = np.concatenate([SCORES, -np.abs(SCORES), [[[-np.inf, np.inf]] * 5, [[-0.0, 0.0]] * 5]]).astype(dtype)
    np.testing.assert_array_equal(positive_part(values), np.maximum(values, 0))
    for axis in (0, 1, 2, -1):
        np.testing.assert_array_equal(largest(values, axis), np.amax(values, axis, keepdims=True))
    strided = values[:, ::2].swapaxes(0, 2)
    np.testing.assert_array_equal(largest(strided, 1), np.amax(strided, 1, keepdims=True))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_softmax_and_its_gradient_in_place(kind, axis):
    special = pytest.importorskip("scipy.special")
    p, d = array(kind, SCORES.copy()), array(kind, rng.standard_normal(SCORES.shape))
    xp = arrays.namespace(p)
    softmax(xp, p, axis, p)
    np.testing.assert_allclose(arrays.to_numpy(p), special.softmax(SCORES, axis), rtol=1e-12, atol=1e-300)
    expected = arrays.to_numpy(softmax_backward(xp, p, d, axis))
    softmax_backward(xp, p, d, axis, d, xp.empty_like(p))
    np.testing.assert_array_equal(arrays.to_numpy(d), expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("axis", "keepdims"), [(0, False), (1, True), ((0, 2), False), ((1, 2), True)])
def test_log_sum_exp(kind, axis, keepdims):
    special = pytest.importorskip("scipy.special")
    values = array(kind, SCORES)
    found = log_sum_exp(arrays.namespace(values), values, axis, keepdims)
    expected = special.logsumexp(SCORES, axis, keepdims=keepdims)
    np.testing.assert_allclose(arrays.to_numpy(found), expected, rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_sums_of_nothing(kind):
    values = array(kind, np.array([[NOTHING, 1.0, NOTHING], [NOTHING] * 3]))
    xp = arrays.namespace(values)
    np.testing.assert_allclose(arrays.to_numpy(log_sum_exp(xp, values)), [1, NOTHING])
    np.testing.assert_array_equal(arrays.to_numpy(log_sum_exp(xp, values[:, :0])), [NOTHING] * 2)


@pytest.mark.parametrize("kind", KINDS)
def test_log_of_cumulative_sums(kind):
    special = pytest.importorskip("scipy.special")
    values = array(kind, SCORES)
    found = arrays.to_numpy(log_cumulative_sum_exp(arrays.namespace(values), values, 1))
    for i in range(SCORES.shape[1]):
        np.testing.assert_allclose(found[:, i], special.logsumexp(SCORES[:, : i + 1], 1), rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_sigmoid_and_softplus(kind):
    special = pytest.importorskip("scipy.special")
    scores = np.array([0, 1, -1, 30, -30, 60, -60, 700, -700, 1e4, -1e4])
    given = array(kind, scores)
    out = arrays.namespace(given).empty_like(given)
    sigmoid(arrays.namespace(given), given, out)
    np.testing.assert_allclose(arrays.to_numpy(out), special.expit(scores), rtol=1e-13)
    plus = arrays.to_numpy(softplus(arrays.namespace(given), given))
    np.testing.assert_allclose(plus, np.logaddexp(0, scores), rtol=1e-13)
    for together, alone in zip(sigmoid_and_softplus(arrays.namespace(given), given), (out, plus)):
        np.testing.assert_allclose(arrays.to_numpy(together), arrays.to_numpy(alone), rtol=1e-13)


@pytest.mark.parametrize("kind", KINDS)
def test_softplus_has_all_digits_of_float32_and_takes_infinity(kind):
    scores = np.concatenate([np.linspace(-80, 80, 100001), [np.inf, -np.inf]]).astype(np.float32)
    given = array(kind, scores)
    plus = arrays.to_numpy(softplus(arrays.namespace(given), given))
    np.testing.assert_allclose(plus, np.logaddexp(0, np.float64(scores)), rtol=5e-7)
    assert np.isnan(arrays.to_numpy(softplus(arrays.namespace(given), given * np.nan))).all()


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_agree(kind):
    """That of the label's log-probability, and that of the softmax for 1 / p at the label."""
    scores, labels = array(kind, SCORES[:3]), array(kind, rng.randint(0, 5, (3, 1, 2)))
    xp = arrays.namespace(scores)
    log_p, d_scores = xp.empty_like(scores), xp.empty_like(scores)
    log_softmax(xp, scores, 1, log_p, softmax_buffer(scores))
    label_backward(xp, log_p, labels, 2.0, 1, d_scores)
    p, d_p = xp.exp(log_p), xp.zeros_like(scores)
    arrays.put_along(d_p, labels, 2 / arrays.take_along(p, labels, 1), 1)
    np.testing.assert_allclose(arrays.to_numpy(d_scores), arrays.to_numpy(softmax_backward(xp, p, d_p, 1)), rtol=1e-12)
