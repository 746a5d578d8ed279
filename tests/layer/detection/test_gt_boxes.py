"""Ground truth: every form gives the same objects."""

import numpy as np
import pytest

from caffe_pylayers._layer.detection import gt_boxes

LAYER = type("AnyLayer", (), {})()
ROWS = np.array([[0, 1, 2, 30, 40, 3, 0], [1, 5, 6, 70, 80, 1, 1]], float)  # index, box, class, difficult


def padded():
    blob = np.zeros((2, 3, 5))
    blob[0, 0], blob[1, 0] = ROWS[0, 1:6], ROWS[1, 1:6]
    return blob


def ssd():
    rows = np.column_stack([ROWS[:, 0], ROWS[:, 5], [0, 0], ROWS[:, 1:5], ROWS[:, 6]])
    return np.concatenate([rows, np.full((1, 8), -1.0)]).reshape(1, 1, 3, 8)


@pytest.mark.parametrize(
    ("blob", "flags"),
    [
        (ROWS, True),
        (ROWS[:, :6], False),
        (np.concatenate([ROWS, np.zeros((1, 7))]).reshape(1, 1, 3, 7), True),
        (ROWS[:, :6].reshape(2, 6, 1, 1), False),
        (padded(), False),
        (padded().reshape(2, 1, 3, 5), False),
        (ssd(), True),
    ],
)
def test_forms(blob, flags):
    found = gt_boxes.read(LAYER, "gt", blob, 2)
    assert found.image.tolist() == [0, 1]
    np.testing.assert_array_equal(found.boxes, ROWS[:, 1:5])
    assert found.classes.tolist() == [3, 1]
    assert found.flagged.tolist() == [False, flags]
    assert found.of(1).classes.tolist() == [1]


@pytest.mark.parametrize(
    "blob", [ROWS[:1, 1:6], ROWS[:1, 1:6].reshape(1, 1, 1, 5), np.zeros((0, 5)), np.zeros((1, 0, 5))]
)
def test_of_one_image(blob):
    found = gt_boxes.read(LAYER, "gt", blob, 1)
    assert found.image.tolist() == [0] * (blob.size // 5)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 1.5])
@pytest.mark.parametrize(("column", "noun"), [(0, "batch index"), (5, "class")])
def test_what_is_no_integer_is_refused(wrong, column, noun):
    rows = ROWS.copy()
    rows[1, column] = wrong
    with pytest.raises(ValueError, match=f"^AnyLayer: gt has the {noun} {wrong:g} in row 1, which is no integer"):
        gt_boxes.read(LAYER, "gt", rows, 2)


def test_refused():
    with pytest.raises(ValueError, match=r"^AnyLayer: gt must have shape \(R, 5\) or .*\(R, 8\), got \(2, 4\)"):
        gt_boxes.read(LAYER, "gt", np.zeros((2, 4)), 1)
    with pytest.raises(ValueError, match=r"^AnyLayer: gt of shape \(2, 3, 5\) are of 2 image\(s\), got a batch of 3"):
        gt_boxes.read(LAYER, "gt", padded(), 3)
    with pytest.raises(
        ValueError, match=r"^AnyLayer: gt has the batch index 1 in row 1; it must be one of the 1 images"
    ):
        gt_boxes.read(LAYER, "gt", ROWS, 1)
