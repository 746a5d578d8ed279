"""Losses of overlap beside PyTorch's autograd, scikit-learn and values by hand; what they refuse."""

import json

import numpy as np
import pytest

from caffe_pylayers._layer.losses.overlap_sums import ClassOverlapLoss, OverlapLoss
from caffe_pylayers.overlap import DiceLoss, FocalTverskyLoss, GeneralizedDiceLoss, TverskyLoss
from caffe_pylayers.testing import LayerRun

rng = np.random.RandomState(3)
N, C, H, W = 3, 4, 5, 6
SCORES, WEIGHTS = rng.standard_normal((N, C, H, W)), rng.uniform(0.2, 2, (N, 1, H, W))
LABELS, SOFT = rng.randint(0, C - 1, (N, 1, H, W)), rng.rand(N, C, H, W)


def run(cls, *bottoms, **parameters):
    return LayerRun(cls, bottoms, param_str=json.dumps(parameters))


def reference(torch, cls, x, t, w, q):
    """The loss by the papers' formulas, on tensors."""
    p = {"softmax": lambda: x.softmax(1), "sigmoid": x.sigmoid, "none": lambda: x}[q["activation"]]()
    axes = (2, 3) if q["per_image"] else (0, 2, 3)
    k = 2 if q.get("squared") else 1
    tp, fp, fn = (w * p * t).sum(axes), (w * p * (1 - t)).sum(axes), (w * (1 - p) * t).sum(axes)
    wp, wt = (w * p**k).sum(axes), (w * t**k).sum(axes)
    v = torch.tensor(q.get("class_weights", [1.0] * C), dtype=torch.float64)
    s = q.get("smooth", 0)
    if cls is GeneralizedDiceLoss:
        u = v / wt.clamp(min=1) ** q.get("power", 2)
        return (1 - (2 * (u * tp).sum(-1) + s) / ((u * (wp + wt)).sum(-1) + s)).mean()
    if cls is DiceLoss:
        losses = 1 - (2 * tp + s) / (wp + wt + s)
    else:
        losses = 1 - (tp + s) / (tp + q.get("alpha", 0.3) * fp + q.get("beta", 0.7) * fn + s)
    if cls is FocalTverskyLoss:
        losses = losses ** q.get("gamma", 0.75)
    if q.get("classes") == "present":
        v = v * (wt > 0)
    return ((v * losses).sum(-1) / (v * torch.ones_like(losses)).sum(-1)).mean()


SETTINGS = [
    (DiceLoss, {}),
    (DiceLoss, {"smooth": 1}),
    (DiceLoss, {"squared": True, "class_weights": [0, 1, 2, 0.5]}),
    (DiceLoss, {"classes": "present", "smooth": 0.1}),
    (TverskyLoss, {}),
    (TverskyLoss, {"alpha": 1.5, "beta": 0.1, "smooth": 0.5, "classes": "present"}),
    (FocalTverskyLoss, {}),
    (FocalTverskyLoss, {"gamma": 2, "class_weights": [0, 1, 2, 0.5]}),
    (GeneralizedDiceLoss, {}),
    (GeneralizedDiceLoss, {"power": 1, "squared": True, "smooth": 0.01, "class_weights": [0, 1, 2, 0.5]}),
]


@pytest.mark.parametrize("per_image", [True, False])
@pytest.mark.parametrize(
    ("targets", "activation"),
    [
        *((targets, activation) for targets in ("labels", "soft") for activation in ("none", "sigmoid", "softmax")),
        ("binary", "none"),
        ("binary", "sigmoid"),
    ],
)
@pytest.mark.parametrize(("cls", "parameters"), SETTINGS)
def test_formula_and_autograd(cls, parameters, targets, activation, per_image):
    torch = pytest.importorskip("torch")
    parameters = dict(parameters, activation=activation, per_image=per_image)
    x, given = (SCORES, LABELS if targets == "labels" else SOFT)
    if targets == "binary":
        x, given = SCORES[:, :1], SOFT[:, 0] > 0.5
        parameters["class_weights"] = [2.0]
    if activation == "none":
        x = 1 / (1 + np.exp(-x))
    dense = np.moveaxis(np.eye(C)[given[:, 0]], -1, 1) if targets == "labels" else given.reshape(x.shape)
    tensors = [torch.tensor(np.array(a, float), requires_grad=True) for a in (x, dense, WEIGHTS)]
    loss = reference(torch, cls, *tensors, parameters)
    (3.7 * loss).backward()
    layer = run(cls, x, given, WEIGHTS, **parameters)
    np.testing.assert_allclose(layer.forward()[0], [loss.item()], rtol=1e-12)
    d_x, d_t, d_w = layer.backward([3.7])
    wanted_x, wanted_t, wanted_w = (t.grad.numpy() for t in tensors)
    np.testing.assert_allclose(d_x, wanted_x, rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(d_w, wanted_w, rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(d_t, 0 if targets == "labels" else wanted_t.reshape(d_t.shape), rtol=1e-9, atol=1e-14)


def test_hard_predictions_give_the_scores_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    found, true = rng.randint(0, C, (2, 1, H, W))
    codes = np.moveaxis(np.eye(C)[found], -1, 1)
    for predictions, targets, average in ((codes, true, "macro"), (codes[:, 1:2], true == 1, "binary")):
        given = {"y_true": targets.ravel(), "y_pred": found.ravel() if average == "macro" else found.ravel() == 1}
        f1, iou = (score(**given, average=average) for score in (metrics.f1_score, metrics.jaccard_score))
        np.testing.assert_allclose(run(DiceLoss, predictions, targets).forward()[0], [1 - f1])
        np.testing.assert_allclose(run(TverskyLoss, predictions, targets, alpha=1, beta=1).forward()[0], [1 - iou])


@pytest.mark.parametrize("cls", [DiceLoss, TverskyLoss, FocalTverskyLoss, GeneralizedDiceLoss])
@pytest.mark.parametrize("targets", ["labels", "soft"])
def test_ignored_is_as_if_it_were_not_there(cls, targets):
    """The batch of whole rows equals the batch with the last row ignored."""
    given = {"labels": LABELS, "soft": SOFT}[targets].astype(float)
    marked = given.copy()
    marked[:, :, -1] = 255
    parameters = {"activation": "softmax", "per_image": False}
    part = run(cls, SCORES[:, :, :-1], given[:, :, :-1], **parameters)
    whole = run(cls, SCORES, marked, ignore_label=255, **parameters)
    np.testing.assert_allclose(whole.forward(), part.forward(), rtol=1e-12)
    d_whole, d_part = whole.backward([1])[0], part.backward([1])[0]
    np.testing.assert_allclose(d_whole[:, :, :-1], d_part, rtol=1e-9, atol=1e-14)
    np.testing.assert_array_equal(d_whole[:, :, -1], 0)


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("cls", [DiceLoss, TverskyLoss, FocalTverskyLoss, GeneralizedDiceLoss])
@pytest.mark.parametrize("activation", ["none", "sigmoid", "softmax"])
@pytest.mark.parametrize("targets", ["labels", "soft"])
@pytest.mark.parametrize("squared", [False, True])
def test_what_does_not_count_may_hold_anything(cls, activation, targets, squared):
    """Not a number or infinity in scores, targets and weights: of ignored positions, and in scores of weight 0."""
    x = 1 / (1 + np.exp(-SCORES)) if activation == "none" else SCORES.copy()
    t, w = {"labels": LABELS, "soft": SOFT}[targets].astype(float), WEIGHTS.copy()
    t[0, :, 1], w[1, :, 2] = 255, 0
    parameters = {"activation": activation, "ignore_label": 255, "squared": squared}
    if cls not in (DiceLoss, GeneralizedDiceLoss):
        parameters.pop("squared")
    clean = run(cls, x, t, w, **parameters)
    x, w = x.copy(), w.copy()
    x[0, :, 1], x[1, 2, 2], w[0, :, 1] = np.nan, np.inf, np.nan
    t[1, 0, 2] = np.nan
    dirty = run(cls, x, t, w, **parameters)
    np.testing.assert_array_equal(dirty.forward(), clean.forward())
    found, wanted = dirty.backward([3.7]), clean.backward([3.7])
    np.testing.assert_array_equal(found[0], wanted[0])
    np.testing.assert_array_equal(found[1], wanted[1])
    np.testing.assert_array_equal(found[0][1, :, 2], 0)
    np.testing.assert_array_equal(found[2][0, :, 1], 0)
    wanted[2][1, :, 2] = found[2][1, :, 2]  # the gradient of a weight of 0 is that of the score, were it to count
    np.testing.assert_array_equal(found[2], wanted[2])


@pytest.mark.parametrize("cls", [DiceLoss, TverskyLoss, FocalTverskyLoss, GeneralizedDiceLoss])
def test_nan_that_counts_is_seen(cls):
    for activation in ("none", "sigmoid", "softmax"):
        x = np.full((1, 3, 1, 2), 0.25)
        x[0, 1, 0, 1] = np.nan
        assert np.isnan(run(cls, x, [[[0, 1]]], activation=activation).forward()).all()


@pytest.mark.parametrize("cls", [DiceLoss, TverskyLoss, FocalTverskyLoss, GeneralizedDiceLoss])
def test_excluded_is_of_weight_zero(cls):
    one = run(cls, SCORES, LABELS, activation="sigmoid", exclude=[0, 2])
    two = run(cls, SCORES, LABELS, activation="sigmoid", class_weights=[0, 1, 0, 1])
    np.testing.assert_array_equal(one.forward(), two.forward())
    d = one.backward([1])[0]
    np.testing.assert_array_equal(d, two.backward([1])[0])
    np.testing.assert_array_equal(d[:, ::2], 0)


def test_dice_by_hand():
    p, t = np.array([[[0.5, 1.0, 0.0, 0.25]]]), np.array([[[1, 1, 0, 0]]])
    np.testing.assert_allclose(run(DiceLoss, p, t).forward()[0], [1 - 3 / 3.75])
    np.testing.assert_allclose(run(DiceLoss, p, t, smooth=1).forward()[0], [1 - 4 / 4.75])
    squares = run(DiceLoss, p, t, squared=True)
    np.testing.assert_allclose(squares.forward()[0], [1 - 3 / (0.25 + 1 + 0.0625 + 2)])
    weighted = run(DiceLoss, p, t, [[[1, 0, 1, 2]]])
    np.testing.assert_allclose(weighted.forward()[0], [1 - 1 / (0.5 + 0.5 + 1)])


@pytest.mark.parametrize("cls", [DiceLoss, TverskyLoss, FocalTverskyLoss, GeneralizedDiceLoss])
def test_nothing_predicted_and_nothing_there_is_no_loss(cls):
    layer = run(cls, np.zeros((2, 3, 2, 2)), np.zeros((2, 3, 2, 2)))
    np.testing.assert_array_equal(layer.forward(), [[0]])
    assert np.isfinite(layer.backward([1])[0]).all()


@pytest.mark.parametrize(
    ("bottoms", "parameters", "message"),
    [
        (
            [np.zeros(4), np.zeros(4)],
            {},
            r"bottom\[0\] \(predictions\) must have shape \(N, C, ...\) with C >= 1, got \(4,\)",
        ),
        ([np.zeros((2, 3, 4, 4)), np.zeros((2, 4))], {}, r"bottom\[1\] \(targets\) must have shape \(2, 4, 4\)"),
        ([np.zeros((2, 3, 4, 4)), np.full((2, 4, 4), 3)], {}, r"label 3 at index \(0, 0, 0\) is outside \[0, 3\)"),
        ([np.zeros((1, 1, 1, 2)), [[[0, 255]]]], {}, r"must lie in \[0, 1\], got 255 at index \(0, 0, 1\)"),
        ([np.full((1, 3, 1, 2), 1.5), [[[0, 1]]]], {}, r"with activation none, must lie in \[0, 1\], got 1.5 at index"),
        ([[[[0.5, -3]]], [[1, 0]]], {}, r"must lie in \[0, 1\], got -3 at index \(0, 0, 1\)"),
        ([np.zeros((1, 1, 2)), np.zeros((1, 2))], {"activation": "softmax"}, "of one it is sigmoid"),
        ([np.zeros((1, 3)), [0]], {"class_weights": [1, 2]}, "class_weights must have 3 numbers.*got 2"),
        ([np.zeros((1, 3)), [0]], {"exclude": [3]}, r"exclude names class 3, which is outside \[0, 3\)"),
        ([np.zeros((2, 3, 4, 4)), np.zeros((2, 4, 4)), np.zeros((2, 3, 4, 4))], {}, r"bottom\[2\] \(weights\)"),
    ],
)
def test_refused(bottoms, parameters, message):
    with pytest.raises(ValueError, match=rf"^DiceLoss: .*{message}"):
        run(DiceLoss, *bottoms, **parameters).forward()


@pytest.mark.parametrize(("base", "method"), [(OverlapLoss, "of_sums"), (ClassOverlapLoss, "class_losses")])
def test_a_base_says_what_it_lacks(base, method):
    with pytest.raises(NotImplementedError, match=f"^{base.__name__}: {method} is not defined$"):
        LayerRun(base, [np.zeros((2, 3)), np.zeros(2)]).forward()
