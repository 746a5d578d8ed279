"""Lovász losses beside intersection over union itself, the definition with PyTorch's autograd, and by hand."""

import json

import numpy as np
import pytest

from caffe_pylayers.lovasz import LovaszHingeLoss, LovaszSoftmaxLoss
from caffe_pylayers.testing import LayerRun

rng = np.random.RandomState(3)
N, C, H, W = 3, 4, 5, 6
SCORES, LABELS = rng.standard_normal((N, C, H, W)), rng.randint(0, C - 1, (N, H, W))


def run(cls, *bottoms, **parameters):
    return LayerRun(cls, bottoms, param_str=json.dumps(parameters))


def jaccard_loss(members, errors_at):
    """1 - intersection / union of the class and the positions that it is found at, when these are wrong."""
    found = members ^ errors_at
    union = (members | found).sum()
    return 1 - (members & found).sum() / union if union else 0.0


def extension(torch, errors, members):
    """The Lovász extension by its definition: each error times what its position adds to the set function."""
    order = torch.argsort(errors.detach(), descending=True)
    wrong, before, terms = np.zeros(len(members), bool), 0.0, []
    for i in order.tolist():
        wrong[i] = True
        after = jaccard_loss(members, wrong)
        terms.append(errors[i].clamp(min=0) * (after - before))
        before = after
    return sum(terms)


@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize("per_image", [True, False])
def test_hinge_is_the_extension(per_image, ignored):
    torch = pytest.importorskip("torch")
    x, labels = torch.tensor(SCORES[:, :1], requires_grad=True), LABELS.clip(0, 1)
    if ignored:
        labels[:, 2:4] = 255
    losses = []
    for i in [[0], [1], [2]] if per_image else [[0, 1, 2]]:
        kept = labels[i].ravel() != 255
        y = labels[i].ravel()[kept]
        losses.append(extension(torch, 1 - x[i].ravel()[kept] * torch.tensor(2 * y - 1), y == 1))
    loss = sum(losses) / len(losses)
    (3.7 * loss).backward()
    layer = run(LovaszHingeLoss, SCORES[:, :1], labels, per_image=per_image, ignore_label=255)
    np.testing.assert_allclose(layer.forward()[0], [loss.item()], rtol=1e-12)
    np.testing.assert_allclose(layer.backward([3.7])[0], x.grad, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("activation", ["none", "sigmoid", "softmax"])
@pytest.mark.parametrize("classes", ["all", "present"])
@pytest.mark.parametrize("per_image", [True, False])
def test_softmax_is_the_extension_of_each_class(per_image, classes, activation):
    torch = pytest.importorskip("torch")
    start = 1 / (1 + np.exp(-SCORES)) if activation == "none" else SCORES
    x, labels, v = torch.tensor(start, requires_grad=True), LABELS.copy(), [1.0, 0.5, 2.0, 3.0]
    labels[1:, 0], labels[0] = 255, LABELS[0].clip(0, 1)
    p = {"none": lambda: x, "sigmoid": x.sigmoid, "softmax": lambda: x.softmax(1)}[activation]()
    losses = []
    for i in [[0], [1], [2]] if per_image else [[0, 1, 2]]:
        kept = labels[i].ravel() != 255
        y = labels[i].ravel()[kept]
        counted = [c for c in range(C) if classes == "all" or (y == c).any()]
        terms = [
            v[c] * extension(torch, (torch.tensor(y == c).double() - p[i, c].ravel()[kept]).abs(), y == c)
            for c in counted
        ]
        losses.append(sum(terms) / sum(v[c] for c in counted))
    loss = sum(losses) / len(losses)
    (3.7 * loss).backward()
    parameters = {"activation": activation, "classes": classes, "per_image": per_image, "class_weights": v}
    layer = run(LovaszSoftmaxLoss, start, labels, ignore_label=255, **parameters)
    np.testing.assert_allclose(layer.forward()[0], [loss.item()], rtol=1e-12)
    np.testing.assert_allclose(layer.backward([3.7])[0], x.grad, rtol=1e-9, atol=1e-14)


def test_of_hard_predictions_it_is_one_minus_the_mean_iou_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    found = rng.randint(0, C - 1, LABELS.shape)
    codes = np.moveaxis(np.eye(C)[found], -1, 1)
    iou = metrics.jaccard_score(LABELS.ravel(), found.ravel(), average="macro")
    batch = {"activation": "none", "per_image": False}
    np.testing.assert_allclose(run(LovaszSoftmaxLoss, codes, LABELS, **batch).forward()[0], [1 - iou])
    sign, mask = 2.0 * (found > 0) - 1, LABELS > 0
    hinge = run(LovaszHingeLoss, sign[:, None], mask, per_image=False).forward()[0]
    iou = metrics.jaccard_score(mask.ravel(), found.ravel() > 0)
    np.testing.assert_allclose(hinge, [2 * (1 - iou)])  # an error's hinge is 1 + 1


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("activation", ["none", "sigmoid", "softmax", "hinge"])
@pytest.mark.parametrize("per_image", [True, False])
def test_what_is_ignored_may_hold_anything(activation, per_image):
    x, labels = SCORES.copy(), LABELS.copy()
    labels[:, 2] = 255
    parameters = {"ignore_label": 255, "per_image": per_image}
    cls = LovaszHingeLoss if activation == "hinge" else LovaszSoftmaxLoss
    if activation == "hinge":
        x, labels = x[:, :1], np.where(labels == 255, 255, labels.clip(0, 1))
    else:
        parameters["activation"] = activation
        x = 1 / (1 + np.exp(-x)) if activation == "none" else x
    clean = run(cls, x, labels, **parameters)
    x = x.copy()
    x[0, :, 2], x[1, 0, 2], x[2, 0, 2] = np.nan, np.inf, -np.inf
    dirty = run(cls, x, labels, **parameters)
    np.testing.assert_array_equal(dirty.forward(), clean.forward())
    np.testing.assert_array_equal(dirty.backward([1])[0], clean.backward([1])[0])
    x[0, 0, 0, 0] = np.nan
    assert np.isnan(run(cls, x, labels, **parameters).forward()).all()


def test_scores_are_no_probabilities():
    with pytest.raises(ValueError, match=r"^LovaszSoftmaxLoss: .* with activation none, must lie in \[0, 1\], got "):
        run(LovaszSoftmaxLoss, SCORES, LABELS, activation="none").forward()


def test_digits_remain_where_there_are_many_positions():
    """In float32 the differences of neighbouring Jaccard losses would have none."""
    labels = rng.randint(0, 2, (1, 1, 512, 512))
    scores = rng.standard_normal(labels.shape)
    single, double = (
        LayerRun(LovaszHingeLoss, [scores.astype(np.float32), labels], dtype=dtype) for dtype in (np.float32, float)
    )
    np.testing.assert_allclose(single.forward()[0], double.forward()[0], rtol=1e-5)
    np.testing.assert_allclose(single.backward([1])[0], double.backward([1])[0], rtol=1e-4)


@pytest.mark.parametrize(
    ("cls", "shapes", "message"),
    [
        (LovaszHingeLoss, [(2, 2, 4), (2, 4)], r"must have one channel, shape \(N, 1, ...\), got \(2, 2, 4\)"),
        (LovaszHingeLoss, [(2, 1, 4), (2, 3)], r"bottom\[1\] \(labels\) must have shape \(2, 4\)"),
        (LovaszSoftmaxLoss, [(2, 1, 4), (2, 4)], r"with C >= 2, got \(2, 1, 4\); one is for LovaszHingeLoss"),
        (LovaszSoftmaxLoss, [(2, 3, 4), (2, 3)], r"bottom\[1\] \(labels\) must have shape \(2, 4\)"),
    ],
)
def test_refused(cls, shapes, message):
    with pytest.raises(ValueError, match=rf"^{cls.__name__}: .*{message}"):
        run(cls, *map(np.zeros, shapes))


def test_refused_labels():
    with pytest.raises(ValueError, match=r"^LovaszHingeLoss: label 255 at index 1 is outside \[0, 2\)"):
        run(LovaszHingeLoss, np.zeros((2, 1)), [0, 255]).forward()
