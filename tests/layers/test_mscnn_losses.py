"""Losses of MS-CNN's and Cascade R-CNN's proposals: against PyTorch's, the cells they sample, what they refuse."""

import math

import numpy as np
import pytest

from caffe_pylayers.mscnn_losses import DetectionGroupLoss, DetectionLoss
from caffe_pylayers.testing import LayerRun
from tests.layers.cases.mscnn_losses import labels, maps

STD, MEAN = (0.1, 0.2, 0.3, 0.4), (0.01, -0.02, 0.1, 0)
ONE = {"num_classes": 3, "field_w": [9], "field_h": [7], "stride": 8, "bbox_std": STD, "bbox_mean": MEAN}
TWO = {**ONE, "num_classes": 2, "field_w": [9, 15], "field_h": [7, 12], "objectness": True}


def by_torch(scores, deltas, truth, anchors, kept, weights=(1, 1), loc_weight=1.0, bound=0.69, shift=0.5, legacy=False):
    """The loss and its gradients: scores (M, C, H, W), deltas, truth (M, ..), anchors (M, 2), kept (M, H, W)."""
    torch = pytest.importorskip("torch")
    scores, deltas = (torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (scores, deltas))
    total, boxes, count, objects = 0, 0, int(kept.sum()), 0
    for m, y, x in zip(*np.nonzero(kept)):
        label = min(int(truth[m, 0, y, x]), scores.shape[1] - 1)
        entropy = torch.nn.functional.cross_entropy(scores[m, :, y, x][None], torch.tensor([label]))
        total = total + entropy * weights[label > 0]
        if not label:
            continue
        objects += 1
        cx, cy, w, h = truth[m, 1:5, y, x]
        middle = (x + 0.5) * 8, (y + 0.5) * 8
        code = [(c - mid) / f for c, mid, f in zip((cx, cy), middle, anchors[m])]
        code += [np.log(max(n, 2) / f) for n, f in zip((w, h), anchors[m])]
        for k in range(4):
            t = deltas[m, k, y, x] * STD[k] + MEAN[k]
            limit = bound if k > 1 else shift
            bounded = t.clamp(-limit, limit)
            bounded = t + (bounded - t).detach() if legacy else bounded
            boxes = boxes + torch.nn.functional.smooth_l1_loss(
                bounded / STD[k], torch.tensor(code[k] / STD[k], dtype=torch.float64), reduction="sum"
            )
    loss = total / max(count, 1) + loc_weight * boxes / max(4 * objects, 1)
    loss.backward()
    return loss.item(), scores.grad.numpy(), deltas.grad.numpy()


@pytest.mark.parametrize("legacy", [False, True])
def test_one_field_as_torch_has_it(legacy):
    bottoms, truth = 3 * maps(7, 2), labels(2)
    bottoms[:, 3:] *= 8  # some beyond their bounds
    kept = (truth[:, 0] > 0) | (truth[:, 5] < 0.5)
    count, objects = kept.sum(), (truth[:, 0] > 0).sum()
    weights = 0.8 * count / (count - objects), 0.2 * count / objects
    text = {**ONE, "sample_mode": "all", "loc_weight": 0.5, "field_whr": math.exp(0.69), "pos_neg_weighted": True}
    text["legacy_gradient"] = legacy
    anchors = np.array([[9, 7]] * 2)
    loss, d_scores, d_deltas = by_torch(
        bottoms[:, :3], bottoms[:, 3:], truth, anchors, kept, weights, 0.5, legacy=legacy
    )
    run = LayerRun(DetectionLoss, [bottoms, truth], param_str=str(text))
    np.testing.assert_allclose(run.forward()[0], loss, rtol=1e-9)
    np.testing.assert_allclose(run.backward([1])[0], np.concatenate([d_scores, d_deltas], 1), atol=1e-12)


def test_several_fields_as_torch_has_them():
    truth = labels(4)
    scores, deltas = maps(2, 4), 2 * maps(4, 4)
    kept = (truth[:, 0] > 0) | (truth[:, 5] < 0.5)
    anchors = np.array([[9, 7], [15, 12]] * 2)
    expected = by_torch(scores, deltas, truth, anchors, kept, bound=2, shift=1)
    text = {**TWO, "min_num_neg": 99, "field_xyr": 1, "field_whr": math.exp(2)}
    run = LayerRun(DetectionGroupLoss, [scores, deltas, truth], param_str=str(text))
    np.testing.assert_allclose(run.forward()[0], expected[0], rtol=1e-9)
    for ours, theirs in zip(run.backward([1]), expected[1:]):
        np.testing.assert_allclose(ours, theirs, atol=1e-12)


def kept_of(layer, bottoms, text):
    """Which cells the loss is of: (M, H, W), from the gradient of the scores."""
    run = LayerRun(layer, bottoms, param_str=str(text))
    run.forward()
    return run.backward([1])[0][:, 0] != 0


def test_the_highest_scores_of_the_background():
    bottoms, truth = maps(7, 2), labels(2, objects=0.1)
    text = {**ONE, "sample_mode": "bootstrap", "bg_multiple": 2, "bg_threshold": 0.7}
    expected = truth[:, 0] > 0
    for image in range(2):
        background = np.argwhere((truth[image, 0] == 0) & (truth[image, 5] < 0.7))
        for c in (1, 2):
            wanted = max(2 * int((truth[image, 0] == c).sum()), 4)
            hardest = sorted(background.tolist(), key=lambda cell, c=c: -bottoms[image, c, cell[0], cell[1]])
            for y, x in hardest[:wanted]:
                expected[image, y, x] = True
    np.testing.assert_array_equal(kept_of(DetectionLoss, [bottoms, truth], text), expected)


@pytest.mark.parametrize("mining", ["random", "bootstrap", "mixture"])
def test_batches_of_objects_and_background(mining):
    truth = labels(4, objects=0.4)
    scores = maps(2, 4)
    text = {**TWO, "batch_size": 8, "bg_multiple": 1, "neg_mining_type": mining, "bg_threshold": 0.95, "seed": 3}
    kept = kept_of(DetectionGroupLoss, [scores, maps(4, 4), truth], text)
    objects = truth[:, 0] > 0
    for image in (slice(0, 2), slice(2, 4)):
        assert (kept[image] & objects[image]).sum() == 4
        assert (kept[image] & ~objects[image]).sum() == 4
        hardness = (scores[image, 1] - scores[image, 0])[~objects[image] & (truth[image, 5] < 0.95)]
        chosen = (scores[image, 1] - scores[image, 0])[kept[image] & ~objects[image]]
        sure = {"random": 0, "bootstrap": 4, "mixture": 2}[mining]
        assert set(np.sort(hardness)[::-1][:sure]) <= set(chosen)


def test_random_cells_are_of_the_background_and_drawn_anew():
    bottoms, truth = maps(7, 1, 20, 20), labels(1, 20, 20, objects=0.01)
    run = LayerRun(DetectionLoss, [bottoms, truth], param_str=str({**ONE, "bg_multiple": 9, "seed": 1}))
    found = []
    for _ in range(2):
        run.forward()
        found.append(run.backward([1])[0][0, 0] != 0)
        assert not (found[-1] & (truth[0, 0] == 0) & (truth[0, 5] >= 0.5)).any()
        assert (found[-1] | (truth[0, 0] == 0)).all()
    assert (found[0] != found[1]).any()


def test_what_does_not_count_may_hold_anything():
    bottoms, truth = maps(7, 1), labels(1, objects=0)
    truth[0, 0, 0, 0], truth[0, 5, 1] = 1, 0.9
    clean = LayerRun(DetectionLoss, [bottoms, truth], param_str=str({**ONE, "sample_mode": "all"}))
    expected = clean.forward()[0], clean.backward([1])[0]
    bottoms[0, :, 1], bottoms[0, 3:, 2], truth[0, 1:5, 1:] = np.nan, np.inf, np.nan
    run = LayerRun(DetectionLoss, [bottoms, truth], param_str=str({**ONE, "sample_mode": "all"}))
    np.testing.assert_array_equal(run.forward()[0], expected[0])
    np.testing.assert_array_equal(run.backward([1])[0], expected[1])


def test_deltas_beyond_their_bounds_learn_as_in_the_forks_only_where_that_is_asked_for():
    truth = np.zeros((1, 6, 1, 1))
    truth[0, :, 0, 0] = 1, 4, 4, 8, 8, 0.9
    bottoms = np.zeros((1, 6, 1, 1))
    bottoms[0, 2:, 0, 0] = 0.6, -0.4, 0.8, -0.1
    text = {"num_classes": 2, "field_w": [8], "field_h": [8], "stride": 8, "sample_mode": "all"}
    for legacy, expected in ((False, [0, -0.1, 0, -0.025]), (True, [0.125, -0.1, math.log(2) / 4, -0.025])):
        run = LayerRun(DetectionLoss, [bottoms, truth], param_str=str({**text, "legacy_gradient": legacy}))
        run.forward()
        np.testing.assert_allclose(run.backward([1])[0][0, 2:, 0, 0], expected)


def test_the_weights_of_a_batch_without_objects():
    truth, scores = np.zeros((1, 6, 1, 1)), np.zeros((1, 2, 1, 1))
    text = {"num_classes": 2, "field_w": [8], "field_h": [8], "stride": 8, "pos_neg_weighted": True, "bg_multiple": 3}
    one = LayerRun(DetectionLoss, [np.zeros((1, 6, 1, 1)), truth], param_str=str({**text, "sample_mode": "all"}))
    several = LayerRun(DetectionGroupLoss, [scores, np.zeros((1, 4, 1, 1)), truth], param_str=str(text))
    np.testing.assert_allclose(one.forward()[0], math.log(2))
    np.testing.assert_allclose(several.forward()[0], 0.75 * math.log(2))


@pytest.mark.parametrize("ignored", [False, True])
def test_the_background_has_an_iou(ignored):
    truth = labels(1)
    truth[0, 0, 1, 2], truth[0, 5, 1, 2] = 255 if ignored else 0, np.nan
    run = LayerRun(DetectionLoss, [maps(7, 1), truth], param_str=str({**ONE, "ignore_label": 255}))
    if ignored:
        assert np.isfinite(run.forward()[0])
        return
    message = r"^DetectionLoss: the IoU of bottom\[1\] \(labels\) must be numbers, got nan at index \(0, 0, 1, 2\)"
    with pytest.raises(ValueError, match=message):
        run.forward()


WRONG = labels(1)
WRONG[0, 0, 1, 2] = 3


@pytest.mark.parametrize(
    ("layer", "bottoms", "text", "message"),
    [
        (DetectionLoss, [maps(6, 1), labels(1)], ONE, r"bottoms must have shapes \(N, C \+ 4, H, W\)"),
        (DetectionLoss, [maps(7, 1), WRONG], ONE, r"label 3 at index \(0, 0, 1, 2\) is outside \[0, 3\)"),
        (
            DetectionLoss,
            [maps(7, 1), labels(1)],
            {**ONE, "field_w": [9, 9]},
            "parameters field_w and field_h must",
        ),
        (
            DetectionGroupLoss,
            [maps(2, 3), maps(4, 3), labels(3)],
            TWO,
            r"bottoms must have shapes \(N G, C, H, W\), .* G = 2 anchors",
        ),
        (
            DetectionGroupLoss,
            [maps(2, 2), maps(4, 2), labels(2)],
            {**TWO, "field_xyr": 1},
            "takes the parameters field_xyr and field_whr together, got 1.0 and None",
        ),
    ],
)
def test_refused(layer, bottoms, text, message):
    with pytest.raises(ValueError, match=f"^{layer.__name__}: {message}"):
        LayerRun(layer, bottoms, param_str=str(text)).forward()
