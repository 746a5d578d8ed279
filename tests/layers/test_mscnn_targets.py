"""What the stages of MS-CNN and Cascade R-CNN train on: ROI by ROI, random boxes, and what is refused."""

import math

import numpy as np
import pytest

from caffe_pylayers.mscnn_targets import HardMining, StageTarget, hardest_rois
from caffe_pylayers.testing import LayerRun

GT = [[0, 0, 0, 19, 9, 2, 0], [0, 40, 40, 59, 59, 1, 1], [1, 10, 10, 29, 29, 1, 0]]
ROIS = [
    [0, 0, 0, 19, 11],  # 0.83 of the first
    [0, 40, 40, 59, 57],  # of one to ignore
    [0, 0, 0, 9, 9],  # 0.5
    [0, 0, 0, 5, 9],  # 0.3
    [1, 80, 80, 89, 89],  # of none
    [1, 10, 10, 29, 24],  # 0.75 of the third
]
TEXT = {"num_classes": 3, "images": 2, "bbox_std": (0.1, 0.1, 0.2, 0.2), "fg_threshold": 0.6, "bg_thr_hg": 0.4}


def run(text, rois=ROIS, gt=GT, tops=6):
    return LayerRun(StageTarget, [rois, gt], param_str=str({**TEXT, **text}), tops=tops)


def test_roi_by_roi():
    found = run({"append_gtbox": False, "bg_thr_lw": 0.1}, tops=7).forward()
    rois, labels, targets, inside, outside, objects, weights = (top[:, :, 0, 0] for top in found)
    assert rois.tolist() == [ROIS[0], ROIS[5], ROIS[3]]
    assert labels[:, 0].tolist() == [2, 1, 0]
    expected = np.zeros((3, 3, 4))
    expected[0, 2] = [0, -1 / 12 / 0.1, 0, math.log(10 / 12) / 0.2]
    expected[1, 1] = [0, 2.5 / 15 / 0.1, 0, math.log(20 / 15) / 0.2]
    np.testing.assert_allclose(targets.reshape(3, 3, 4), expected, atol=1e-12)
    assert inside.reshape(3, 3, 4).any(2).tolist() == [[False, False, True], [False, True, False], [False] * 3]
    np.testing.assert_array_equal(inside, outside)
    np.testing.assert_allclose(objects, [[2, 0, 0, 19, 9, 10 / 12], [1, 10, 10, 29, 29, 0.75], [0] * 6])
    np.testing.assert_allclose(weights[:, 0], [0.375, 0.375, 2.25])  # a quarter of 3, by 2, and the rest


def test_objects_join_and_others_stand_in():
    rois, labels, *_, objects = (
        top[:, :, 0, 0] for top in run({"batch_size": 7, "fg_fraction": 0.5, "cls_aware": False}).forward()[:6]
    )
    gt = [row[:5] for row in GT]
    assert rois[:4].tolist() == [ROIS[0], ROIS[5], gt[0], gt[2]]
    assert labels[:, 0].tolist() == [2, 1, 2, 1, 0, 0, 0]
    assert rois[4:].tolist() == [ROIS[3], ROIS[2], ROIS[4]]  # background, then what is neither
    assert objects[2:4, 5].tolist() == [1, 1]


def test_random_boxes_fill_a_batch():
    text = {"batch_size": 40, "fg_fraction": 0.5, "img_width": 90, "img_height": 100, "seed": 1}
    rois = run(text).forward()[0][:, :, 0, 0]
    drawn = rois[7:]
    assert len(rois) == 40
    assert set(drawn[:, 0]) == {0, 1}
    assert (drawn[:, 3:] - drawn[:, 1:3] >= 31).all()
    assert (drawn[:, 1:] >= 0).all()
    assert len(run({**text, "fill_batch": False}).forward()[0]) == 7
    alone = run({**text, "batch_size": None}, np.zeros((0, 5)), -np.ones((1, 8))).forward()
    assert [len(top) for top in alone] == [1] * 6
    assert alone[1].ravel().tolist() == [0]


def test_limits_of_regression():
    found = run({"bbox_thr_lw": 0.8, "bbox_thr_hg": 0.9, "append_gtbox": False}).forward()
    assert found[3].reshape(-1, 12).any(1).tolist() == [True, False, False]
    assert found[2].reshape(-1, 12).any(1).tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("text", "rois", "gt", "message"),
    [
        ({"fg_threshold": 0.3}, ROIS, GT, "bg_thr_hg must not be above fg_threshold"),
        ({}, [[2, 0, 0, 9, 9]], GT, r"bottom\[0\] \(rois\) has the batch index 2"),
        ({}, ROIS, [[0, 0, 0, 9, 9, 3, 0]], r"class 3 at index 0 is outside \[0, 3\)"),
        ({}, ROIS, [[0, 0, 0, 9, 9, 0, 0]], "class 0 at index 0 is the background's"),
        ({}, ROIS, [[0, 9, 0, 0, 9, 1, 0]], r"bottom\[1\] \(gt_boxes\) must be boxes"),
        ({"batch_size": 99}, ROIS, GT, "needs img_width and img_height for 92 random boxes"),
    ],
)
def test_refused(text, rois, gt, message):
    with pytest.raises(ValueError, match=f"^StageTarget: {message}"):
        run(text, rois, gt).forward()


def test_images_full_of_one_object_have_no_room_for_random_boxes():
    text = {"batch_size": 9, "img_width": 50, "img_height": 50, "fg_threshold": 1e-9, "bg_thr_hg": 0}
    gt = [[0, 0, 0, 99, 99, 1, 0], [1, 0, 0, 99, 99, 1, 0]]
    with pytest.raises(ValueError, match=r"^StageTarget: finds no random box that overlaps no object by 1e-09"):
        run(text, ROIS[:1], gt).forward()


def test_hardest():
    losses, image = np.array([0.1, 0.5, 0.4, 0.3, 0.9]), np.array([0, 0, 0, 0, 1])
    assert hardest_rois(losses, image, 2, 2).tolist() == [1, 2, 3, 4]
    assert hardest_rois(losses, image, 2, 1).tolist() == [1, 4]
    assert hardest_rois(losses, image, 2, 9).tolist() == [0, 1, 2, 3, 4]
    for bottoms, text in (([[0.1, np.nan], ROIS[:2]], "{}"), ([[0.1, 0.2], ROIS[4:]], "{images: 1}")):
        with pytest.raises(ValueError, match=r"^HardMining: bottom\[[01]\]"):
            LayerRun(HardMining, bottoms, param_str=text).forward()


@pytest.mark.parametrize("losses", [[[0.1] * 5], [[0.1, 0.2]], [0.1, 0.2]])
def test_one_loss_for_each_roi(losses):
    message = r"^HardMining: bottom\[0\] must have one loss for each of 1 ROIs, got shape \(\d"
    with pytest.raises(ValueError, match=message):
        LayerRun(HardMining, [losses, ROIS[:1]])
