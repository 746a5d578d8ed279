"""Triplets: losses against PyTorch's in float64, selections against loops, and what is refused."""

import itertools

import numpy as np
import pytest

from caffe_pylayers.testing import LayerRun
from caffe_pylayers.triplet import BatchTripletLoss, TripletLoss, TripletSelection

rng = np.random.RandomState(0)
A, P, N = rng.standard_normal((3, 7, 5))
X = rng.standard_normal((12, 4))
LABELS = np.array([3, 1, 3, 0, 1, 1, 2, 3, 0, 3, 9, 1])
G = 3.7


def text(**options):
    return repr(options)


# --- TripletLoss -------------------------------------------------------------------------------------


@pytest.mark.parametrize("margin", [0.1, 0.3, 2.0])
def test_euclidean_is_pytorchs(margin):
    torch = pytest.importorskip("torch")
    tensors = [torch.tensor(x, requires_grad=True) for x in (A, P, N)]
    loss = torch.nn.functional.triplet_margin_loss(*tensors, margin=margin, eps=0)
    loss.backward(torch.tensor(G, dtype=torch.float64))
    run = LayerRun(TripletLoss, [A, P, N], param_str=text(margin=margin, distance="euclidean"))
    np.testing.assert_allclose(run.forward()[0], [loss.item()], rtol=1e-12)
    for ours, theirs in zip(run.backward([G]), tensors):
        np.testing.assert_allclose(ours, theirs.grad.numpy(), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("squared", [False, True])
def test_weighted_against_autograd(soft, squared):
    torch = pytest.importorskip("torch")
    weights = rng.rand(7)
    tensors = [torch.tensor(x, requires_grad=True) for x in (A, P, N, weights)]
    a, p, n, w = tensors
    ap, an = ((a - p) ** 2).sum(1), ((a - n) ** 2).sum(1)
    difference = ap - an if squared else ap.sqrt() - an.sqrt()
    terms = torch.nn.functional.softplus(difference) if soft else (difference + 0.5).clamp(min=0)
    loss = (w * terms).sum() / 7
    loss.backward(torch.tensor(G, dtype=torch.float64))
    options = text(margin=0.5, soft_margin=soft, distance="squared" if squared else "euclidean")
    run = LayerRun(TripletLoss, [A, P, N, weights], param_str=options)
    np.testing.assert_allclose(run.forward()[0], [loss.item()], rtol=1e-12)
    for ours, theirs in zip(run.backward([G]), tensors):
        np.testing.assert_allclose(ours, theirs.grad.numpy(), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("how", "z"), [("batch", 3), ("full", 3), ("valid", 3), ("active", 2), ("none", 1)])
def test_normalization(how, z):
    zero, one, two = np.zeros((3, 1)), np.ones((3, 1)), np.array([[0.0], [1.0], [2.0]])
    # terms 0.5 + 1 - [0 1 4]: 1.5, 0.5, 0
    run = LayerRun(TripletLoss, [zero, one, two], param_str=text(margin=0.5, normalization=how))
    np.testing.assert_allclose(run.forward()[0], [2 / z])


def test_a_triplet_of_weight_0_may_hold_anything():
    x, weights = A.copy(), np.ones(7)
    x[2], weights[2] = np.nan, 0
    for distance in ("squared", "euclidean"):
        options = text(distance=distance, normalization="valid")
        run = LayerRun(TripletLoss, [x, P, N, weights], param_str=options)
        kept = weights == 1
        rest = LayerRun(TripletLoss, [A[kept], P[kept], N[kept]], param_str=text(distance=distance))
        np.testing.assert_allclose(run.forward()[0], rest.forward()[0])
        for ours, theirs in zip(run.backward([G])[:3], rest.backward([G])):
            np.testing.assert_allclose(ours[kept], theirs)
            np.testing.assert_array_equal(ours[2], np.zeros(5))


def test_a_triplet_of_weight_0_is_not_active():
    anchors, weights = [[0.0], [0.0], [np.nan]], [1, 1, 0]
    run = LayerRun(
        TripletLoss, [anchors, [[1.0]] * 3, [[1.0], [9.0], [1.0]], weights], param_str=text(normalization="active")
    )
    np.testing.assert_allclose(run.forward()[0], [0.2])  # of the first alone


def test_half_of_it_is_the_forks():
    whole, half = (
        LayerRun(TripletLoss, [A, P, N], param_str=str({"margin": 9, "half": half})) for half in (False, True)
    )
    assert half.forward()[0].item() == pytest.approx(whole.forward()[0].item() / 2)
    np.testing.assert_allclose(half.backward([1])[1], (P - A) / len(A))


def test_equal_points_have_no_gradient_of_their_distance():
    run = LayerRun(TripletLoss, [A, A, A], param_str=text(distance="euclidean"))
    np.testing.assert_allclose(run.forward()[0], [0.2])
    for gradient in run.backward([1]):
        np.testing.assert_array_equal(gradient, np.zeros_like(A))


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (
            [(4, 3), (4, 2), (4, 3)],
            r"bottom\[1\] \(positives\) must have the shape of bottom\[0\] .* \(4, 3\), got \(4, 2\)",
        ),
        ([(4, 3), (4, 3), (3, 3)], r"bottom\[2\] \(negatives\) must have the shape .* got \(3, 3\)"),
        ([(4, 3), (4, 3), (4, 3), (3,)], r"bottom\[3\] \(weights\) must have the shape of .* \(4,\)"),
        ([(), (), ()], r"bottom\[0\] \(anchors\) must have an axis of samples, got shape \(\)"),
    ],
)
def test_refused_shapes(shapes, message):
    with pytest.raises(ValueError, match=f"^TripletLoss: .*{message}"):
        LayerRun(TripletLoss, [np.zeros(shape) for shape in shapes])


# --- TripletSelection --------------------------------------------------------------------------------


def squares(x):
    return ((x[:, None] - x[None]) ** 2).sum(-1)


def triplets_by_loops(strategy, x, labels):
    """The docstring's words, one triplet after the other."""
    d, n = squares(x), len(x)
    found = []
    for a in range(n):
        negatives = [k for k in range(n) if labels[k] != labels[a]]
        positives = [k for k in range(n) if labels[k] == labels[a] and k != a]
        if not negatives or not positives:
            continue
        nearest = min(negatives, key=lambda k: d[a, k])
        if strategy == "batch_hard":
            found.append((a, max(positives, key=lambda k: d[a, k]), nearest))
            continue
        for p in positives:
            farther = [k for k in negatives if d[a, k] > d[a, p]]
            farthest = max(negatives, key=lambda k: d[a, k])
            chosen = {
                "all": negatives,
                "hard": [nearest],
                "semi_hard": [min(farther, key=lambda k: d[a, k]) if farther else farthest],
                "only_semi_hard": sorted(farther, key=lambda k: d[a, k])[:1],
            }[strategy]
            found += [(a, p, k) for k in chosen]
    return np.array(found).reshape(-1, 3)


STRATEGIES = ("all", "hard", "semi_hard", "only_semi_hard", "batch_hard")
TIES = np.round(X[:8])  # whole numbers, whose mean is exact too
BATCHES = [(X, LABELS), (TIES, LABELS[:8]), (X[:5], LABELS[:5]), (X, LABELS % 2)]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("batch", range(len(BATCHES)))
def test_the_triplets_are_those_of_loops(strategy, batch):
    x, labels = BATCHES[batch]
    expected = triplets_by_loops(strategy, x, labels)
    run = LayerRun(TripletSelection, [x, labels], param_str=text(strategy=strategy), tops=4)
    *tops, is_triplet = run.forward()
    for i in range(3):
        np.testing.assert_array_equal(tops[i], x[expected[:, i]])
    np.testing.assert_array_equal(is_triplet, np.ones(len(expected)))


def test_a_margin_keeps_those_within_it():
    expected = triplets_by_loops("all", X, LABELS)
    d = np.sqrt(squares(X))
    ap, an = (d[expected[:, 0], expected[:, i]] for i in (1, 2))
    options = text(strategy="all", margin=0.3, distance="euclidean")
    run = LayerRun(TripletSelection, [X, LABELS], param_str=options, tops=3)
    np.testing.assert_array_equal(run.forward()[2], X[expected[an < ap + 0.3][:, 2]])


def test_gradients_flow_back_to_each_row():
    run = LayerRun(TripletSelection, [X, LABELS], param_str=text(strategy="semi_hard"), tops=3)
    shape = run.forward()[0].shape
    diffs = rng.standard_normal((3, *shape))
    expected = np.zeros_like(X)
    for i, rows in enumerate(triplets_by_loops("semi_hard", X, LABELS).T):
        for row, diff in zip(rows, diffs[i]):
            expected[row] += diff
    np.testing.assert_allclose(run.backward(diffs)[0], expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("labels", [np.zeros(12), np.arange(12)])
def test_a_batch_without_triplets_is_harmless(labels):
    run = LayerRun(TripletSelection, [X, labels], tops=4)
    tops = [top.copy() for top in run.forward()]
    for top in tops:
        np.testing.assert_array_equal(top, np.zeros((1, 4) if top.ndim > 1 else 1))
    np.testing.assert_array_equal(run.backward([1, 1, 1, 1])[0], np.zeros_like(X))
    loss = LayerRun(TripletLoss, tops, param_str=text(normalization="valid", distance="euclidean"))
    assert loss.forward()[0] == 0
    for gradient in loss.backward([1])[:3]:
        np.testing.assert_array_equal(gradient, np.zeros((1, 4)))


def test_the_number_of_triplets_follows_the_batch():
    run = LayerRun(TripletSelection, [X, LABELS], param_str=text(strategy="all"), tops=3)
    first = len(run.forward()[0])
    run.bottom[1].data[...] = 0
    assert len(run.forward()[0]) == 1
    run.bottom[1].data[...] = LABELS
    assert len(run.forward()[0]) == first == len(triplets_by_loops("all", X, LABELS))


# --- BatchTripletLoss --------------------------------------------------------------------------------


HINGES = [(s, d, False) for s in STRATEGIES for d in ("squared", "euclidean")]
SOFT = [(strategy, "euclidean", True) for strategy in STRATEGIES if strategy != "all"]


@pytest.mark.parametrize(("strategy", "distance", "soft"), HINGES + SOFT)
@pytest.mark.parametrize("how", ["batch", "full", "active", "none"])
def test_against_autograd_of_the_triplets(strategy, distance, soft, how):
    torch = pytest.importorskip("torch")
    a, p, n = triplets_by_loops(strategy, X, LABELS).T
    x = torch.tensor(X, requires_grad=True)
    ap, an = ((x[a] - x[p]) ** 2).sum(1), ((x[a] - x[n]) ** 2).sum(1)
    difference = ap - an if distance == "squared" else ap.sqrt() - an.sqrt()
    terms = torch.nn.functional.softplus(difference) if soft else (difference + 0.7).clamp(min=0)
    loss = terms.sum() / {"batch": 12, "full": len(a), "active": int((terms > 0).sum()), "none": 1}[how]
    loss.backward(torch.tensor(G, dtype=torch.float64))
    options = text(strategy=strategy, distance=distance, soft_margin=soft, margin=0.7, normalization=how)
    run = LayerRun(BatchTripletLoss, [X, LABELS], param_str=options)
    np.testing.assert_allclose(run.forward()[0], [loss.item()], rtol=1e-10)
    np.testing.assert_allclose(run.backward([G])[0], x.grad.numpy(), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_is_the_loss_of_the_selection(strategy):
    selection = LayerRun(TripletSelection, [X, LABELS], param_str=text(strategy=strategy), tops=3)
    loss = LayerRun(TripletLoss, selection.forward(), param_str=text(margin=0.4))
    both = LayerRun(BatchTripletLoss, [X, LABELS], param_str=text(strategy=strategy, margin=0.4))
    np.testing.assert_allclose(both.forward()[0], loss.forward()[0], rtol=1e-10)
    through = selection.backward(loss.backward([G]))[0]
    np.testing.assert_allclose(both.backward([G])[0], through, rtol=1e-8, atol=1e-10)


def test_ties_of_all_triplets():
    """On whole numbers many terms are exactly at the hinge's corner, where they count as 0."""
    labels, margin = LABELS[:8], 1.0
    d = squares(TIES)
    active = sum(
        margin + d[a, p] - d[a, n] > 0
        for a, p, n in itertools.product(range(8), repeat=3)
        if a != p and labels[a] == labels[p] != labels[n]
    )
    mean, total = (
        LayerRun(BatchTripletLoss, [TIES, labels], param_str=text(strategy="all", margin=margin, normalization=how))
        for how in ("active", "none")
    )
    np.testing.assert_allclose(mean.forward()[0] * active, total.forward()[0])


def test_a_far_common_part_costs_no_digits():
    """In float32, at a distance of 1000, the loss of differences of 1."""
    near = LayerRun(BatchTripletLoss, [X, LABELS], dtype=np.float32, param_str=text(margin=1))
    far = LayerRun(BatchTripletLoss, [X + 1000, LABELS], dtype=np.float32, param_str=text(margin=1))
    np.testing.assert_allclose(far.forward()[0], near.forward()[0], rtol=1e-3)


def test_a_collapsed_batch_has_the_margin_and_no_gradient():
    run = LayerRun(BatchTripletLoss, [0 * X + 7.3, LABELS], param_str=text(distance="euclidean"), dtype=np.float32)
    np.testing.assert_allclose(run.forward()[0], [0.2], rtol=1e-6)
    np.testing.assert_array_equal(run.backward([1])[0], 0 * X)


def test_refused():
    with pytest.raises(ValueError, match="BatchTripletLoss: soft_margin needs one negative for each pair"):
        LayerRun(BatchTripletLoss, [X, LABELS], param_str=text(strategy="all", soft_margin=True))
    for layer, tops in ((BatchTripletLoss, 1), (TripletSelection, 3)):
        x, labels = X.copy(), LABELS.astype(float)
        x[3, 1], labels[3] = np.inf, np.nan
        with pytest.raises(ValueError, match=r"bottom\[0\] \(features\) must .*, got inf at index \(3, 1\)"):
            LayerRun(layer, [x, LABELS], tops=tops).forward()
        with pytest.raises(ValueError, match=r"bottom\[1\] \(labels\) must be finite, got nan at index 3"):
            LayerRun(layer, [X, labels], tops=tops).forward()
    with pytest.raises(ValueError, match=r"bottom\[1\] \(labels\) must have shape \(12,\), one label for each"):
        LayerRun(BatchTripletLoss, [X, LABELS[:5]])
