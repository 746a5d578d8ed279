"""Softmax and sigmoid beside SciPy's, from numbers at which a plain formula overflows."""

import numpy as np
import pytest

from caffe_pylayers._layer import arrays
from caffe_pylayers._layer.functions.sigmoid import sigmoid, softplus
from caffe_pylayers._layer.functions.softmax import (
    label_backward,
    log_cumulative_sum_exp,
    log_softmax,
    scratch_of,
    softmax_backward,
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
    log_softmax(arrays.namespace(scores), scores, axis, out, scratch_of(scores))
    np.testing.assert_allclose(arrays.to_numpy(out), special.log_softmax(SCORES, axis), rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(arrays.to_numpy(scores), SCORES)


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


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_agree(kind):
    """That of the label's log-probability, and that of the softmax for 1 / p at the label."""
    scores, labels = array(kind, SCORES[:3]), array(kind, rng.randint(0, 5, (3, 1, 2)))
    xp = arrays.namespace(scores)
    log_p, d_scores = xp.empty_like(scores), xp.empty_like(scores)
    log_softmax(xp, scores, 1, log_p, scratch_of(scores))
    label_backward(xp, log_p, labels, 2.0, 1, d_scores)
    p, d_p = xp.exp(log_p), xp.zeros_like(scores)
    arrays.put_along(d_p, labels, 2 / arrays.take_along(p, labels, 1), 1)
    np.testing.assert_allclose(arrays.to_numpy(d_scores), arrays.to_numpy(softmax_backward(xp, p, d_p, 1)), rtol=1e-12)
