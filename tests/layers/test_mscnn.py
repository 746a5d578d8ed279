"""Proposals of MS-CNN and Cascade R-CNN: box by box as their Caffes have it, and what they refuse."""

import math

import numpy as np
import pytest

from caffe_pylayers.mscnn import BoxGroupOutput, BoxOutput, DecodeBBox, FrcnnOutput
from caffe_pylayers.testing import LayerRun

rng = np.random.RandomState(6)


def kept_of(boxes, iou_thr, plus_one, most):
    """Greedy suppression, pair by pair; boxes: (score, x1, y1, x2, y2)."""

    def area(x1, y1, x2, y2):
        return max(x2 - x1 + plus_one, 0) * max(y2 - y1 + plus_one, 0)

    kept = []
    for score, *box in sorted(boxes, reverse=True):
        for _, *other in kept:
            shared = area(*(f(a, b) for f, a, b in zip((max, max, min, min), box, other)))
            if shared / (area(*box) + area(*other) - shared) > iou_thr:
                break
        else:
            kept.append((score, *box))
    return kept[: most or None]


def coded(deltas, row, column, anchor, stride, xyr, whr):
    """The middle and the size of a box on both axes."""
    found = []
    for axis, place in enumerate((column, row)):
        shift = min(max(deltas[axis], -1 / xyr), 1 / xyr)
        log = min(max(deltas[2 + axis], -math.log(whr)), math.log(whr))
        found.append((shift * anchor[axis] + (place + 0.5) * stride, anchor[axis] * math.exp(log)))
    return found


def test_a_box_of_each_cell():
    maps = [rng.standard_normal((2, 7, 4, 5)), rng.standard_normal((2, 7, 2, 3))]
    anchors, strides = [(26, 34), (42, 50)], [8, 16]
    expected = []
    for image in range(2):
        boxes = []
        for each, anchor, stride in zip(maps, anchors, strides):
            height, width = each.shape[2:]
            for row, column in np.ndindex(height, width):
                values = each[image, :, row, column]
                (x, w), (y, h) = coded(values[3:], row, column, anchor, stride, 1.5, 3)
                left, top = max(x - w / 2, 0), max(y - h / 2, 0)
                w, h = min(w, width * stride - left), min(h, height * stride - top)
                score = max(values[1:3]) - values[0]
                if score >= -0.5 and min(w, h) >= 9:
                    boxes.append((score, left, top, left + w, top + h))
        expected += [(image, *box, score) for score, *box in kept_of(boxes, 0.4, 0, 9)]
    text = {
        "field_w": [26, 42], "field_h": [34, 50], "stride": [8, 16], "conf_thr": -0.5, "iou_thr": 0.4,
        "field_xyr": 1.5, "field_whr": 3, "min_size": 9, "max_post_nms_num": 9,
    }  # fmt: skip
    rois, scored = LayerRun(BoxOutput, maps, param_str=str(text), tops=2).forward()
    np.testing.assert_allclose(scored[:, :, 0, 0], expected)
    np.testing.assert_array_equal(rois, scored[:, :5])


def test_boxes_of_each_cell():
    probabilities, deltas = rng.rand(4, 2, 3, 5), rng.standard_normal((4, 4, 3, 5))
    anchors, std = [(26, 22), (42, 34)], (0.1, 0.1, 0.2, 0.2)
    expected = []
    for image in range(2):
        boxes = []
        for group, row, column in np.ndindex(2, 3, 5):
            n = image * 2 + group
            (x, w), (y, h) = coded(deltas[n, :, row, column] * std, row, column, anchors[group], 8, 2, 2)
            x, y = x - w / 2, y - h / 2
            box = max(x, 0), max(y, 0), min(x + w - 1, 40), min(y + h - 1, 24)
            score = 1 - probabilities[n, 0, row, column]
            if score >= 0.3 and min(box[2] - box[0], box[3] - box[1]) + 1 >= 15:
                boxes.append((score, *box))
        expected += [(image, *box, score) for score, *box in kept_of(boxes, 0.5, 1, 0)]
    text = {"field_w": [[26, 42]], "field_h": [[22, 34]], "stride": [8], "conf_thr": 0.3, "bbox_std": std}
    _, scored = LayerRun(BoxGroupOutput, [probabilities, deltas], param_str=str(text), tops=2).forward()
    np.testing.assert_allclose(scored[:, :, 0, 0], expected)


def test_no_box_at_all():
    text = "{field_w: [26], field_h: [34], stride: [8], conf_thr: 99}"
    rois, scored = LayerRun(BoxOutput, [rng.standard_normal((1, 6, 2, 2))], param_str=text, tops=2).forward()
    assert rois.ravel().tolist() == [0, 1, 1, 10, 10]
    assert scored.ravel().tolist() == [0] * 6


def test_the_next_stage():
    rois = [[0, 10, 10, 29, 29], [1, 0, 0, 9, 19], [0, 5, 5, 4, 3]]
    deltas = np.zeros((3, 8))
    deltas[:, 4:] = [[1, 0, 0, 0], [0, -1, math.log(2), 0], [0, 0, 0, 0]]
    moved = [[0, 12, 10, 31, 29], [1, -5, -2, 14, 17], [0, 5, 5, 4, 3]]
    text = "{bbox_std: [0.1, 0.1, 1, 1]}"
    for phase, objects, kept in ((1, None, [0, 1, 2]), (0, None, [0, 1]), (0, [[0.95], [0.9], [0.1]], [1])):
        bottoms = [deltas, rois] if objects is None else [deltas, rois, objects]
        (found,) = LayerRun(DecodeBBox, bottoms, param_str=text, phase=phase).forward()
        np.testing.assert_allclose(found[:, :, 0, 0], np.array(moved)[kept], atol=1e-12)
    with pytest.raises(ValueError, match=r"^DecodeBBox: none of the 1 ROIs is left"):
        LayerRun(DecodeBBox, [deltas[:1], rois[:1], [[1.0]]]).forward()


@pytest.mark.parametrize(
    ("roi", "expected"),
    [
        ([10, 5, 29, 14], [10, 5, 29, 14]),
        ([-9, -9, 9, 9], [0, 0, 9, 9]),
        ([50, 10, 79, 39], [50, 10, 60, 20]),  # a pixel beyond the last one
        ([60, 10, 79, 39], [60, 10, 60, 20]),
        ([100, 100, 129, 129], None),
        ([-30, 0, -11, 9], None),
        ([0, -30, 9, -11], None),
    ],
)
def test_detections_are_on_the_image(roi, expected):
    bottoms = [[[0.25, 0.75]], np.zeros((1, 8)), [[0, *roi]], [[20, 60]]]
    found = LayerRun(FrcnnOutput, bottoms).forward()[0][:, :, 0, 0].tolist()
    assert found == [[0] + [-1] * 6] + ([[0, *expected, 1, 0.75]] if expected else [])


def test_what_is_outside_suppresses_nothing():
    rois = [[0, 100, 0, 129, 9], [0, 0, 0, 9, 9]]
    bottoms = [[[0.1, 0.9], [0.4, 0.6]], np.zeros((2, 8)), rois, [[20, 60]]]
    found = LayerRun(FrcnnOutput, bottoms, param_str="{max_det_num: 1, iou_thr: 0}").forward()[0]
    assert found[1:, :, 0, 0].tolist() == [[0, 0, 0, 9, 9, 1, 0.6]]


@pytest.mark.parametrize("size", [[-5, 60], [20, 0], [np.nan, 60]])
def test_images_have_a_size(size):
    message = r"^FrcnnOutput: bottom\[3\] \(image_sizes\) must lie in \[1, "
    with pytest.raises(ValueError, match=message):
        LayerRun(FrcnnOutput, [[[0.25, 0.75]], np.zeros((1, 8)), [[0, 0, 0, 9, 9]], [size]]).forward()


ANCHOR = "field_w: [9], field_h: [9], stride: [8]"


@pytest.mark.parametrize(
    ("layer", "bottoms", "text", "message"),
    [
        (
            BoxOutput,
            [np.zeros((1, 6, 2, 2))],
            ANCHOR.replace("8", "8, 8"),
            "parameters field_w",
        ),
        (
            BoxOutput,
            [np.zeros((1, 5, 2, 2))],
            "field_w: [9], field_h: [9], stride: [8]",
            r"bottom\[0\] must be",
        ),
        (
            BoxGroupOutput,
            [np.zeros((2, 2, 2, 2)), np.zeros((2, 8, 2, 2))],
            "field_w: [[9, 9]], field_h: [[9, 9]], stride: [8]",
            r"bottom\[0\] and bottom\[1\] must be maps",
        ),
        (
            BoxGroupOutput,
            [np.zeros((2, 2, 2, 2)), np.zeros((2, 4, 2, 2))],
            "field_w: [[9, 9]], field_h: [[9]], stride: [8]",
            "parameters field_w, field_h and stride",
        ),
        (DecodeBBox, [np.zeros((2, 8)), np.zeros((3, 5))], "", r"bottom\[0\] \(deltas\) must have 3 rows"),
    ],
)
def test_refused(layer, bottoms, text, message):
    with pytest.raises(ValueError, match=f"^{layer.__name__}: {message}"):
        LayerRun(layer, bottoms, param_str=f"{{{text}}}")
