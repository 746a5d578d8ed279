"""Proposal and ProposalTarget: the steps one by one, OpenCV's suppression, and what they refuse."""

import math

import numpy as np
import pytest

from caffe_pylayers._layer.detection.anchor_boxes import generate_anchors
from caffe_pylayers.proposals import Proposal, ProposalTarget
from caffe_pylayers.testing import LayerRun
from tests.layers.cases.proposals import deltas, im_info, scores
from tests.layers.test_anchors import delta, iou

SMALL = "scales: [1, 2], ratios: [0.5, 1]"
TEST = 1


def moved(anchor, by, size):
    """A box as py-faster-rcnn decodes and cuts it."""
    w, h = anchor[2] - anchor[0] + 1, anchor[3] - anchor[1] + 1
    x, y = anchor[0] + w / 2 + by[0] * w, anchor[1] + h / 2 + by[1] * h
    w, h = w * math.exp(by[2]), h * math.exp(by[3])
    ends = (size[1] - 1, size[0] - 1) * 2
    return [min(max(value, 0), end) for value, end in zip((x - w / 2, y - h / 2, x + w / 2, y + h / 2), ends)]


def proposed(image, least, before, after, threshold=0.7):
    base, found = generate_anchors(16, (0.5, 1), (1, 2)), []
    for y in range(4):
        for x in range(5):
            for a in range(4):
                by = deltas[image, 4 * a : 4 * a + 4, y, x]
                box = moved(base[a] + [16 * x, 16 * y] * 2, by, im_info[image])
                if min(box[2] - box[0], box[3] - box[1]) + 1 >= least * im_info[image, 2]:
                    found.append((scores[image, 4 + a, y, x], box))
    kept = []
    for score, box in sorted(found, reverse=True)[:before]:
        if all(iou(box, other) <= threshold for _, other in kept):
            kept.append((score, box))
    return kept[:after]


@pytest.mark.parametrize(("least", "before", "after"), [(0, 12000, 2000), (16, 30, 300), (10, 20, 5)])
def test_two_images(least, before, after):
    text = f"{{{SMALL}, RPN_MIN_SIZE: {least}, RPN_PRE_NMS_TOP_N: {before}, RPN_POST_NMS_TOP_N: {after}}}"
    rois, best = LayerRun(Proposal, [scores, deltas, im_info], tops=2, param_str=text).forward()
    expected = [(i, score, box) for i in range(2) for score, box in proposed(i, least, before, after)]
    np.testing.assert_allclose(rois, [[i, *box] for i, _, box in expected])
    np.testing.assert_allclose(best[:, 0], [score for _, score, _ in expected])


def test_defaults_by_phase():
    rng = np.random.RandomState(0)
    bottoms = [rng.rand(1, 9, 40, 40), np.zeros((1, 36, 40, 40)), [[640, 640, 1]]]
    counts = [
        len(LayerRun(Proposal, bottoms, phase=phase, param_str="RPN_NMS_THRESH: 1").forward()[0]) for phase in (0, TEST)
    ]
    assert counts == [2000, 300]


def test_suppression_is_opencvs():
    cv2 = pytest.importorskip("cv2")
    rng = np.random.RandomState(0)
    some = rng.rand(1, 9, 20, 20).astype(np.float32), rng.uniform(-0.3, 0.3, (1, 36, 20, 20)).astype(np.float32)
    options = "legacy_plus_one: false, RPN_PRE_NMS_TOP_N: 0, RPN_MIN_SIZE: 0"

    def run(threshold):
        text = f"{{{options}, RPN_NMS_THRESH: {threshold}, RPN_POST_NMS_TOP_N: 0}}"
        return LayerRun(Proposal, [*some, [[320, 320, 1]]], tops=2, param_str=text, dtype=np.float32).forward()

    everything, of_all = run(1)
    assert len(everything) == 3600
    wide = [(x1, y1, x2 - x1, y2 - y1) for _, x1, y1, x2, y2 in everything.tolist()]
    expected = cv2.dnn.NMSBoxes(wide, of_all[:, 0].tolist(), 0.0, 0.6).ravel()
    np.testing.assert_array_equal(run(0.6)[0], everything[expected])


def test_targets_by_hand():
    rois = [[0, 10, 10, 29, 29], [0, 12, 10, 31, 29], [0, 20, 10, 39, 29], [0, 200, 0, 209, 9]]
    text = "{num_classes: 4, BBOX_NORMALIZE_STDS: [0.1, 0.1, 0.2, 0.2], BBOX_INSIDE_WEIGHTS: [1, 2, 3, 0]}"
    run = LayerRun(ProposalTarget, [rois, [[10, 10, 29, 29, 3]]], tops=5, param_str=text)
    drawn, labels, targets, inside, outside = run.forward()
    # IoU 1, 0.82, 0.33, 0, and the object's own 1; 0 is below BG_THRESH_LO
    np.testing.assert_array_equal(drawn, [rois[0], rois[1], rois[0], rois[2]])
    assert labels.tolist() == [3, 3, 3, 0]
    expected = np.zeros((4, 16))
    expected[1, 12] = delta(rois[1][1:], rois[0][1:])[0] / 0.1
    np.testing.assert_allclose(targets, expected, atol=1e-12)
    np.testing.assert_array_equal(inside[:, 12:], [[1, 2, 3, 0]] * 3 + [[0] * 4])
    assert not inside[:, :12].any()
    np.testing.assert_array_equal(outside, inside > 0)


def test_images_and_their_objects_are_apart():
    rois = [[1, 0, 0, 9, 9], [0, 0, 0, 9, 9], [1, 50, 50, 59, 59]]
    gt = [[1, 0, 0, 9, 9, 2], [0, 50, 50, 59, 59, 1]]
    text = "{num_classes: 3, BG_THRESH_LO: 0, class_agnostic: true}"
    drawn, labels, _, inside, _ = LayerRun(ProposalTarget, [rois, gt], tops=5, param_str=text).forward()
    assert drawn[:, :2].tolist() == [[0, 50], [0, 0], [1, 0], [1, 0], [1, 50]]
    assert labels.tolist() == [1, 0, 2, 2, 0]
    assert inside.tolist() == [[0] * 4 + [int(label > 0)] * 4 for label in labels]


def test_a_sample():
    rois = np.tile([[0, 0, 0, 19, 19], [0, 10, 0, 29, 19]], (40, 1)).astype(float)
    rois[:, 1] += np.arange(80) / 1000  # to tell them
    drawn = []
    for seed in (0, 1, 0):
        text = f"{{num_classes: 2, BATCH_SIZE: 16, FG_FRACTION: 0.25, seed: {seed}}}"
        run = LayerRun(ProposalTarget, [rois, [[0, 0, 19, 19, 1]]], tops=5, param_str=text)
        found, labels = (top.copy() for top in run.forward()[:2])
        assert labels.tolist() == [1] * 4 + [0] * 12
        assert len(np.unique(found[:, 1])) == 16
        drawn.append(found.tolist())
    assert drawn[0] == drawn[2] != drawn[1]


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (
            [(1, 6, 4, 5), (1, 16, 4, 5), (1, 3)],
            r"bottom\[0\] \(scores\) must have 8 or 4 channels for 4 anchors, got 6",
        ),
        (
            [(1, 8, 4, 5), (1, 8, 4, 5), (1, 3)],
            r"bottom\[1\] \(deltas\) must have shape \(1, 16, 4, 5\), got \(1, 8, 4, 5\)",
        ),
        (
            [(3, 8, 4, 5), (3, 16, 4, 5), (2, 3)],
            r"bottom\[2\] \(im_info\) must have 1 row, or one for each of 3 images",
        ),
    ],
)
def test_refused_maps(shapes, message):
    with pytest.raises(ValueError, match=f"^Proposal: {message}"):
        LayerRun(Proposal, list(map(np.zeros, shapes)), param_str=f"{{{SMALL}}}")


@pytest.mark.parametrize(
    ("rois", "gt", "message"),
    [
        ([[1, 0, 0, 9, 9]], [[0, 0, 9, 9, 1]], r"bottom\[0\] \(rois\) has the batch index 1 in row 0; .* the 1 images"),
        ([[0, 0, 0, 9, 9]], [[0, 0, 9, 9, 5]], r"bottom\[1\] \(gt_boxes\) has the class 5, outside \[0, 4\)"),
        ([[0, 0, 0, 9, 9]], [[0, 9, 0, 0, 9, 1]], "a width and a height above 0"),
        ([[0, 0, 0, 9, 9]], [[0, 0, 9, np.inf, 1]], r"\(gt_boxes\) must be finite, got inf at index \(0, 3\)"),
        ([[0, 0, 0, 9, np.nan]], [[0, 0, 9, 9, 1]], r"\(rois\) must be finite, got nan at index \(0, 4\)"),
    ],
)
def test_refused_values(rois, gt, message):
    run = LayerRun(ProposalTarget, [rois, gt], tops=5, param_str="num_classes: 4")
    with pytest.raises(ValueError, match=f"^ProposalTarget: .*{message}"):
        run.forward()


def test_without_images_there_are_no_rows():
    run = LayerRun(ProposalTarget, [np.zeros((0, 5)), np.zeros((0, 4, 5))], param_str="num_classes: 4", tops=5)
    assert [len(top) for top in run.forward(before=7.25)] == [0] * 5


def test_the_largest_index_costs_nothing():
    rois, objects = [[1e9, 0, 0, 9, 9]], [[0, 0, 0, 9, 9, 1]]
    labels = LayerRun(ProposalTarget, [rois, objects], param_str="num_classes: 3", tops=5).forward()[1]
    assert labels.tolist() == [1]


@pytest.mark.parametrize("shape", [(0, 4, 5), (2, 0, 5), (2, 4, 0)])
def test_empty_maps(shape):
    images, *cells = shape
    bottoms = [np.zeros((images, 18, *cells)), np.zeros((images, 36, *cells)), [[60, 60, 1]]]
    assert [top.shape for top in LayerRun(Proposal, bottoms, tops=2).forward()] == [(0, 5), (0, 1)]


@pytest.mark.parametrize(
    ("which", "value", "message"),
    [
        (0, np.nan, r"bottom\[0\] \(scores\) must be numbers, got nan at index \(0, 5, 1, 2\)"),
        (1, np.inf, r"bottom\[1\] \(deltas\) must be finite, got inf at index \(0, 5, 1, 2\)"),
    ],
)
def test_what_has_no_rank_is_refused(which, value, message):
    bottoms = [scores[:1].copy(), deltas[:1].copy(), im_info[:1]]
    bottoms[which][0, 5, 1, 2] = value
    with pytest.raises(ValueError, match=f"^Proposal: {message}"):
        LayerRun(Proposal, bottoms, param_str=f"{{{SMALL}}}").forward()


def test_scores_of_background_are_not_looked_at():
    whole = LayerRun(Proposal, [scores, deltas, im_info], param_str=f"{{{SMALL}}}").forward()[0]
    unknown = scores.copy()
    unknown[:, :4] = np.nan
    np.testing.assert_array_equal(
        LayerRun(Proposal, [unknown, deltas, im_info], param_str=f"{{{SMALL}}}").forward()[0], whole
    )
