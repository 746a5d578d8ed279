"""Distances from the vectors of classes and the losses on them: against autograd in float64, by hand, and refusals."""

import numpy as np
import pytest

from caffe_pylayers.class_distances import ClassContrastiveLoss, ClassTripletLoss, InnerDistance
from caffe_pylayers.testing import LayerRun

rng = np.random.RandomState(5)
X, W = rng.standard_normal((7, 3)), rng.standard_normal((4, 3))
D = rng.uniform(0.1, 2.9, (7, 4))
LABELS = np.array([0, 1, 0, 3, 1, 2, 2])
V = rng.rand(7)
G = 3.7


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("center_only", [False, True])
def test_distances_against_autograd(p, center_only):
    torch = pytest.importorskip("torch")
    x, w = (torch.tensor(a, requires_grad=True) for a in (X, W))
    d = rng.standard_normal((7, 4))
    expected = ((x[:, None] - w[None]).abs() ** p).sum(2)
    (d_x,) = torch.autograd.grad((expected * torch.tensor(d)).sum(), x, retain_graph=True)
    kept = d * np.eye(4)[LABELS] if center_only else d
    (d_w,) = torch.autograd.grad((expected * torch.tensor(kept)).sum(), w)
    run = LayerRun(InnerDistance, [X, W, LABELS], param_str=repr({"p": p, "update_center_only": center_only}))
    np.testing.assert_allclose(run.forward()[0], expected.detach().numpy(), rtol=1e-12)
    found = run.backward([d])
    np.testing.assert_allclose(found[0], d_x.numpy(), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(found[1], d_w.numpy(), rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(found[2], 0 * LABELS)


def test_learned_vectors_of_length_one():
    run = LayerRun(InnerDistance, [X], param_str="{num_classes: 4, normalize: true, filler: gaussian, filler_value: 3}")
    directions = run.layer.blobs[0].data / np.linalg.norm(run.layer.blobs[0].data, axis=1)[:, None]
    expected = ((X[:, None] - directions) ** 2).sum(2)
    np.testing.assert_allclose(run.forward()[0], expected, rtol=1e-12)
    np.testing.assert_allclose(run.layer.blobs[0].data, directions, rtol=1e-12)
    d_x = run.backward([expected])[0]  # of half the sum of the squares
    difference = X[:, None] - directions
    np.testing.assert_allclose(d_x, (2 * expected[:, :, None] * difference).sum(1), rtol=1e-10)
    np.testing.assert_allclose(run.layer.blobs[0].diff, -(2 * expected[:, :, None] * difference).sum(0), rtol=1e-10)


def test_unit_ball():
    blob = LayerRun(InnerDistance, [X], param_str="{num_classes: 4, filler: gaussian_unitball}").layer.blobs[0].data
    np.testing.assert_allclose((blob * blob).sum(1), 1, rtol=1e-9)


def terms_of_triplets(torch, d, own, others, o):
    hinge = (o["margin"] + own[:, None] - others).clamp(min=0)
    if o.get("hardest_only"):
        hinge = hinge.max(1, keepdim=True).values
    pulled = torch.full_like(own, float(o.get("add_center_loss", False)))
    if "positive_upper_bound" in o:
        far = own.detach() > o["positive_upper_bound"]
        hinge, pulled = hinge * ~far[:, None], torch.where(far, torch.ones_like(own), pulled)
    return 0.7 * hinge.sum(1) + 0.4 * pulled * own


def terms_of_pairs(torch, d, own, others, o):
    margin = o["negative_margin"]
    cost = (torch.exp(-others) * (others < margin)) if o.get("exp_negative_weight") else (margin - others).clamp(min=0)
    if o.get("hardest_only"):
        cost = cost.max(1, keepdim=True).values
    if "positive_upper_bound" in o:
        cost = cost * (own.detach() <= o["positive_upper_bound"])[:, None]
    own = (own - o.get("positive_margin", 0)).clamp(0, o.get("positive_outlier_thresh", 4))
    return 0.7 * cost.sum(1) + 0.4 * own


@pytest.mark.parametrize("weights", [[], [V]])
@pytest.mark.parametrize(
    ("layer", "terms", "options"),
    [
        *(
            (ClassTripletLoss, terms_of_triplets, {"margin": 0.6, **more})
            for more in (
                {},
                {"hardest_only": True},
                {"add_center_loss": True},
                {"positive_upper_bound": 1.2},
                {"hardest_only": True, "add_center_loss": True, "positive_upper_bound": 1.2},
            )
        ),
        *(
            (ClassContrastiveLoss, terms_of_pairs, {"negative_margin": 1.6, **more})
            for more in (
                {},
                {"hardest_only": True},
                {"exp_negative_weight": True},
                {"positive_upper_bound": 1.2},
                {"positive_margin": 0.5, "positive_outlier_thresh": 1.1},
            )
        ),
    ],
)
def test_losses_against_autograd(layer, terms, options, weights):
    torch = pytest.importorskip("torch")
    d = torch.tensor(D, requires_grad=True)
    labels = torch.tensor(LABELS)
    own = d.gather(1, labels[:, None])[:, 0]
    others = torch.stack([torch.cat([row[:y], row[y + 1 :]]) for row, y in zip(d, LABELS)])
    loss = (terms(torch, d, own, others, options) * torch.tensor(weights[0] if weights else 1.0)).sum() / 7
    loss.backward(torch.tensor(G, dtype=torch.float64))
    param_str = repr({"positive_weight": 0.4, "negative_weight": 0.7, **options})
    run = LayerRun(layer, [D, LABELS, *weights], param_str=param_str)
    np.testing.assert_allclose(run.forward()[0], [loss.item()], rtol=1e-12)
    np.testing.assert_allclose(run.backward([G])[0], d.grad.numpy(), rtol=1e-12, atol=1e-15)


def test_triplets_as_caffe_windows_trains_them():
    """The loss is of the hinges, the gradient of a label's distance 1 for each sample, pulled or not."""
    d = np.array([[1.0, 1.5, 1.25, 3], [0.5, 0.25, 2, 3], [3, 3, 3, 0.5], [0.25, 2.5, 0.125, 0]])
    labels = [0, 1, 3, 1]
    text = "{margin: 0.8, positive_weight: 1, add_center_loss: %s, legacy_version: true, %s}"
    run = LayerRun(ClassTripletLoss, [d, labels], tops=2, param_str=text % ("true", "hardest_only: true"))
    loss, means = run.forward()
    np.testing.assert_allclose(loss, [(0.55 + 0.55 + 0 + 3.3) / 4])
    np.testing.assert_allclose(means, [(1 + 0.25 + 0.5 + 2.5) / 4, (5.75 + 5.5 + 9 + 0.375) / 12])
    expected = np.array([[1, 0, -1, 0], [-1, 1, 0, 0], [0, 0, 0, 1], [0, 1, 0, -1]]) / 4
    np.testing.assert_allclose(run.backward([1, [9, 9]])[0], expected)
    run = LayerRun(ClassTripletLoss, [d, labels], param_str=text % ("false", "positive_upper_bound: 2"))
    np.testing.assert_allclose(run.forward()[0], [(0.3 + 0.55 + 0.55) / 4])
    expected = np.array([[1, -1, -1, 0], [-1, 1, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0]]) / 4
    np.testing.assert_allclose(run.backward([1])[0], expected)


def test_means_of_what_contrasts():
    run = LayerRun(ClassContrastiveLoss, [[[1.5, 0.25, 2.0], [0.5, 0.75, 5]], [0, 2]], tops=2)
    loss, means = run.forward()
    np.testing.assert_allclose(loss, [(1.5 + 0.75 + 4 + 0.75) / 2])
    np.testing.assert_allclose(means, [5.5 / 2, 1.5 / 4])
    np.testing.assert_allclose(run.backward([2, [9, 9]])[0], [[1, -1, 0], [-1, -1, 0]])


@pytest.mark.parametrize(
    ("layer", "bottoms", "text", "message"),
    [
        (InnerDistance, [X], "", "InnerDistance: needs num_classes, or the vectors as bottom"),
        (InnerDistance, [X, W[:, :2]], "", r"\(7, 3\) has vectors of 3 values, bottom\[1\] \(w\) \(4, 2\) of 2"),
        (InnerDistance, [X, W, LABELS[:2]], "", r"labels\) must have 7 values, one .* got shape \(2,\)"),
        (InnerDistance, [X, W], "{update_center_only: true}", r"needs 3 bottoms \(x, w, labels\), got 2"),
        (InnerDistance, [X, W, LABELS + 1], "{update_center_only: true}", "label 4"),
        (ClassTripletLoss, [D, LABELS + 1], "", "label 4"),
        (ClassContrastiveLoss, [D, LABELS[:3]], "", "one label for each"),
    ],
)
def test_refusals(layer, bottoms, text, message):
    with pytest.raises(ValueError, match=message):
        LayerRun(layer, bottoms, param_str=text).forward()


@pytest.mark.parametrize("layer", [ClassTripletLoss, ClassContrastiveLoss])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_ignored_may_hold_anything(layer, bad):
    d, clean, labels = D.copy(), D.copy(), LABELS.copy()
    labels[2], d[2], clean[2] = -1, bad, 1
    with np.errstate(invalid="ignore"):
        ours, expected = (LayerRun(layer, [x, labels], param_str="{ignore_label: -1}") for x in (d, clean))
        np.testing.assert_array_equal(ours.forward()[0], expected.forward()[0])
        np.testing.assert_array_equal(ours.backward([1])[0], expected.backward([1])[0])
        d[1] = np.nan
        assert np.isnan(LayerRun(layer, [d, labels], param_str="{ignore_label: -1}").forward()[0]).all()
