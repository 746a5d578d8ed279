"""The focal losses beside their formulas under PyTorch's autograd; values by hand."""

import numpy as np
import pytest

from caffe_pylayers.cross_entropy import SigmoidCrossEntropyLoss, SoftmaxCrossEntropyLoss
from caffe_pylayers.focal import SigmoidFocalLoss, SoftmaxFocalLoss
from caffe_pylayers.testing import LayerRun
from tests.layers.references import against_torch

rng = np.random.RandomState(0)
MAPS, LABELS = 3 * rng.standard_normal((5, 6, 3, 4)), rng.randint(0, 6, (5, 3, 4))
SCORES, TARGETS = 3 * rng.standard_normal((7, 4)), rng.randint(0, 2, (7, 4)).astype(float)
CLASS_WEIGHTS = [0.2, 1.5, 0.7, 3.0, 0.0, 1.1]


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 3.3])
@pytest.mark.parametrize("normalization", ["valid", "positives", "weights"])
def test_softmax_with_autograd(gamma, normalization):
    weights = rng.rand(5, 1, 3, 4)

    def loss(functional, scores, labels, w):
        log_p = functional.log_softmax(scores, 1).gather(1, labels[:, None])
        a = scores.new_tensor(CLASS_WEIGHTS)[labels[:, None]]
        total = (-w * a * (1 - log_p.exp()) ** gamma * log_p).sum()
        return total / {"valid": 60, "positives": (labels != 0).sum(), "weights": (w * a).sum()}[normalization]

    param_str = f'{{"gamma": {gamma}, "class_weights": {CLASS_WEIGHTS}, "normalization": "{normalization}"}}'
    against_torch(SoftmaxFocalLoss, [MAPS, LABELS, weights], param_str, loss, wrt=(0, 2))


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 3.3])
@pytest.mark.parametrize("alpha", [-1, 0.25])
@pytest.mark.parametrize("soft", [False, True])
def test_sigmoid_with_autograd(gamma, alpha, soft):
    """The formula is torchvision's sigmoid_focal_loss."""
    weights = rng.rand(7, 4)

    def loss(functional, scores, targets, w):
        p = scores.sigmoid()
        ce = functional.binary_cross_entropy_with_logits(scores, targets, reduction="none")
        total = ce * (1 - (p * targets + (1 - p) * (1 - targets))) ** gamma
        if alpha >= 0:
            total = (alpha * targets + (1 - alpha) * (1 - targets)) * total
        return (w * total).sum() / (targets > 0.5).sum()

    targets = rng.rand(7, 4) if soft else TARGETS
    param_str = f'{{"gamma": {gamma}, "alpha": {alpha}, "normalization": "positives"}}'
    against_torch(SigmoidFocalLoss, [SCORES, targets, weights], param_str, loss, wrt=(0, 1, 2) if soft else (0, 2))


@pytest.mark.parametrize("one_add_p", [False, True])
def test_softmax_of_the_forks_with_autograd(one_add_p):
    torch = pytest.importorskip("torch")
    rng = np.random.RandomState(2)
    scores, labels = rng.standard_normal((5, 4)), [0, 3, 1, 1, 2]
    x = torch.tensor(scores, requires_grad=True)
    p = x.softmax(1)[range(5), labels]
    expected = (-0.25 * (1 + p if one_add_p else 1 - p) ** 2 * p.log()).mean()
    expected.backward()
    run = LayerRun(SoftmaxFocalLoss, [scores, labels], param_str=str({"alpha": 0.25, "one_add_p": one_add_p}))
    assert run.forward()[0].item() == pytest.approx(expected.item())
    np.testing.assert_allclose(run.backward([1])[0], x.grad.numpy(), atol=1e-12)


@pytest.mark.parametrize(
    ("layer", "plain", "bottoms", "param_str"),
    [
        (SoftmaxFocalLoss, SoftmaxCrossEntropyLoss, [MAPS, LABELS], "gamma: 0"),
        (SigmoidFocalLoss, SigmoidCrossEntropyLoss, [SCORES, TARGETS], "{gamma: 0, alpha: -1}"),
    ],
)
def test_without_gamma_it_is_cross_entropy(layer, plain, bottoms, param_str):
    focal, entropy = LayerRun(layer, bottoms, param_str=param_str), LayerRun(plain, bottoms)
    np.testing.assert_allclose(focal.forward()[0], entropy.forward()[0], rtol=1e-13)
    np.testing.assert_allclose(focal.backward([3.7])[0], entropy.backward([3.7])[0], rtol=1e-12, atol=1e-15)


def test_a_test_net_has_the_same_gradient():
    train, test = (LayerRun(SigmoidFocalLoss, [SCORES, TARGETS], phase=phase) for phase in (0, 1))
    np.testing.assert_array_equal(train.forward()[0], test.forward()[0])
    np.testing.assert_array_equal(train.backward([3.7])[0], test.backward([3.7])[0])


@pytest.mark.parametrize("gamma", [0, 0.5, 2])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_far_scores(gamma, dtype):
    """A label that is certain has no loss, one that is certainly wrong that of cross entropy."""
    softmax = LayerRun(SoftmaxFocalLoss, [[[1e4, -1e4], [1e4, -1e4]], [0, 1]], param_str=f"gamma: {gamma}", dtype=dtype)
    assert softmax.forward()[0] == [1e4]
    np.testing.assert_array_equal(softmax.backward([2])[0], [[0, 0], [1, -1]])
    sigmoid = LayerRun(
        SigmoidFocalLoss, [[[1e4, 1e4]], [[1, 0]]], param_str=f"{{gamma: {gamma}, alpha: -1}}", dtype=dtype
    )
    assert sigmoid.forward()[0] == [1e4]
    np.testing.assert_array_equal(sigmoid.backward([1])[0], [[0, 1]])


@pytest.mark.parametrize(("ignore", "positives"), [("null", 4), ("3", 3), ("1", 2)])
def test_positives_are_those_that_count(ignore, positives):
    param_str = f'{{"gamma": 0, "normalization": "positives", "ignore_label": {ignore}}}'
    run = LayerRun(SoftmaxFocalLoss, [np.zeros((5, 4)), [0, 1, 2, 1, 3]], param_str=param_str)
    counted = 5 - [0, 1, 2, 1, 3].count({"null": None, "3": 3, "1": 1}[ignore])
    np.testing.assert_allclose(run.forward()[0], [counted * np.log(4) / positives])


@pytest.mark.parametrize("layer", [SoftmaxFocalLoss, SigmoidFocalLoss])
@pytest.mark.parametrize("weights", [[1, 0, 1, 0, 1], np.array([1, 0, 1, 0, 1]).reshape(5, 1)])
def test_positives_of_weight_0_do_not_count(layer, weights):
    labels, hot = np.array([0, 1, 2, 1, 3]), np.eye(4)[[0, 1, 2, 1, 3]] * [0, 1, 1, 1]
    kept = np.ravel(weights) > 0
    targets = labels if layer is SoftmaxFocalLoss else hot
    run = LayerRun(layer, [MAPS[:, :4, 0, 0], targets, weights], param_str="normalization: positives")
    rest = LayerRun(layer, [MAPS[kept, :4, 0, 0], targets[kept]], param_str="normalization: positives")
    np.testing.assert_allclose(run.forward()[0], rest.forward()[0])
    np.testing.assert_allclose(run.backward([3.7])[0][kept], rest.backward([3.7])[0])


@pytest.mark.parametrize("normalization", ["positives", "valid", "weights", "batch", "full"])
def test_class_labels_are_one_hot_targets(normalization):
    """0 is the background, and -1 leaves out every class of its position."""
    labels = rng.randint(-1, 7, (5, 1, 3, 4))
    one_hot, weights = (labels == np.arange(1, 7).reshape(6, 1, 1)).astype(float), (labels >= 0).astype(float)
    bottoms = [MAPS, one_hot, weights]
    hot = LayerRun(SigmoidFocalLoss, bottoms, param_str=f"normalization: {normalization}")
    param_str = f"{{targets: classes, ignore_label: -1, normalization: {normalization}}}"
    run = LayerRun(SigmoidFocalLoss, [MAPS, labels, np.ones((5, 1, 3, 4))], param_str=param_str)
    np.testing.assert_allclose(run.forward()[0], hot.forward()[0], rtol=1e-13)
    np.testing.assert_allclose(run.backward([3.7])[0], hot.backward([3.7])[0], rtol=1e-13)
    with pytest.raises(ValueError, match=r"label 7 at index \(0, 0, 0, 0\) is outside \[0, 7\)"):
        LayerRun(SigmoidFocalLoss, [MAPS, np.full((5, 1, 3, 4), 7)], param_str=param_str).forward()
