"""YOLO's losses: darknet's rules, written as its loops have them, PyTorch's errors, and what is refused."""

import math

import numpy as np
import pytest

from caffe_pylayers._layer.detection.box_similarity import (
    SIMILARITIES,
    box_similarities,
    box_similarity_backward,
    box_similarity_forward,
    darknet_similarity_backward,
)
from caffe_pylayers.testing import LayerRun
from caffe_pylayers.yolo_losses import RegionLoss, Yolov3Loss, match_anchors
from tests.layers.cases.yolo_losses import V2, V3, labels, maps
from tests.layers.test_yolo import iou, sigma

TRUTHS = [[row for row in image[0] if row[3]] for image in labels]


def box_at(t, i, j, anchor, grid, image):
    w, h = (math.exp(t[2 + k]) * anchor[k] / image[k] for k in range(2))
    return [(i + sigma(t[0])) / grid[0], (j + sigma(t[1])) / grid[1], w, h]


def codes_of(truth, i, j, anchor, grid, image):
    x, y, w, h = truth[1:]
    return x * grid[0] - i, y * grid[1] - j, math.log(w * image[0] / anchor[0]), math.log(h * image[1] / anchor[1])


class Darknet:
    """The gradient of a map, sample by sample, cell by cell and truth by truth."""

    def __init__(self, anchors, image):
        self.t = maps.reshape(2, len(anchors), 7, 3, 4)
        self.delta, self.anchors, self.grid, self.image = np.zeros_like(self.t), anchors, (4, 3), image

    def no_objects(self, thresh, error):
        for b, n, j, i in np.ndindex(2, len(self.anchors), 3, 4):
            t = self.t[b, n, :, j, i]
            box = box_at(t, i, j, self.anchors[n], self.grid, self.image)
            if max(iou(box, truth[1:]) for truth in TRUTHS[b]) <= thresh:
                self.delta[b, n, 4, j, i] = error(sigma(t[4]))

    def truths(self):
        """Yield (truth, n, t, delta, i, j) for each, with the anchor n most like it."""
        for b in range(2):
            for truth in TRUTHS[b]:
                i, j = int(truth[1] * 4), int(truth[2] * 3)
                of_size = [[0, 0, w / self.image[0], h / self.image[1]] for w, h in self.anchors]
                n = int(np.argmax([iou([0, 0, *truth[3:]], box) for box in of_size]))
                yield truth, n, self.t[b, n, :, j, i], self.delta[b, n, :, j, i], i, j


@pytest.mark.parametrize(("logic", "smooth"), [(False, 0), (False, 0.1), (True, 0.1)])
def test_yolov3_as_mobilenet_yolo(logic, smooth):
    anchors, image = [(10, 14), (30, 20)], (128, 96)
    darknet = Darknet(anchors, image)
    darknet.no_objects(0.2, lambda p: p)
    for truth, n, t, delta, i, j in darknet.truths():
        scale = 2 * (2 - truth[3] * truth[4])
        for k, code in enumerate(codes_of(truth, i, j, anchors[n], (4, 3), image)):
            delta[k] = scale * ((sigma(t[k]) if k < 2 else t[k]) - code)
        delta[4] = (sigma(t[4]) - 1) * (5 if logic else 1)
        found_before = delta[5 + int(truth[0])] != 0
        for c in [int(truth[0])] if found_before else range(2):
            target = (1 - smooth) * (c == truth[0]) + smooth / 2
            delta[5 + c] = 0.7 * (sigma(t[5 + c]) - target)
    gradient = darknet.delta.copy()
    if logic:
        p = 1 / (1 + np.exp(-darknet.t[:, :, [0, 1, 4, 5, 6]]))
        gradient[:, :, [0, 1, 4, 5, 6]] *= p * (1 - p)
    text = (
        f"{V3}, coord_scale: 2, class_scale: 0.7, thresh: 0.2, object_scale: {5 if logic else 1}, "
        f"use_logic_gradient: {str(logic).lower()}, label_smoothing: {smooth}"
    )
    for legacy in (True, False):
        run = LayerRun(Yolov3Loss, [maps, labels], param_str=f"{{{text}, legacy_version: {str(legacy).lower()}}}")
        (loss,) = run.forward()
        if legacy:
            assert loss[0] == pytest.approx((darknet.delta**2).sum() / 2, rel=1e-12)
        np.testing.assert_allclose(run.backward([3])[0].ravel(), 3 * gradient.ravel() / 2, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("rescore", [True, False])
def test_yolov2_as_mobilenet_yolo(rescore):
    anchors = [(0.4, 0.5), (1.2, 1)]
    darknet = Darknet(anchors, (4, 3))
    darknet.no_objects(0.2, lambda p: 0.5 * p * p * (1 - p))
    for truth, n, t, delta, i, j in darknet.truths():
        scale = 2 if rescore else 2 * (2 - truth[3] * truth[4])
        for k, code in enumerate(codes_of(truth, i, j, anchors[n], (4, 3), (4, 3))):
            p = sigma(t[k])
            delta[k] = scale * ((p - code) * p * (1 - p) if k < 2 else t[k] - code)
        p = sigma(t[4])
        like = iou(box_at(t, i, j, anchors[n], (4, 3), (4, 3)), truth[1:])
        delta[4] = 5 * (p - (like if rescore else 1)) * p * (1 - p)
        delta[5:] = 0.7 * (np.exp(t[5:]) / np.exp(t[5:]).sum() - (np.arange(2) == truth[0]))
    text = (
        f"{{{V2}, coord_scale: 2, class_scale: 0.7, thresh: 0.2, object_scale: 5, noobject_scale: 0.5, "
        f"rescore: {str(rescore).lower()}, legacy_version: true}}"
    )
    run = LayerRun(RegionLoss, [maps, labels], param_str=text)
    assert run.forward()[0][0] == pytest.approx((darknet.delta**2).sum() / 2, rel=1e-12)
    np.testing.assert_allclose(run.backward([1])[0].ravel(), darknet.delta.ravel() / 2, rtol=1e-10, atol=1e-14)


def test_pytorch_s_errors():
    """One truth at the last cell, of 2 images: PyTorch's cross entropies and squared errors of it and all others."""
    torch = pytest.importorskip("torch")
    truth = np.zeros((2, 1, 2, 5))
    truth[1, 0, 0] = [1, 0.9, 0.8, 30 / 128, 20 / 96]  # anchor 1, at the column 3, 0.6 on, and the row 2, 0.4 on
    t = torch.tensor(maps.reshape(2, 2, 7, 3, 4), requires_grad=True)
    at, ce = t[1, 1, :, 2, 3], torch.nn.functional.binary_cross_entropy_with_logits
    objects = torch.zeros((2, 2, 3, 4), dtype=torch.float64)
    objects[1, 1, 2, 3] = 1
    scale = 2 - 30 / 128 * 20 / 96
    loss = ce(t[:, :, 4], objects, reduction="sum")
    loss = loss + ce(at[5:], torch.tensor([0.05, 0.95], dtype=torch.float64), reduction="sum")
    loss = loss + scale * ce(at[:2], torch.tensor([0.6, 0.4], dtype=torch.float64), reduction="sum")
    loss = (loss + scale * (at[2:4] ** 2).sum() / 2) / 2
    loss.backward()
    run = LayerRun(Yolov3Loss, [maps, truth], param_str=f"{{{V3}, thresh: 1, label_smoothing: 0.1}}")
    assert run.forward()[0][0] == pytest.approx(loss.item(), rel=1e-12)
    np.testing.assert_allclose(run.backward([1])[0].ravel(), t.grad.ravel(), rtol=1e-10, atol=1e-14)


def test_what_finds_a_truth():
    similarity = np.array([[0.1, 0.6, 0.7, 0.2], [0.9, 0.6, 0.1, 0.1], [0, 0, 0, 0]])
    mask = np.array([1, 2])
    assert [found.tolist() for found in match_anchors(similarity, mask, 1.0)] == [[0], [1]]
    assert [found.tolist() for found in match_anchors(similarity, mask, 0.5)] == [[0, 0, 1], [1, 0, 0]]
    # Of the first truth the best one's place in the mask, 1, is left out for it: anchor 2 is taken twice.
    assert [found.tolist() for found in match_anchors(similarity, mask, 0.5, True)] == [[0, 0, 1], [1, 1, 0]]


def test_ssd_s_labels_are_the_same():
    rows = [
        [b, c + 1, 0, x - w / 2, y - h / 2, x + w / 2, y + h / 2, 0] for b in range(2) for c, x, y, w, h in TRUTHS[b]
    ]
    for layer, text in ((Yolov3Loss, V3), (RegionLoss, V2)):
        one, two = (
            LayerRun(layer, [maps, given], param_str=f"{{{text}}}", tops=2).forward()
            for given in (labels, np.array(rows)[None, None])
        )
        np.testing.assert_allclose(one[0], two[0], rtol=1e-12)
        np.testing.assert_allclose(one[1], two[1], rtol=1e-12)


def test_scores():
    """No error at all: the object and its class are sure, the box is the truth."""
    t = np.zeros((1, 7, 1, 1))
    t[0, 4:6] = 50
    t[0, 6] = -50
    run = LayerRun(
        Yolov3Loss, [t, [[[[0, 0.5, 0.5, 0.25, 0.5]]]]], param_str="{num_classes: 2, anchors: [8, 16]}", tops=2
    )
    assert run.forward()[1] == pytest.approx([1, 1, 1, 1, 1, 1, 1])


# --- boxes ---------------------------------------------------------------------------------------

rng = np.random.RandomState(3)
BOXES, OTHERS = (np.concatenate([rng.rand(40, 2), 0.1 + 0.5 * rng.rand(40, 2)], 1) for _ in range(2))


@pytest.mark.parametrize("kind", SIMILARITIES)
def test_similarities_by_the_papers_formulas(kind):
    torch = pytest.importorskip("torch")
    a, b = torch.tensor(BOXES, requires_grad=True), torch.tensor(OTHERS)
    low, high = (f(a[:, :2] + s * a[:, 2:] / 2, b[:, :2] + s * b[:, 2:] / 2) for f, s in
                 ((torch.maximum, -1), (torch.minimum, 1)))  # fmt: skip
    around = torch.maximum(a[:, :2] + a[:, 2:] / 2, b[:, :2] + b[:, 2:] / 2) - torch.minimum(
        a[:, :2] - a[:, 2:] / 2, b[:, :2] - b[:, 2:] / 2
    )
    shared = (high - low).clamp(min=0).prod(1)
    union = a[:, 2:].prod(1) + b[:, 2:].prod(1) - shared
    expected = shared / union
    v = 4 / math.pi**2 * (torch.atan(a[:, 2] / a[:, 3]) - torch.atan(b[:, 2] / b[:, 3])) ** 2
    alpha = v / (1 - expected + v + 1e-6)
    if kind == "giou":
        expected = expected - 1 + union / around.prod(1)
    if kind in ("diou", "ciou"):
        expected = expected - ((a[:, :2] - b[:, :2]) ** 2).sum(1) / (around**2).sum(1)
    if kind == "ciou":
        expected = expected - alpha * v
    expected.sum().backward()
    assert box_similarity_forward(BOXES, OTHERS, kind) == pytest.approx(expected.detach().numpy(), abs=1e-12)
    assert box_similarity_backward(BOXES, OTHERS, kind) == pytest.approx(a.grad.numpy(), abs=1e-9)


@pytest.mark.parametrize("kind", SIMILARITIES)
def test_similarities_of_each_with_each(kind):
    found = box_similarities(BOXES[:5], OTHERS[:3], kind)
    assert found.shape == (5, 3)
    for i, j in np.ndindex(5, 3):
        assert found[i, j] == pytest.approx(box_similarity_forward(BOXES[i], OTHERS[j], kind), rel=1e-12)


def test_darknets_gradients_by_hand():
    """Boxes that meet: of an IoU, twice w's and h's; x1 alone of the second box around both, half of it shared."""
    meet = np.array([[0.5, 0.5, 0.4, 0.4]]), np.array([[0.6, 0.55, 0.4, 0.3]])
    true, found = (f(*meet, "iou") for f in (box_similarity_backward, darknet_similarity_backward))
    assert found == pytest.approx(true * [1, 1, 2, 2])
    # w: x1 = 0 and 0.2 apart, c = (0.5, 0.2), d**2 = 0.09, c**2 = 0.29; x moves the box around both by -1, w by 1 / 2
    apart = np.array([[0.1, 0.1, 0.2, 0.2]]), np.array([[0.4, 0.1, 0.2, 0.2]])
    far, c = 0.09 / 0.29, 0.29
    expected = [(2 * 0.3 + far * 2 * 0.5) / c, 0, far * 0.5 / c, 0]
    assert darknet_similarity_backward(*apart, "diou")[0] == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["giou", "ciou"])
def test_an_iou_s_loss_in_mobilenet_yolo(kind):
    """The first image alone, its last truth: iou_normalizer (1 - IoU) / 1 match, and darknet's gradient."""
    bottoms = [maps[:1], labels[:1, :, 2:3]]
    text = f"{V3}, iou_loss: {kind}, iou_normalizer: 0.5, thresh: 1"
    run = LayerRun(Yolov3Loss, bottoms, param_str=f"{{{text}, legacy_version: true}}")
    (loss,) = run.forward()
    gradient = run.backward([1])[0]
    t = maps[0].reshape(2, 7, 3, 4)[1, :, 0, 3]
    box, truth = np.array([box_at(t, 3, 0, (30, 20), (4, 3), (128, 96))]), bottoms[1][0, 0, :, 1:]
    errors = np.delete(gradient.reshape(2, 7, 12), slice(0, 4), 1)
    like = box_similarity_forward(box, truth, kind)[0]
    assert loss[0] == pytest.approx((errors**2).sum() + 0.5 * (1 - like))
    expected = -0.5 * darknet_similarity_backward(box, truth, kind)[0] * [1, 1, *np.exp(t[2:4])]
    assert gradient.reshape(2, 7, 3, 4)[1, :4, 0, 3] == pytest.approx(expected)
    bounded = LayerRun(Yolov3Loss, bottoms, param_str=f"{{{text}, legacy_version: true, max_delta: 0.01}}")
    bounded.forward()
    assert abs(bounded.backward([1])[0].reshape(2, 7, 3, 4)[1, :4, 0, 3]).max() == pytest.approx(0.01)


@pytest.mark.parametrize("kind", SIMILARITIES)
def test_a_size_beyond_all_has_no_gradient_of_an_iou(kind):
    """Beyond t_w = 30, where the box grows no further."""
    t = np.zeros((1, 7, 1, 1))
    t[0, 2:4, 0, 0] = 31, 0.3
    bottoms = t, [[[[0, 0.5, 0.5, 0.25, 0.5]]]]
    run = LayerRun(Yolov3Loss, bottoms, param_str=f"{{num_classes: 2, anchors: [8, 16], iou_loss: {kind}}}")
    run.forward()
    d_t = run.backward([1])[0].ravel()
    assert d_t[2] == 0
    assert d_t[3] != 0


def test_what_is_focused():
    """Darknet's factor of the classes, from its truth's probability."""
    run = LayerRun(Yolov3Loss, [maps[1:], labels[1:]], param_str=f"{{{V3}, use_focal_loss: true}}")
    run.forward()
    found = run.backward([1])[0]
    t = maps[1].reshape(2, 7, 3, 4)[1, :, 2, 0]
    p, q = sigma(t[5]), sigma(t[6])
    factor = (1 - p) * (1 - p - 2 * p * math.log(p)) / 2
    assert found.reshape(2, 7, 3, 4)[1, 5:, 2, 0] == pytest.approx([factor * (p - 1), factor * q])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.full((2, 1, 1, 5), 2.0), "class 2 at index 0 is outside"),
        (np.full((2, 1, 1, 5), np.nan), "must be|no integer"),
        (np.full((2, 1, 1, 5), -1.0) * [0, 1, 1, 1, 1], "a width and a height above 0"),
        (np.zeros((1, 1, 1, 5)), r"must have shape \(2, 1, G, 5\) or \(1, 1, G, 8\), got \(1, 1, 1, 5\)"),
        (np.zeros((2, 3)), r"must have shape \(2, 1, G, 5\)"),
    ],
)
def test_labels_that_are_refused(given, message):
    with pytest.raises(ValueError, match=f"^RegionLoss: .*{message}"):
        LayerRun(RegionLoss, [maps, given], param_str=f"{{{V2}}}").forward()


def test_what_is_ignored_may_be_anything():
    broken = maps.copy()
    broken.reshape(2, 2, 7, 3, 4)[1, :, 5:, 0] = np.nan  # classes where nothing is found
    for layer, text in ((Yolov3Loss, V3), (RegionLoss, V2)):
        one, two = (LayerRun(layer, [given, labels], param_str=f"{{{text}}}") for given in (maps, broken))
        assert one.forward()[0] == two.forward()[0]
        np.testing.assert_array_equal(one.backward([1])[0], two.backward([1])[0])
