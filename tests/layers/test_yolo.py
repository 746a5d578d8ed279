"""YOLO's detections: darknet's formulas, written as its loops have them, and what is refused."""

import math

import numpy as np
import pytest

from caffe_pylayers.testing import LayerRun
from caffe_pylayers.yolo import YoloDetectionOutput, YoloEvaluate, Yolov3DetectionOutput

rng = np.random.RandomState(5)


def sigma(x):
    return 1 / (1 + math.exp(-x))


def iou(a, b):
    """Of boxes x, y, w, h."""
    width = min(a[0] + a[2] / 2, b[0] + b[2] / 2) - max(a[0] - a[2] / 2, b[0] - b[2] / 2)
    height = min(a[1] + a[3] / 2, b[1] + b[3] / 2) - max(a[1] - a[3] / 2, b[1] - b[3] / 2)
    shared = max(width, 0) * max(height, 0)
    return shared / (a[2] * a[3] + b[2] * b[3] - shared)


def candidates(one, anchors, image, classes, threshold, v3):
    """Yield (score, class, box) of one image's map (A (5 + C), H, W); image: its width and height in the anchors'."""
    _, height, width = one.shape
    for j, i, n in np.ndindex(height, width, len(anchors)):
        t = one[n * (5 + classes) : (n + 1) * (5 + classes), j, i]
        box = [
            (i + sigma(t[0])) / width,
            (j + sigma(t[1])) / height,
            math.exp(t[2]) * anchors[n][0] / image[0],
            math.exp(t[3]) * anchors[n][1] / image[1],
        ]
        if v3:
            found = [(sigma(t[4]) * sigma(s), c) for c, s in enumerate(t[5:])]
            yield from ((score, c, box) for score, c in found if score > threshold)
        else:
            shares = np.exp(t[5:]) / np.exp(t[5:]).sum()
            score = sigma(t[4]) * shares.max()
            if score >= threshold:
                yield score, int(shares.argmax()), box


def rows(image, found, nms_threshold):
    kept = []
    for candidate in sorted(found, key=lambda row: -row[0]):
        if all(iou(candidate[2], other[2]) < nms_threshold for other in kept):
            kept.append(candidate)
    return [[image, c + 1, score, x - w / 2, y - h / 2, x + w / 2, y + h / 2] for score, c, (x, y, w, h) in kept]


@pytest.mark.parametrize("nms_threshold", [0.4, 1.5])
def test_yolov3_as_darknet(nms_threshold):
    anchors = [(10, 14), (23, 27), (37, 58), (81, 82)]
    mask, strides = [[2, 3], [0, 1]], [32, 16]
    maps = [rng.standard_normal((2, 16, 3, 4)), rng.standard_normal((2, 16, 6, 8))]
    expected = []
    for image in range(2):
        found = []
        for m, ids, stride in zip(maps, mask, strides):
            size = (m.shape[3] * stride, m.shape[2] * stride)
            found += candidates(m[image], [anchors[i] for i in ids], size, 3, 0.3, True)
        expected += rows(image, found, nms_threshold)
    text = (
        f"{{num_classes: 3, anchors: {np.ravel(anchors).tolist()}, mask: {np.ravel(mask).tolist()}, "
        f"strides: {strides}, confidence_threshold: 0.3, nms_threshold: {nms_threshold}}}"
    )
    (detected,) = LayerRun(Yolov3DetectionOutput, maps, param_str=text).forward()
    assert len(expected) > 20
    np.testing.assert_allclose(detected[0, 0], expected, rtol=1e-12, atol=1e-14)


def test_yolov2_as_darknet():
    anchors = [(1, 2), (0.6, 0.5)]
    maps = [rng.standard_normal((2, 14, 4, 4)), rng.standard_normal((2, 14, 3, 5))]
    expected = []
    for image in range(2):
        found = []
        for m in maps:
            found += candidates(m[image], anchors, m.shape[:1:-1], 2, 0.25, False)
        expected += rows(image, found, 0.5)
    text = "{num_classes: 2, anchors: [1, 2, 0.6, 0.5], confidence_threshold: 0.25, nms_threshold: 0.5}"
    (detected,) = LayerRun(YoloDetectionOutput, maps, param_str=text).forward()
    assert len(expected) > 10
    np.testing.assert_allclose(detected[0, 0], expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("legacy", [False, True])
def test_what_is_right_as_intel_has_it(legacy):
    """Its loops: of an image the boxes by class, each with the object it overlaps most."""
    anchors = [(2, 2), (1.5, 3)]
    maps = np.random.RandomState(1).standard_normal((2, 14, 4, 4))
    objects = [[0, 1, 0.5, 0.5, 0.5, 0.5], [0, 1, 0.2, 0.6, 0.4, 0.8], [1, 2, 0.3, 0.3, 0.5, 0.6]]
    seen = {True: 0, False: 0}
    expected = np.zeros((2, 2 + 4 * 32))
    for image in range(2):
        mine = [(c - 1, box) for i, c, *box in objects if i == image]
        for c, _ in mine:
            expected[image, c] += 1
        kept = []
        for candidate in sorted(candidates(maps[image], anchors, (4, 4), 2, 0.005, False), key=lambda row: -row[0]):
            if all(iou(candidate[2], other[2]) < 0.6 for other in kept):
                kept.append(candidate)
        taken = set()
        for k, (score, c, box) in enumerate(sorted(kept, key=lambda row: row[1])):
            overlaps = [(iou(box, other), i) for i, (of, other) in enumerate(mine) if of == c]
            best, which = max(overlaps, default=(-1, None))
            right = best >= 0.3 and which not in taken
            if right:
                taken.add(which)
            wrong = not right and (best >= 0.3 or not overlaps or not legacy)
            seen[right] += 1
            expected[image, 2 + 4 * k : 6 + 4 * k] = c, score, right, wrong
    assert seen[True] > 1
    assert seen[False] > 10
    rows = [[i, c, 0, x - w / 2, y - h / 2, x + w / 2, y + h / 2, 0] for i, c, x, y, w, h in objects]
    text = (
        "{num_classes: 2, anchors: [2, 2, 1.5, 3], nms_threshold: 0.6, overlap_threshold: 0.3, "
        f"legacy_version: {str(legacy).lower()}}}"
    )
    (top,) = LayerRun(YoloEvaluate, [maps, np.reshape(rows, (1, 1, 3, 8))], param_str=text).forward()
    np.testing.assert_allclose(top, expected, rtol=1e-12, atol=1e-14)


def test_a_gaussian_box_by_hand():
    """The deviations' logits 0 and one far above: their mean is (3 * 0.5 + 1) / 4."""
    t = np.array([0, 0, 1, 0, 0.5, 0, 0, 50, 2, 1]).reshape(1, 10, 1, 1)
    text = "{num_classes: 1, anchors: [10, 14], strides: [32], gaussian_box: true}"
    row = LayerRun(Yolov3DetectionOutput, [t], param_str=text).forward()[0].ravel()
    assert row[2] == pytest.approx(0.64391 * (1 - 2.5 / 4), abs=1e-5)
    assert row[3:] == pytest.approx([0.24239, 0.51231, 0.75761, 0.94981], abs=1e-5)


@pytest.mark.parametrize(("threshold", "count"), [(0.5, 1), (0.51, 2)])
def test_an_iou_of_the_threshold_is_too_much(threshold, count):
    """Two anchors at one cell, one half of the other."""
    t = np.array([0, 0, 0, 0, 2, 9, 0, 0, 0, 0, 1, 9.0]).reshape(1, 12, 1, 1)
    text = f"{{num_classes: 1, anchors: [16, 16, 16, 8], strides: [32], nms_threshold: {threshold}}}"
    assert LayerRun(Yolov3DetectionOutput, [t], param_str=text).forward()[0].shape == (1, 1, count, 7)


def test_nothing_is_detected():
    text = "{num_classes: 1, anchors: [10, 14], strides: [32]}"
    (top,) = LayerRun(Yolov3DetectionOutput, [np.full((2, 6, 1, 1), -9.0)], param_str=text).forward()
    assert top[0, 0].tolist() == [[0, -1, -1, -1, -1, -1, -1], [1, -1, -1, -1, -1, -1, -1]]


@pytest.mark.parametrize(
    ("layer", "bottoms", "text", "message"),
    [
        (
            YoloDetectionOutput,
            [np.zeros((1, 5, 2, 2))],
            "anchors: [1, 1]",
            r"\(N, 6, H, W\): 1 anchors of 6 values, got",
        ),
        (
            YoloDetectionOutput,
            [np.zeros((1, 6, 2, 2))],
            "anchors: [1, 1, 2]",
            "a width and a height for each anchor, got 3",
        ),
        (
            YoloDetectionOutput,
            [np.full((1, 6, 1, 1), np.nan)],
            "anchors: [1, 1]",
            r"bottom\[0\] \(maps\) must be finite",
        ),
        (
            Yolov3DetectionOutput,
            [np.zeros((1, 6, 2, 2))] * 2,
            "anchors: [1, 1, 2, 2], strides: [32, 16], mask: [0, 1, 1]",
            "as many of 2 anchors for each of 2 maps, got",
        ),
        (
            Yolov3DetectionOutput,
            [np.zeros((1, 6, 2, 2)), np.zeros((2, 6, 2, 2))],
            "anchors: [1, 1, 2, 2], strides: [32, 16]",
            r"of the same images, got \[1, 2\]",
        ),
    ],
)
def test_what_is_refused(layer, bottoms, text, message):
    with pytest.raises(ValueError, match=f"^{layer.__name__}: .*{message}"):
        LayerRun(layer, bottoms, param_str=f"{{num_classes: 1, {text}}}").forward()
