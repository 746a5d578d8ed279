"""Anchors and AnchorTarget: py-faster-rcnn's nine anchors, labels by their definition, and what they refuse."""

import math

import numpy as np
import pytest

from caffe_pylayers._layer.detection.anchor_boxes import generate_anchors
from caffe_pylayers.anchors import Anchors, AnchorTarget, anchor_labels
from caffe_pylayers.testing import LayerRun

# As its generate_anchors.py prints them.
NINE = [
    [-84, -40, 99, 55],
    [-176, -88, 191, 103],
    [-360, -184, 375, 199],
    [-56, -56, 71, 71],
    [-120, -120, 135, 135],
    [-248, -248, 263, 263],
    [-36, -80, 51, 95],
    [-80, -168, 95, 183],
    [-168, -344, 183, 359],
]


def test_the_nine_anchors():
    np.testing.assert_array_equal(generate_anchors(), NINE)
    (top,) = LayerRun(Anchors, [np.zeros((1, 1, 3, 4))]).forward()
    by_cell = top.reshape(3, 4, 9, 4)
    np.testing.assert_array_equal(by_cell[0, 0], NINE)
    np.testing.assert_array_equal(by_cell[2, 3], np.add(NINE, [48, 32, 48, 32]))


def test_exact_anchors():
    text = "{legacy_plus_one: false, scales: [2], ratios: [0.25, 4], base_size: 8, offset: 0.5, feat_stride: 10}"
    (top,) = LayerRun(Anchors, [np.zeros((1, 1, 1, 2))], param_str=text).forward()
    cell = np.array([[-12, 0, 20, 8], [0, -12, 8, 20]]) + 5.0
    np.testing.assert_allclose(top, np.concatenate([cell, np.add(cell, [10, 0, 10, 0])]))


def test_inside():
    bottoms = [np.zeros((1, 1, 2, 3)), [[32, 48, 1]]]
    text = "{scales: [1.25], ratios: [1], allowed_border: %d}"
    tops = [LayerRun(Anchors, bottoms, tops=2, param_str=text % border).forward()[1] for border in (0, 2)]
    assert tops[0].sum() == 0
    assert tops[1].tolist() == [1] * 6


def iou(a, b):
    """Of two boxes of whole pixels, as their definition reads."""
    shared = [min(a[i + 2], b[i + 2]) - max(a[i], b[i]) + 1 for i in range(2)]
    area = max(shared[0], 0) * max(shared[1], 0)
    return area / (sum((x[2] - x[0] + 1) * (x[3] - x[1] + 1) for x in (a, b)) - area)


def labels_one_by_one(anchors, boxes, size, high, low):
    labels, nearest = [], []
    inside = [x[0] >= 0 and x[1] >= 0 and x[2] < size[1] and x[3] < size[0] for x in anchors]
    found = [[iou(a, b) for b in boxes] for a in anchors]
    best_of = [max([row[g] for row, within in zip(found, inside) if within], default=0) for g in range(len(boxes))]
    for row, within in zip(found, inside):
        best = max(row, default=0)
        positive = best >= high or any(value == top > 0 for value, top in zip(row, best_of))
        labels.append(-1 if not within else 1 if positive else 0 if best < low else -1)
        nearest.append(row.index(best) if row else -1)
    return labels, nearest


def delta(a, b):
    (w, h), (v, u) = ([x[2] - x[0] + 1, x[3] - x[1] + 1] for x in (a, b))
    return (b[0] + v / 2 - a[0] - w / 2) / w, (b[1] + u / 2 - a[1] - h / 2) / h, math.log(v / w), math.log(u / h)


def test_targets_of_two_images():
    height, width, per_cell = 6, 7, 4
    gt = np.zeros((2, 3, 5))
    gt[0] = [[10, 12, 40, 45, 3], [50, 20, 90, 60, 1], [200, 200, 210, 210, 2]]  # the last beyond all anchors
    gt[1, 0] = [30, 30, 60, 50, 1]
    info = [[96, 112, 1], [90, 70, 2]]
    text = "{scales: [1, 2], ratios: [0.5, 1], RPN_BATCHSIZE: 1000, RPN_POSITIVE_OVERLAP: 0.5}"
    run = LayerRun(AnchorTarget, [np.zeros((2, 8, height, width)), gt, info], tops=4, param_str=text)
    labels, targets, inside, outside = run.forward()
    base = generate_anchors(16, (0.5, 1), (1, 2))
    anchors = [(base[a] + [16 * x, 16 * y] * 2).tolist() for y in range(6) for x in range(7) for a in range(4)]
    for i, boxes in enumerate((gt[0].tolist(), gt[1, :1].tolist())):
        expected, nearest = labels_one_by_one(anchors, boxes, info[i], 0.5, 0.3)
        cells = labels[i].reshape(per_cell, height, width).transpose(1, 2, 0).ravel()
        assert cells.tolist() == expected
        assert {-1, 0, 1} == set(expected)
        of_cells = [x[i].reshape(per_cell, 4, height, width).transpose(2, 3, 0, 1) for x in (targets, inside, outside)]
        target, weight, share = (x.reshape(-1, 4) for x in of_cells)
        for a, label in enumerate(expected):
            assert weight[a].tolist() == [label == 1] * 4
            np.testing.assert_allclose(share[a], (label >= 0) / np.sum(np.array(expected) >= 0))
            if label == 1:
                np.testing.assert_allclose(target[a], delta(anchors[a], boxes[nearest[a]]))


@pytest.mark.parametrize(("fraction", "positives"), [(0.5, 4), (0.25, 2), (1.0, 6)])
def test_a_sample(fraction, positives):
    gt = [[16 * i, 0, 16 * i + 15, 15, 1] for i in range(6)]
    text = f"scales: [1], ratios: [1], RPN_BATCHSIZE: 8, RPN_FG_FRACTION: {fraction}, RPN_POSITIVE_WEIGHT: 0.75"
    drawn = []
    for seed in (0, 1, 0):
        bottoms = [np.zeros((1, 2, 4, 10)), gt, [[64, 160, 1]]]
        run = LayerRun(AnchorTarget, bottoms, tops=4, param_str=f"{{{text}, seed: {seed}}}")
        labels, _, _inside, outside = (top.copy() for top in run.forward())
        assert ((labels == 1).sum(), (labels == 0).sum()) == (positives, 8 - positives)
        np.testing.assert_allclose(outside[:, 0].ravel()[labels.ravel() == 1], 0.75 / positives)
        np.testing.assert_allclose(outside[:, 0].ravel()[labels.ravel() == 0], 0.25 / (8 - positives))
        drawn.append(labels.tolist())
    assert drawn[0] == drawn[2] != drawn[1]


def test_labels_by_hand():
    found = np.array([[0.8, 0.1], [0.5, 0.2], [0.1, 0.25], [0.2, 0.0]])
    assert anchor_labels(found).tolist() == [1, -1, 1, 0]
    assert anchor_labels(found, clobber_positives=True).tolist() == [1, -1, 0, 0]
    assert anchor_labels(found * [1, 0]).tolist() == [1, -1, 0, 0]
    assert anchor_labels(found[:, :0]).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("gt", "info", "message"),
    [
        (
            np.ones((2, 5)),
            np.ones((2, 3)),
            r"bottom\[1\] \(gt_boxes\) of shape \(2, 5\) are of 1 image\(s\), got a batch of 2",
        ),
        (np.ones((1, 2, 5)), np.ones((2, 3)), "got a batch of 2"),
        ([[2, 0, 0, 9, 9, 1]], np.ones((2, 3)), "has the batch index 2 in row 0; it must be one of the 2 images"),
        ([[1, 0, 0, 9, -9, 1]], np.ones((2, 3)), r"a width and a height above 0, and finite, got \(0, 0, 9, -9\)"),
        ([[1, 0, 0, np.inf, 9, 1]], np.ones((2, 3)), r"\(gt_boxes\) must be finite, got inf at index \(0, 3\)"),
        ([[1, 0, 0, 9, 9, 1]], [[9, np.nan, 1]], r"\(im_info\) must be finite, got nan at index \(0, 1\)"),
        ([[1, 0, 0, 9, 9, 1]], np.ones((3, 3)), "must have 1 row, or one for each of 2 images, got 3"),
    ],
)
def test_refused(gt, info, message):
    with pytest.raises(ValueError, match=f"^AnchorTarget: .*{message}"):
        LayerRun(AnchorTarget, [np.zeros((2, 8, 4, 5)), gt, info], tops=4).forward()


def test_refused_maps():
    with pytest.raises(
        ValueError, match=r"^Anchors: bottom\[0\] \(features\) must be a map \(N, C, H, W\), got \(2, 3\)"
    ):
        LayerRun(Anchors, [np.zeros((2, 3))])
    with pytest.raises(ValueError, match=r"^Anchors: top\[1\] \(inside\) needs bottom\[1\] \(im_info\)"):
        LayerRun(Anchors, [np.zeros((1, 1, 2, 2))], tops=2)


@pytest.mark.parametrize("shape", [(0, 8, 4, 5), (2, 8, 0, 5), (2, 8, 4, 0)])
def test_empty_maps(shape):
    images, _, height, width = shape
    tops = LayerRun(AnchorTarget, [np.zeros(shape), np.zeros((images, 2, 5)), [[60, 60, 1]]], tops=4).forward()
    assert tops[0].shape == (images, 1, 9 * height, width)
    assert [top.shape for top in tops[1:]] == [(images, 36, height, width)] * 3
