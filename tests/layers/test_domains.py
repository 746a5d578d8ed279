"""Domain adaptation: the papers' formulas with PyTorch's gradients, Xlearn's by its own loop, and what is refused."""

import math

import numpy as np
import pytest

from caffe_pylayers.domains import EntropyLoss, JMMDLoss, MMDLoss, pair_weights
from caffe_pylayers.testing import LayerRun
from tests.layers.cases.domains import p, predictions, source, target


def kernel(torch, x, y, gamma, factors):
    """Return k of all rows of x with those of y, (N, M)."""
    squares = ((x[:, None] - y[None]) ** 2).sum(2)
    return sum(torch.exp(-gamma * factor * squares) for factor in factors)


def estimate(ss, tt, st):
    n, m = len(ss), len(tt)
    others = (ss.sum() - ss.trace()) / (n * (n - 1)) + (tt.sum() - tt.trace()) / (m * (m - 1))
    return others - 2 * st.mean()


def mean_square(torch, x, y):
    both = torch.cat([x, y])
    return ((both[:, None] - both[None]) ** 2).sum() / (len(both) * (len(both) - 1))


@pytest.mark.parametrize("joint", [False, True])
def test_the_papers_formulas(joint):
    torch = pytest.importorskip("torch")
    arrays = [source, target, *predictions][: 4 if joint else 2]
    given = [torch.tensor(x, requires_grad=True) for x in arrays]
    found = [1, 1, 1]
    for s, t in zip(given[::2], given[1::2]):
        gamma = 1 / mean_square(torch, s, t)
        factors = [0.25, 0.5, 1, 2, 4]
        found = [k * kernel(torch, *pair, gamma, factors) for k, pair in zip(found, ((s, s), (t, t), (s, t)))]
    loss = estimate(*found)
    loss.backward()
    run = LayerRun(JMMDLoss if joint else MMDLoss, arrays, param_str="pairs: all")
    assert run.forward()[0][0] == pytest.approx(loss.item(), rel=1e-12)
    for ours, theirs in zip(run.backward([2]), given):
        np.testing.assert_allclose(ours, 2 * theirs.grad, rtol=1e-9, atol=1e-12)


def test_drawn_pairs_have_the_mean_of_all():
    drawn = np.random.default_rng(1)
    mean = np.mean([pair_weights(3, 5, drawn) for _ in range(4000)], 0)
    every = pair_weights(3, 5)
    assert mean + mean.T == pytest.approx(every + every.T, abs=0.02)
    assert not np.diag(mean).any()
    assert not pair_weights(1, 5).any()


def test_xlearns_gradient_of_four_samples():
    """One pair of each domain, whatever is drawn: two s and two t, each with the other."""
    s, t = source[:2], target[:2]
    both = np.concatenate([s, t])
    gamma = 12 / ((both[:, None] - both[None]) ** 2).sum()
    run = LayerRun(MMDLoss, [s, t], param_str="{legacy_gradient: true, seed: 7}")
    (loss,) = run.forward()
    w = pair_weights(2, 2, np.random.default_rng(7))
    expected, value = np.zeros((4, 3)), 0
    for i, j in zip(*np.nonzero(w)):
        for factor in (0.25, 0.5, 1, 2, 4):
            k = math.exp(-gamma * factor * ((both[i] - both[j]) ** 2).sum())
            value += w[i, j] * k
            step = -2 * gamma * factor * k * w[i, j] * (both[i] - both[j])
            expected[i] += step
            expected[j] -= step
    assert loss[0] == pytest.approx(value)
    np.testing.assert_allclose(np.concatenate(run.backward([1])), expected, rtol=1e-9)


def test_xlearns_gradient_of_predictions():
    """Of several kernels each has sigma's: h' = -h / sigma."""
    text = "{legacy_gradient: true, pairs: all, sigma: 0.5, gamma: 1, kernel_num: 1, label_kernel_num: 3}"
    given = [source[:2], target[:2], predictions[0][:2], predictions[1][:2]]
    run = LayerRun(JMMDLoss, given, param_str=text)
    run.forward()
    found = np.concatenate(run.backward([1])[2:])
    x, y, w = np.concatenate(given[:2]), np.concatenate(given[2:]), pair_weights(2, 2)
    expected = np.zeros_like(y)
    for i, j in np.ndindex(4, 4):
        square = ((y[i] - y[j]) ** 2).sum()
        h = sum(math.exp(-square / sigma) for sigma in (0.25, 0.5, 1))
        step = 2 * w[i, j] * math.exp(-((x[i] - x[j]) ** 2).sum()) * -h / 0.5 * (y[i] - y[j])
        expected[i] += step
        expected[j] -= step
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_gamma_of_the_first_batch():
    run = LayerRun(MMDLoss, [source, target], param_str="{pairs: all, fix_gamma: true}")
    first = run.forward()[0].copy()
    run.bottom[0].data[...] *= 3
    run.bottom[1].data[...] *= 3
    assert run.forward()[0] != pytest.approx(first)
    again = LayerRun(MMDLoss, [source, target], param_str="pairs: all")
    again.bottom[0].data[...] *= 3
    again.bottom[1].data[...] *= 3
    assert again.forward()[0] == pytest.approx(first)  # the distances are relative to their mean


def test_entropy_by_scipy():
    special = pytest.importorskip("scipy.special")
    run = LayerRun(EntropyLoss, [p])
    assert run.forward()[0][0] == pytest.approx(special.entr(p).sum(1).mean())
    np.testing.assert_allclose(run.backward([2])[0], -2 * (1 + np.log(p)) / 5)


def test_entropy_begins_later():
    run = LayerRun(EntropyLoss, [p], param_str="threshold_iter: 1")
    assert run.forward()[0][0] == 0
    assert not run.backward([1])[0].any()
    assert run.forward()[0][0] > 0
    assert run.backward([1])[0].any()
    resumed = LayerRun(EntropyLoss, [p], param_str="{threshold_iter: 1000, start_iter: 1000}")
    assert resumed.forward()[0][0] > 0


@pytest.mark.parametrize(
    ("layer", "bottoms", "message"),
    [
        (MMDLoss, [source, target[:, :2]], r"got shapes \(4, 3\) and \(6, 2\)"),
        (JMMDLoss, [source, target, predictions[1], predictions[1]], r"bottom\[2\] and bottom\[3\] must be"),
        (EntropyLoss, [p[0]], r"\(N, C, ...\), got \(4,\)"),
    ],
)
def test_what_is_refused(layer, bottoms, message):
    with pytest.raises(ValueError, match=f"^{layer.__name__}: .*{message}"):
        LayerRun(layer, bottoms)
