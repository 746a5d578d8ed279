"""The cross entropies beside PyTorch's and Caffe's own; what they refuse."""

import numpy as np
import pytest

from caffe_pylayers.cross_entropy import SigmoidCrossEntropyLoss, SoftmaxCrossEntropyLoss
from caffe_pylayers.testing import LayerRun
from tests.layers.references import against_caffe, against_torch

rng = np.random.RandomState(0)
MAPS, LABELS = 3 * rng.standard_normal((5, 6, 3, 4)), rng.randint(0, 6, (5, 3, 4))
SCORES, TARGETS = 3 * rng.standard_normal((7, 4)), rng.rand(7, 4)
CLASS_WEIGHTS = [0.2, 1.5, 0.7, 3.0, 0.0, 1.1]
WEIGHTS = rng.rand(5, 1, 3, 4)
LABELS[0, 0] = 4


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("ignore", [-100, 2])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_softmax_is_pytorchs_cross_entropy(smoothing, ignore, weighted, reduction):
    def loss(functional, scores, labels):
        weight = scores.new_tensor(CLASS_WEIGHTS) if weighted else None
        return functional.cross_entropy(
            scores, labels, weight, ignore_index=ignore, label_smoothing=smoothing, reduction=reduction
        )

    param_str = (
        f'{{"label_smoothing": {smoothing}, "ignore_label": {ignore}, "class_weights": {CLASS_WEIGHTS * weighted}, '
        f'"normalization": "{ {"mean": "weights", "sum": "none"}[reduction] }"}}'
    )
    against_torch(SoftmaxCrossEntropyLoss, [MAPS, LABELS], param_str, loss)


@pytest.mark.parametrize(("shape", "smoothing"), [((5, 1, 3, 4), 0.0), ((5, 1, 1, 1), 0.2), ((1, 1, 3, 1), 0.0)])
@pytest.mark.parametrize("normalization", ["weights", "valid", "batch"])
def test_softmax_with_weights_and_their_gradient(shape, smoothing, normalization):
    weights = rng.rand(*shape)

    def loss(functional, scores, labels, w):
        table = scores.new_tensor(CLASS_WEIGHTS)
        terms = functional.cross_entropy(scores, labels, table, label_smoothing=smoothing, reduction="none")
        w = w.expand(5, 1, 3, 4)[:, 0]
        total = (terms * w).sum()
        return total / {"weights": (w * table[labels]).sum(), "valid": 60, "batch": 5}[normalization]

    param_str = (
        f'{{"class_weights": {CLASS_WEIGHTS}, "label_smoothing": {smoothing}, "normalization": "{normalization}"}}'
    )
    against_torch(SoftmaxCrossEntropyLoss, [MAPS, LABELS, weights], param_str, loss, wrt=(0, 2))


@pytest.mark.parametrize("normalization", ["VALID", "FULL", "BATCH_SIZE", "NONE"])
@pytest.mark.parametrize("ignore", [None, 2])
def test_softmax_is_caffes(tmp_path, normalization, ignore):
    ours = {"VALID": "valid", "FULL": "full", "BATCH_SIZE": "batch", "NONE": "none"}[normalization]
    param_str = f'{{"normalization": "{ours}", "ignore_label": {"null" if ignore is None else ignore}}}'
    theirs = f"normalization: {normalization}" + (f" ignore_label: {ignore}" if ignore is not None else "")
    bottoms = [MAPS, LABELS[:, None]]
    against_caffe(
        tmp_path, SoftmaxCrossEntropyLoss, bottoms, param_str, "SoftmaxWithLoss", f"loss_param {{ {theirs} }}"
    )


def test_softmax_with_defaults_is_caffes(tmp_path):
    against_caffe(tmp_path, SoftmaxCrossEntropyLoss, [SCORES, [0, 3, 1, 2, 2, 0, 1]], "", "SoftmaxWithLoss", "")


def test_the_gradient_that_comes_to_the_probabilities_goes_on():
    torch = pytest.importorskip("torch")
    d_p = rng.standard_normal(SCORES.shape)
    run = LayerRun(SoftmaxCrossEntropyLoss, [SCORES, np.zeros(7)], tops=2)
    np.testing.assert_allclose(run.forward()[1], np.exp(SCORES) / np.exp(SCORES).sum(1, keepdims=True))
    scores = torch.tensor(SCORES, requires_grad=True)
    loss = torch.nn.functional.cross_entropy(scores, torch.zeros(7, dtype=torch.int64))
    (2 * loss + (torch.softmax(scores, 1) * torch.tensor(d_p)).sum()).backward()
    np.testing.assert_allclose(run.backward([2, d_p])[0], scores.grad.numpy(), rtol=1e-11, atol=1e-14)


def test_losses_of_each_position():
    scores, labels = np.log([[0.7, 0.3], [0.4, 0.6], [0.5, 0.5]]), [0, 1, -1]
    run = LayerRun(SoftmaxCrossEntropyLoss, [scores, labels], param_str="{ignore_label: -1}", tops=3)
    loss, p, losses = run.forward()
    np.testing.assert_allclose(losses, [-np.log(0.7), -np.log(0.6), 0])
    assert loss.item() == pytest.approx(losses.sum() / 2)
    found = run.backward([0.0, np.zeros((3, 2)), [1, 2, 3]])[0]
    np.testing.assert_allclose(found, np.array([[1], [2], [0]]) * (p - [[1, 0], [0, 1], [0, 0]]), atol=1e-12)


def test_far_scores_have_a_loss_and_a_gradient_of_their_size():
    run = LayerRun(SoftmaxCrossEntropyLoss, [[[1e4, -1e4], [-1e4, 1e4]], [1, 1]], dtype=np.float32)
    assert run.forward()[0] == [1e4]
    np.testing.assert_array_equal(run.backward([2])[0], [[1, -1], [0, 0]])


def test_all_ignored_is_zero():
    for normalization in ("valid", "weights"):
        param_str = f'{{"ignore_label": 9, "normalization": "{normalization}"}}'
        run = LayerRun(SoftmaxCrossEntropyLoss, [SCORES, np.full(7, 9)], param_str=param_str)
        assert run.forward()[0] == [0]
        np.testing.assert_array_equal(run.backward([1])[0], np.zeros_like(SCORES))


@pytest.mark.parametrize("pos_weight", [[], [3.0], [0.5, 2, 0, 1]])
@pytest.mark.parametrize("normalization", ["full", "none", "batch", "weights"])
def test_sigmoid_is_pytorchs_binary_cross_entropy(pos_weight, normalization):
    weights = rng.rand(7, 4)

    def loss(functional, scores, targets, w):
        r = scores.new_tensor(pos_weight) if pos_weight else None
        terms = functional.binary_cross_entropy_with_logits(scores, targets, pos_weight=r, reduction="none")
        return (terms * w).sum() / {"full": 28, "none": 1, "batch": 7, "weights": w.sum()}[normalization]

    param_str = f'{{"pos_weight": {pos_weight}, "normalization": "{normalization}"}}'
    against_torch(SigmoidCrossEntropyLoss, [SCORES, TARGETS, weights], param_str, loss, wrt=(0, 1, 2))


@pytest.mark.parametrize("normalization", ["VALID", "FULL", "BATCH_SIZE", "NONE", None])
def test_sigmoid_is_caffes(tmp_path, normalization):
    targets = rng.randint(-1, 2, MAPS.shape)
    ours = {"VALID": "valid", "FULL": "full", "BATCH_SIZE": "batch", "NONE": "none", None: "batch"}[normalization]
    param_str = f'{{"normalization": "{ours}", "ignore_label": -1}}'
    theirs = "loss_param { ignore_label: -1" + (f" normalization: {normalization} }}" if normalization else " }")
    against_caffe(tmp_path, SigmoidCrossEntropyLoss, [MAPS, targets], param_str, "SigmoidCrossEntropyLoss", theirs)


@pytest.mark.parametrize("ignore", [None, -1])
def test_balanced_by_hand(ignore):
    """HED's: in each image of P positives and N others they weigh N / (P + N) and P / (P + N)."""
    targets = np.array([[1, 0, 0, 0], [1, 1, 1, 0], [0, 0, 0, 0]])
    if ignore is not None:
        targets[1, 0], targets[2, 2] = -1, -1
    scores, wanted, gradient = rng.standard_normal((3, 4)), 0, np.zeros((3, 4))
    p = 1 / (1 + np.exp(-scores))
    for i in range(3):
        positives, others = (np.flatnonzero(targets[i] == t) for t in (1, 0))
        total = len(positives) + len(others)
        wanted -= (len(others) / total * np.log(p[i, positives])).sum()
        wanted -= (len(positives) / total * np.log(1 - p[i, others])).sum()
        gradient[i, positives] = len(others) / total * (p[i, positives] - 1)
        gradient[i, others] = len(positives) / total * p[i, others]
    param_str = '{"balanced": true}' if ignore is None else '{"balanced": true, "ignore_label": -1}'
    run = LayerRun(SigmoidCrossEntropyLoss, [scores, targets], param_str=param_str)
    np.testing.assert_allclose(run.forward()[0], [wanted / 3])
    np.testing.assert_allclose(run.backward([1])[0], gradient / 3)


def test_far_scores_under_a_sigmoid():
    bottoms = [[[1e4, -1e4, -100]], [[0, 1, 1]]]
    run = LayerRun(SigmoidCrossEntropyLoss, bottoms, param_str='{"pos_weight": [2]}', dtype=np.float32)
    assert run.forward()[0] == [1e4 + 2e4 + 200]
    np.testing.assert_array_equal(run.backward([1])[0], [[1, -2, -2]])


@pytest.mark.parametrize(
    ("layer", "bottoms", "param_str", "message"),
    [
        (SoftmaxCrossEntropyLoss, [SCORES, [0] * 6 + [4]], "", r"label 4 at index 6 is outside \[0, 4\)"),
        (SoftmaxCrossEntropyLoss, [SCORES, [0.5] * 7], "", r"label 0.5 at index 0 is no integer"),
        (
            SoftmaxCrossEntropyLoss,
            [SCORES, [0] * 6],
            "",
            r"bottom\[1\] \(labels\) must have shape \(7,\), .* got \(6,\)",
        ),
        (SoftmaxCrossEntropyLoss, [SCORES, [0] * 7], "axis: 2", r"axis 2 is outside bottom\[0\] \(scores\)"),
        (
            SoftmaxCrossEntropyLoss,
            [SCORES[:, :0], [0] * 7],
            "",
            r"must have a class or more on axis 1, got shape \(7, 0\)",
        ),
        (
            SoftmaxCrossEntropyLoss,
            [SCORES, [0] * 7],
            "class_weights: [1, 2]",
            r"parameter class_weights must have 4 numbers, one for each class on axis 1 of .*, got 2",
        ),
        (
            SoftmaxCrossEntropyLoss,
            [MAPS, LABELS, np.ones((5, 6, 3, 4))],
            "",
            r"bottom\[2\] \(weights\) must have the shape of the labels of bottom\[0\] \(scores\) \(5, 1, 3, 4\)",
        ),
        (
            SigmoidCrossEntropyLoss,
            [SCORES, TARGETS + 1],
            "",
            r"\(targets\) must lie in \[0, 1\], got 1\.\d+ at ",
        ),
        (
            SigmoidCrossEntropyLoss,
            [SCORES, TARGETS[:6]],
            "",
            r"bottom\[1\] \(targets\) must have the first size .*\(6, 4\)",
        ),
        (SigmoidCrossEntropyLoss, [SCORES, TARGETS], "pos_weight: [1, 2]", r"parameter pos_weight must have 4 numbers"),
    ],
)
def test_refused(layer, bottoms, param_str, message):
    with pytest.raises(ValueError, match=rf"^{layer.__name__}: .*{message}"):
        LayerRun(layer, bottoms, param_str=param_str).forward()
